"""Two sets without pairs: how many there are, how they are drawn, divided and streamed."""

import numpy as np
import pytest
from PIL import Image

from odtf import data
from odtf.errors import UserError
from tests.data.conftest import prepare_tfds

TARGETS = {
    "picture": data.Target((None, None, None), "uint8", "bilinear", apart=True),
    "counted": data.COUNTED,
}
# Images of A are below 100, pictures of B from there on: pixels say which they are.
SIZES = {"train": (20, 30), "test": (7, 4)}


def value(half, i):
    return i + (100 if half == "B" else 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root, first = tmp_path_factory.mktemp("apart"), 0
    for part, sizes in SIZES.items():
        for half, count in zip("AB", sizes, strict=True):
            (root / f"{part}{half}").mkdir()
            for i in range(count):
                pixels = np.full((12, 12, 3), value(half, first + i), np.uint8)
                Image.fromarray(pixels).save(root / f"{part}{half}" / f"{i:02d}.png")
        first += max(sizes)
    return root


@pytest.fixture(scope="module", params=[0, 100], ids=["streamed", "in memory"])
def dataset(request, folder):
    return data.load(
        f"folder:{folder}",
        targets=TARGETS,
        memory_budget_mb=request.param,
        validation_fraction=0.2,
        normalization=(0, 1 / 255),
    )


def seen(images):
    return np.rint(np.asarray(images)[:, 0, 0, 0]).astype(int)


def test_a_split_is_as_long_as_the_larger_set_and_counts_each_once(dataset):
    assert {name: len(split) for name, split in dataset.splits.items()} == {"train": 24, "validation": 6, "test": 7}
    images, targets = dataset.splits["test"].take(np.arange(7))
    assert seen(images).tolist() == list(range(30, 37))
    assert seen(targets["picture"]).tolist() == [130, 131, 132, 133, 130, 131, 132]
    np.testing.assert_array_equal(targets["counted"], [[1, 1]] * 4 + [[1, 0]] * 3)


def test_neither_set_is_in_two_splits(dataset):
    parts = [dataset.splits[name].take(np.arange(len(dataset.splits[name]))) for name in ("train", "validation")]
    for pick, count in ((lambda part: part[0], 20), (lambda part: part[1]["picture"], 30)):
        first, second = (set(seen(pick(part)).tolist()) for part in parts)
        assert not first & second and len(first | second) == count


def epoch(pipeline, number=0):
    steps = range(number * pipeline.steps_per_epoch, (number + 1) * pipeline.steps_per_epoch)
    batches = [pipeline.batch(step) for step in steps]
    return np.concatenate([seen(x) for x, _ in batches]), np.concatenate([seen(y["picture"]) for _, y in batches])


def test_they_are_shuffled_by_themselves_and_an_epoch_shows_all(dataset):
    pipeline = data.TrainPipeline(dataset, batch_size=8, seed=1)
    assert pipeline.steps_per_epoch == 3
    images, pictures = epoch(pipeline)
    assert len(set(pictures)) == 24 and len(set(images)) == 16
    again = epoch(data.TrainPipeline(dataset, batch_size=8, seed=1))
    for other, equal in ((again, True), (epoch(pipeline, 1), False)):
        assert np.array_equal(images, other[0]) == np.array_equal(pictures, other[1]) == equal
    # The partner of an image is another in every epoch.
    partners = [dict(zip(*epoch(pipeline, number), strict=True)) for number in (0, 1)]
    assert sum(partners[0][i] != partners[1][i] for i in partners[0]) > 10
    shares = [data.TrainPipeline(dataset, batch_size=8, seed=1).batch(4, replica, 2) for replica in range(2)]
    for name in TARGETS:
        parts = np.concatenate([targets[name] for _, targets in shares])
        np.testing.assert_array_equal(parts, pipeline.batch(4)[1][name])


def test_they_are_moved_by_themselves():
    """Where both sets hold one picture, only draws of their own can make them differ."""
    picture = np.random.RandomState(0).randint(0, 256, (1, 12, 12, 3)).astype(np.uint8)
    halves = [data.Split(data.MemoryStore(np.repeat(picture, 40, axis=0), {}, {})) for _ in range(2)]
    splits = {"train": data.Unpaired(*halves, TARGETS)}
    dataset = data.ImageDataset("one", (), (12, 12, 3), (0,) * 3, (1 / 255,) * 3, splits)
    for config, least in (({"flip": True}, 5), ({"load_size": 15}, 25), ({"rotate": 30.0}, 35)):
        images, targets = data.TrainPipeline(dataset, batch_size=40, seed=0, augment=config).batch(0)
        same = [np.array_equal(np.rint(x), y) for x, y in zip(images, targets["picture"], strict=True)]
        assert least <= 40 - sum(same) and targets["picture"].dtype == "uint8"


def test_tfds(tmp_path):
    where = prepare_tfds(tmp_path, "tiny_cycle", trainA=5, trainB=9, testA=4, testB=3)
    dataset = data.load("tiny_cycle", data_dir=where, targets=TARGETS, validation_fraction=0.25)
    assert {name: len(split) for name, split in dataset.splits.items()} == {"train": 7, "validation": 2, "test": 4}
    images, targets = dataset.splits["test"].take(np.arange(4))
    np.testing.assert_array_equal(targets["counted"], [[1, 1]] * 3 + [[1, 0]])
    # TFDS shuffles what it writes.
    assert sorted(seen(images)) == [0, 1, 2, 3] and sorted(seen(targets["picture"])[:3]) == [0, 1, 2]
    other = data.load("reversed:tiny_cycle", data_dir=where, targets=TARGETS).splits["test"].take(np.arange(4))
    np.testing.assert_array_equal(seen(other[1]["picture"]), seen(images))
    with pytest.raises(UserError, match=r"has no pairs: paired=False would be right. Received: tiny_cycle"):
        data.load("tiny_cycle", data_dir=where, targets={"picture": data.Target((None,) * 3, "uint8", "bilinear")})
    where = prepare_tfds(tmp_path, "plain", train=5)
    with pytest.raises(UserError, match=r"in the splits trainA, trainB, testA and testB. Received: plain"):
        data.load("plain", data_dir=where, targets=TARGETS)


def test_the_embedded_pictures_and_a_choice_of_them():
    dataset = data.load("digit_pictures", targets=TARGETS, max_train_examples=50)
    assert {name: len(split) for name, split in dataset.splits.items()} == {"train": 50, "validation": 80, "test": 120}
    images, targets = dataset.splits["train"].take(np.arange(50))
    assert images.shape == targets["picture"].shape == (50, 32, 32, 1) and (targets["counted"] == 1).all()


def test_corrupt_images_of_either_set_are_skipped(folder, tmp_path):
    import shutil

    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy" / "testB" / "02.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"Corrupt image.*testB/02\.png"):
        data.load(f"folder:{tmp_path / 'copy'}", targets=TARGETS, image_size=12)
    with pytest.warns(UserWarning, match="corrupt"):
        found = data.load(f"folder:{tmp_path / 'copy'}", targets=TARGETS, image_size=12, skip_corrupt=True)
    assert seen(found.splits["test"].take(np.arange(7))[1]["picture"]).tolist() == [130, 131, 133, 130, 131, 133, 130]


def test_what_is_refused(folder):
    name = f"folder:{folder}"
    with pytest.raises(UserError, match="Data must have the targets"):
        data.load("digits", targets=TARGETS)
    dataset = data.load(name, targets=TARGETS)
    domain = data.Domain("more", dataset.splits["train"])
    with pytest.raises(UserError, match="domains with the target 'picture'"):
        data.TrainPipeline(dataset, batch_size=4, seed=0, domains=[domain])
    for wrong in ({**TARGETS, "more": data.Target()}, {"picture": TARGETS["picture"]}):
        with pytest.raises(UserError, match="for a task that learns from a picture that is apart"):
            data.Unpaired(dataset.splits["test"], dataset.splits["test"], wrong)
    with pytest.raises(ValueError, match="apart from the image is a spatial target"):
        data.Target((4,), apart=True)
