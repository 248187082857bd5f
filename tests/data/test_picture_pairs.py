"""Pictures as targets: folders with pairs, joined images, Cityscapes, labels, and pairs the other way round."""

import numpy as np
import pytest
from PIL import Image

from odtf import data
from odtf.errors import UserError

PICTURE = {"picture": data.Target((None, None, None), "uint8", "bilinear")}
GREY = {"picture": data.Target((None, None, 1), "uint8", "bilinear")}


def made(i, size=(12, 14)):
    """An image that is told apart from all others, and what it should become."""
    image = np.random.RandomState(i).randint(0, 256, (*size, 3)).astype(np.uint8)
    return image, 255 - image


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write(root, layout="{part}{half}/{i}.png", parts=(("train", 5), ("val", 2), ("test", 3)), size=(12, 14)):
    first = 0
    for part, count in parts:
        for i in range(first, first + count):
            halves = made(i, size)
            if "{half}" not in layout:
                save(root / layout.format(part=part, i=i), np.concatenate(halves, axis=1))
                continue
            for half, pixels in zip("AB", halves, strict=True):
                save(root / layout.format(part=part, half=half, i=i), pixels)
        first += count
    return f"folder:{root}"


def counts(dataset):
    return {name: len(split) for name, split in dataset.splits.items()}


@pytest.mark.parametrize("layout", ["{part}{half}/{i}.png", "{part}/{half}/{i}.png", "{part}/{i}.png"])
@pytest.mark.parametrize("memory", [0, 100])
def test_pairs_are_two_folders_or_halves_of_a_file(tmp_path, layout, memory):
    name = write(tmp_path, layout)
    dataset = data.load(name, targets=PICTURE, memory_budget_mb=memory, normalization=(0.5, 0.5))
    assert counts(dataset) == {"train": 5, "validation": 2, "test": 3} and dataset.names == ()
    assert (dataset.image_shape, dataset.mean, dataset.std) == ((12, 14, 3), (0.5,) * 3, (0.5,) * 3)
    images, pictures = dataset.splits["test"].take([0, 1, 2])
    for i, (image, picture) in enumerate(zip(images, pictures, strict=True), start=7):
        np.testing.assert_array_equal(image, made(i)[0])
        np.testing.assert_array_equal(picture, made(i)[1])
    back = data.load(f"reversed:{name}", targets=PICTURE, memory_budget_mb=memory).splits["test"].take([2])
    np.testing.assert_array_equal(back[0][0], made(9)[1])
    np.testing.assert_array_equal(back[1][0], made(9)[0])


