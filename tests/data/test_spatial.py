"""Masks and other targets that are as large as their image: they stay what belongs to its pixels."""

import io

import numpy as np
import pytest
from PIL import Image

from odtf import data
from odtf.data.augment import NUM_DRAWS, Augmentation, augment
from odtf.data.decoding import decode, decode_target
from odtf.data.stores import FileStore, MemoryStore
from odtf.errors import UserError

MASK = data.Target(None, "int32", "nearest", -1)
TARGETS = {
    "mask": MASK,
    "coarse": data.Target(None, "uint8", "nearest", 255),
    "depth": data.Target(None, "float32", "bilinear"),
    "negative": data.Target((None, None, 3), "uint8", "bilinear"),
    "box": data.Target((4,), "float32"),
    "label": data.Target(),
}
AUGMENTS = [
    {},
    {"flip": True},
    {"pad": 2},
    {"pad": 3, "flip": True, "cutout": 3},
    {"pad": 2, "pad_mode": "reflect", "flip": True},
]


def derived(images):
    """Every target as a function of the images' pixels (one example or many), none of which is black."""
    first = images[..., 0]
    return {
        "mask": first.astype(np.int32) * 1000,
        "coarse": first // 16,
        "depth": first / np.float32(8),
        "negative": 255 - images,
        "box": images[..., 0, :4, 0].astype(np.float32),
        "label": images[..., 0, 0, 0].astype(np.int32),
    }


def made(argument, *, data_dir, image_size, targets):
    images = np.random.RandomState(0).randint(1, 255, (30, 6, 5, 3)).astype(np.uint8)
    # The first pixel tells images apart.
    images[:, 0, 0] = np.arange(1, 31)[:, np.newaxis]
    values = {name: value for name, value in derived(images).items() if name in targets}
    return (), {"train": data.Split(MemoryStore(images, values, targets))}


@pytest.fixture(scope="module")
def dataset():
    """Its pixels are not changed by normalisation."""
    return data.load(made, targets=TARGETS, mean=(0, 0, 0), std=(1 / 255,) * 3)


def assert_corresponds(images, targets):
    """Targets are what `derived` makes of the images as they are now; black pixels are padding."""
    pixels = np.rint(images).astype(np.uint8)
    outside = (pixels == 0).all(axis=-1)
    want = derived(pixels)
    for name, fill in (("mask", -1), ("coarse", 255), ("depth", 0), ("negative", 0)):
        where = outside[..., np.newaxis] if name == "negative" else outside
        np.testing.assert_array_equal(targets[name], np.where(where, fill, want[name]), err_msg=name)
    return outside


@pytest.mark.parametrize("config", AUGMENTS, ids=str)
def test_one_gather_moves_both(config):
    """Against plain NumPy, which pads the target with its own value."""
    random = np.random.RandomState(1)
    images = random.randint(0, 256, (32, 7, 5, 3)).astype(np.uint8)
    masks = random.randint(0, 99, (32, 7, 5)).astype(np.int32)
    draws = random.rand(32, NUM_DRAWS).astype(np.float32)
    spec = Augmentation.from_config(config, images.shape[1:])
    _, moved = augment(images, draws, spec, (0.5,) * 3, (0.2,) * 3, {"mask": (masks, -1)})
    pad, span = spec.pad, 2 * spec.pad + 1
    for got, mask, draw in zip(np.asarray(moved["mask"]), masks, draws, strict=True):
        mode = {"mode": "reflect"} if spec.pad_mode == "reflect" else {"constant_values": -1}
        top, left = int(draw[0] * span), int(draw[1] * span)
        want = np.pad(mask, pad, **mode)[top : top + 7, left : left + 5]
        np.testing.assert_array_equal(got, want[:, ::-1] if spec.flip and draw[2] < 0.5 else want)