def test_another_size_is_reached_bicubically_and_grey_pictures_stay_beside_coloured_images(tmp_path):
    name = write(tmp_path, parts=(("train", 4), ("val", 3)))
    dataset = data.load(name, targets=GREY, image_size=(8, 6))
    # A validation split alone is the test split, and another is taken from the training images.
    assert counts(dataset) == {"train": 3, "validation": 1, "test": 3}
    images, pictures = dataset.splits["test"].take([1])
    resized = [Image.fromarray(x).resize((6, 8), Image.Resampling.BICUBIC) for x in made(5)]
    np.testing.assert_array_equal(images[0], resized[0])
    grey = Image.fromarray(made(5)[1]).convert("L").resize((6, 8), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(pictures[0, ..., 0], grey)
    with pytest.raises(UserError, match=r"as many channels. Received: images \(8, 6, 3\) and pictures \(8, 6, 1\)"):
        data.load(f"reversed:{name}", targets=GREY, image_size=(8, 6))


def test_image_and_picture_are_moved_alike_on_any_number_of_replicas(tmp_path):
    dataset = data.load(write(tmp_path), targets=PICTURE, normalization=(0.5, 0.5))
    options = {"batch_size": 4, "seed": 3, "augment": {"load_size": (15, 17), "flip": True}}
    images, pictures = data.TrainPipeline(dataset, **options).batch(5)
    levels = np.rint(127.5 * (images.numpy() + 1.0))
    # Resizing is linear but for rounding and clipping.
    assert np.mean(np.abs(levels + pictures.numpy() - 255.0) <= 1.0) > 0.99
    shares = [data.TrainPipeline(dataset, **options).batch(5, replica, 2) for replica in range(2)]
    for whole, parts in zip((images, pictures), zip(*shares, strict=True), strict=True):
        np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert not np.array_equal(data.TrainPipeline(dataset, **options).batch(6)[1], pictures)


def test_cityscapes_gives_the_photograph_to_its_map(tmp_path):
    for part, count in (("train", 4), ("val", 2)):
        for i in range(count):
            stem, colors = f"aachen_{i}", np.zeros((12, 14, 3), np.uint8)
            colors[:] = (128, 64, 128)  # A road, whose label id is 7 and whose class is the first.
            save(tmp_path / "leftImg8bit" / part / "aachen" / f"{stem}_leftImg8bit.png", made(i)[0])
            save(tmp_path / "gtFine" / part / "aachen" / f"{stem}_gtFine_color.png", colors)
            save(tmp_path / "gtFine" / part / "aachen" / f"{stem}_gtFine_labelIds.png", np.full((12, 14), 7, np.uint8))
    dataset = data.load(f"folder:{tmp_path}", targets={**PICTURE, "labels": data.LABELS}, memory_budget_mb=0)
    assert counts(dataset) == {"train": 3, "validation": 1, "test": 2} and len(dataset.names) == 19
    images, targets = dataset.splits["test"].take([1])
    assert images[0, 0, 0].tolist() == [128, 64, 128] and (targets["labels"] == 0).all()
    np.testing.assert_array_equal(targets["picture"][0], made(1)[0])


def test_labels_are_the_colours_of_the_image(tmp_path):
    root = tmp_path / "maps"
    for i in range(6):
        colors = np.zeros((12, 14, 3), np.uint8)
        colors[:, : 2 + i] = (10, 20, 30)
        save(root / "trainA" / f"{i}.png", colors)
        save(root / "trainB" / f"{i}.png", made(i)[0])
    targets = {**PICTURE, "labels": data.LABELS}
    with pytest.raises(UserError, match=r"classes\.txt.*Received: .*maps without one"):
        data.load(f"folder:{root}", targets=targets)
    (root / "classes.txt").write_text("sky 0 0 0\nroad 10 20 30\n")
    dataset = data.load(f"folder:{root}", targets=targets)
    assert dataset.names == ("sky", "road") and dataset.info.colors == ((0, 0, 0), (10, 20, 30))
    images, values = dataset.splits["train"].take([0, 1])
    np.testing.assert_array_equal(values["labels"], images[..., 0] == 10)
    with pytest.raises(UserError, match="labels of the image cannot be exchanged"):
        data.load(f"reversed:folder:{root}", targets=targets)


def test_the_embedded_pictures():
    for name in ("digit_pictures", "digit_pictures:edges"):
        one, again = (data.load(name, targets=PICTURE, image_size=size) for size in (None, 32))
        assert one.image_shape == (32, 32, 1) and counts(one) == {"train": 400, "validation": 80, "test": 120}
        for part in one.splits:
            for here, there in zip(one.splits[part].take([0, 7]), again.splits[part].take([0, 7]), strict=True):
                np.testing.assert_array_equal(here, there)
        images, pictures = one.splits["train"].take(np.arange(400))
        assert 10 < np.abs(images.astype(float) - pictures).mean() < 128
        assert len(np.unique(pictures.reshape(400, -1), axis=0)) == 400
    assert set(np.unique(images)) == {0, 255}
    clean = [split.targets.reshape(len(split), -1) for split in one.splits.values()]
    assert len(np.unique(np.concatenate(clean), axis=0)) == 600


# Faults: one line that names the file ---------------------------------------------------------------------------------


def lone_image(root):
    (root / "trainB" / "3.png").unlink()
    return r"partner of its name. Received: .*trainA/3\.png, and no 3 in .*trainB"


def lone_picture(root):
    (root / "trainA" / "3.png").rename(root / "trainA" / "other.png")
    (root / "trainB" / "x.png").write_bytes((root / "trainB" / "3.png").read_bytes())
    (root / "trainA" / "other.png").rename(root / "trainA" / "3.png")
    return r"partner of its name. Received: .*trainB/x\.png, and no x in .*trainA"


def another_size(root):
    save(root / "trainB" / "3.png", made(3, (12, 13))[1])
    return r"Images differ in size: .*trainB/3\.png"


def damaged(root):
    (root / "trainB" / "3.png").write_bytes(b"no image")
    return r"Corrupt image.*trainB/3\.png"


def one_folder(root):
    for path in (root / "trainB").iterdir():
        path.unlink()
    (root / "trainB").rmdir()
    return r"needs one of pictures B. Received: .*trainA alone"


def empty(root):
    for path in (root / "testA").iterdir():
        path.unlink()
    return r"has no images.*testA"


def nothing(root):
    for path in root.iterdir():
        path.rename(root / f"old_{path.name}")
    return "A folder of pictures has trainA/ and trainB/"


@pytest.mark.parametrize("fault", [lone_image, lone_picture, another_size, damaged, one_folder, empty, nothing])
def test_a_fault_is_one_line_that_names_the_file(tmp_path, fault):
    name = write(tmp_path)
    with pytest.raises(UserError, match=fault(tmp_path)) as caught:
        data.load(name, targets=PICTURE)
    assert "\n" not in str(caught.value)


def test_faults_of_sizes_and_halves(tmp_path):
    name = write(tmp_path / "two")
    save(tmp_path / "two" / "trainB" / "3.png", made(3, (12, 13))[1])
    with pytest.raises(
        UserError, match=r"the size of its image.*trainB/3\.png of 12x13 beside .*trainA/3\.png of 12x14"
    ):
        data.load(name, targets=PICTURE, image_size=8)
    name = write(tmp_path / "joined", "{part}/{i}.png")
    with pytest.raises(UserError, match="without pairs, or with labels, the two folders"):
        data.load(name, targets={**PICTURE, "labels": data.LABELS})
    save(tmp_path / "joined" / "train" / "3.png", made(3, (12, 27))[1])
    with pytest.raises(UserError, match=r"two pictures of one width.*train/3\.png, 12x27"):
        data.load(name, targets=PICTURE, image_size=8)
    save(tmp_path / "joined" / "train" / "3.png", made(3, (12, 26))[1])
    with pytest.raises(UserError, match=r"Images differ in size.*12x14 .*12x13 \(.*train/3\.png\)"):
        data.load(name, targets=PICTURE)
    with pytest.raises(UserError, match=r"take nothing, or edges. Received: 'digit_pictures:noise'"):
        data.load("digit_pictures:noise", targets=PICTURE)
    with pytest.raises(UserError, match="Data must have the targets"):
        data.load("digit_pictures", targets={"label": data.Target()})
    with pytest.raises(UserError, match="Data must have the targets"):
        data.load("reversed:digit_pictures", targets={"label": data.Target()})