@pytest.mark.parametrize("config", [c for c in AUGMENTS if "cutout" not in c], ids=str)
@pytest.mark.parametrize("num_views", [1, 2])
def test_image_and_targets_correspond_after_augmentation(dataset, config, num_views):
    pipeline = data.TrainPipeline(dataset, batch_size=16, seed=0, augment=config, num_views=num_views)
    images, targets = pipeline.batch(2)
    assert {name: value.dtype for name, value in targets.items()} == {n: t.dtype for n, t in TARGETS.items()}
    assert targets["mask"].shape == images.shape[:-1] and targets["negative"].shape == images.shape
    outside = assert_corresponds(images, targets)
    assert outside.any() == (config.get("pad", 0) > 0 and "pad_mode" not in config)
    # What is not spatial belongs to the image before it was moved, and has no views.
    train = dataset.splits["train"]
    known = {label: box.tolist() for label, box in zip(train.targets["label"], train.targets["box"], strict=True)}
    assert targets["box"].shape == (16, 4) and targets["label"].shape == (16,)
    for label, box in zip(targets["label"].numpy(), targets["box"].numpy(), strict=True):
        assert known[label] == box.tolist()


def test_cutout_leaves_targets_alone(dataset):
    plain, cut = (
        data.TrainPipeline(dataset, batch_size=16, seed=0, augment=config).batch(1)
        for config in ({"pad": 2, "flip": True}, {"pad": 2, "flip": True, "cutout": 4})
    )
    assert not np.array_equal(plain[0], cut[0])
    for name in TARGETS:
        np.testing.assert_array_equal(plain[1][name], cut[1][name])


@pytest.mark.parametrize("num_views", [1, 2])
def test_one_replica_equals_two(dataset, num_views):
    pipeline = data.TrainPipeline(dataset, batch_size=8, seed=1, augment=AUGMENTS[3], num_views=num_views)
    again = data.TrainPipeline(dataset, batch_size=8, seed=1, augment=AUGMENTS[3], num_views=num_views)
    for step in (0, 5):
        images, targets = pipeline.batch(step)
        shards = [again.batch(step, replica, 2) for replica in range(2)]
        np.testing.assert_array_equal(np.concatenate([shard[0] for shard in shards]), images)
        for name, value in targets.items():
            np.testing.assert_array_equal(np.concatenate([shard[1][name] for shard in shards]), value)


def test_one_mask_is_no_dict():
    dataset = data.load(made, targets={"mask": MASK})
    assert dataset.splits["train"].targets.shape == (len(dataset.splits["train"]), 6, 5)
    _, mask = data.TrainPipeline(dataset, batch_size=4, seed=0).batch(0)
    assert mask.shape == (4, 6, 5) and mask.dtype == "int32"


def test_evaluation_has_the_targets_of_the_images(dataset):
    split = dataset.splits["test"]
    batches = list(data.eval_dataset("test", dataset, batch_size=4))
    assert [weights.numpy().tolist() for _, _, weights in batches] == [[1] * 4, [1, 1, 0, 0]]
    for images, targets, _ in batches:
        assert not assert_corresponds(images, targets).any()
    images, targets = split.take([0, 1, 2, 3])
    np.testing.assert_array_equal(batches[0][0], images)
    for name, value in batches[0][1].items():
        np.testing.assert_array_equal(value, targets[name])


def encoded(array, palette=None):
    """An array as a PNG file; with a palette, of its indices."""
    file = io.BytesIO()
    image = Image.fromarray(array)
    if palette:
        image.putpalette(palette)
    image.save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def picture_pairs(tmp_path):
    """A source of files: pictures of 12 x 10 pixels, a mask and a negative beside each."""
    random = np.random.RandomState(3)
    for i in range(12):
        # Squares of 2 x 2 pixels.
        pixels = random.randint(1, 255, (6, 5, 3)).astype(np.uint8).repeat(2, axis=0).repeat(2, axis=1)
        (tmp_path / f"{i:02d}.png").write_bytes(encoded(pixels))
        (tmp_path / f"{i:02d}.mask.png").write_bytes(encoded(pixels[..., 0] // 16))
        (tmp_path / f"{i:02d}.negative.png").write_bytes(encoded(255 - pixels))

    def pairs(argument, *, data_dir, image_size, targets):
        size = image_size or (12, 10)

        def read_one(row):
            files = {name: tmp_path / f"{row:02d}.{name}.png" for name in targets}
            values = {n: decode_target(f.read_bytes(), targets[n], size, f.name) for n, f in files.items()}
            return decode((tmp_path / f"{row:02d}.png").read_bytes(), size), values

        return (), {"train": data.Split(FileStore(12, (*size, 3), read_one, targets))}

    return pairs


@pytest.mark.parametrize("size", [None, (6, 5)])
def test_files_are_streamed_as_they_are_held(picture_pairs, size):
    targets = {"mask": data.Target(None, "uint8", "nearest", 255), "negative": TARGETS["negative"]}
    held, streamed = (
        data.load(picture_pairs, targets=targets, image_size=size, memory_budget_mb=budget) for budget in (1, 0)
    )
    assert "in memory" in held.describe() and "streamed" in streamed.describe()
    for part, split in held.splits.items():
        for name, value in split.targets.items():
            np.testing.assert_array_equal(value, streamed.splits[part].targets[name])
    if size is None:
        split = held.splits["train"]
        np.testing.assert_array_equal(split.targets["mask"], split.images[..., 0] // 16)
        np.testing.assert_array_equal(split.targets["negative"], 255 - split.images)
    a, b = (
        data.TrainPipeline(d, batch_size=4, seed=1, augment={"pad": 2, "flip": True}, num_views=2).batch(3)
        for d in (held, streamed)
    )
    np.testing.assert_array_equal(a[0], b[0])
    for name in targets:
        np.testing.assert_array_equal(a[1][name], b[1][name])


def test_masks_are_resized_by_the_nearest_pixel():
    random = np.random.RandomState(0)
    mask = random.randint(0, 200, (9, 7)).astype(np.uint8)
    file = encoded(mask)
    for size in ((3, 3), (4, 5), (18, 20), (9, 7)):
        got = decode_target(file, MASK, size)
        assert got.dtype == np.int32 and got.shape == size
        np.testing.assert_array_equal(got, Image.fromarray(mask).resize(size[::-1], Image.Resampling.NEAREST))
    assert set(np.unique(decode_target(file, MASK, (5, 5)))) <= set(np.unique(mask))
    colours = random.randint(0, 255, (9, 7, 3)).astype(np.uint8)
    target = data.Target((None, None, 3), "uint8", "nearest")
    want = Image.fromarray(colours).resize((4, 5), Image.Resampling.NEAREST)
    np.testing.assert_array_equal(decode_target(encoded(colours), target, (5, 4)), want)


def test_pictures_are_resized_as_the_image_is():
    pixels = np.random.RandomState(0).randint(0, 256, (9, 7, 3)).astype(np.uint8)
    file = encoded(pixels)
    np.testing.assert_array_equal(decode_target(file, TARGETS["negative"], (4, 5)), decode(file, (4, 5)))
    grey = encoded(pixels[..., 0])
    got = decode_target(grey, TARGETS["depth"], (4, 5))
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, decode(grey, (4, 5), 1)[..., 0])


def test_one_channel_keeps_the_values_of_the_file():
    deep = np.arange(0, 63_000, 1000, dtype=np.uint16).reshape(9, 7)
    np.testing.assert_array_equal(decode_target(encoded(deep), MASK), deep)
    got = decode_target(encoded(np.full((8, 8), 60_001, np.uint16)), TARGETS["depth"], (4, 4))
    np.testing.assert_array_equal(got, np.full((4, 4), 60_001))
    indices = np.arange(63, dtype=np.uint8).reshape(9, 7) % 5
    palette = encoded(indices, palette=[9, 9, 9, 200, 100, 50, 0, 0, 0, 1, 2, 3, 4, 4, 4])
    assert Image.open(io.BytesIO(palette)).mode == "P"
    np.testing.assert_array_equal(decode_target(palette, MASK), indices)
    np.testing.assert_array_equal(decode_target(encoded(indices > 2), MASK), indices > 2)
    with_channel = data.Target((None, None, 1), "uint8", "nearest")
    assert decode_target(palette, with_channel).shape == (9, 7, 1)


def test_masks_that_are_none_are_named():
    with pytest.raises(UserError, match=r"one channel, or of a palette. Received: a.png, RGB"):
        decode_target(encoded(np.zeros((4, 4, 3), np.uint8)), MASK, name="a.png")
    with pytest.raises(UserError, match=r"Corrupt image.*a.png"):
        decode_target(b"no image", MASK, name="a.png")
    with pytest.raises(UserError, match=r"values of uint8\. Received: 300"):
        decode_target(encoded(np.full((4, 4), 300, np.uint16)), TARGETS["coarse"])
