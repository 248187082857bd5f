"""Masks from folders, TFDS and the embedded scenes; every fault is one line that names the file."""

import numpy as np
import pytest
from PIL import Image

from odtf import data
from odtf.data import class_tables
from odtf.errors import UserError
from tests.data.conftest import prepare_tfds

VOID = 255
TARGETS = {"mask": data.Target(None, "uint8", "nearest", VOID)}
NAMES = "Sky 128 128 128\nRoad,128,64,128\n\n# a remark\n64 0 128\tCar\nVoid 0 0 0\n"
COLORS = ((128, 128, 128), (128, 64, 128), (64, 0, 128), (0, 0, 0))


def truth(i, size=(6, 8)):
    """The values of mask i: 0 to 3, the last of which is void."""
    return np.random.RandomState(i).randint(0, 4, size).astype(np.uint8)


def save(path, pixels, palette=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    if palette:
        image.putpalette(palette)
    image.save(path)


def write(root, count=6, first=0, kind="values", masks="masks", suffix=""):
    """Fills images/ and masks/ of a folder."""
    for i in range(first, first + count):
        values = truth(i)
        save(root / "images" / f"{i:02d}.jpg", np.full((6, 8, 3), 10 * i, np.uint8))
        palette = np.ravel(COLORS).tolist() if kind == "palette" else None
        pixels = np.array(COLORS, np.uint8)[values] if kind == "colors" else values
        save(root / masks / f"{i:02d}{suffix}.png", pixels, palette)
    return root


def expected(values):
    return np.where(values == 3, VOID, values)


def load(root, **options):
    return data.load(f"folder:{root}", targets=TARGETS, **options)


def held(split, count):
    """The masks of a split in order of their images, whose first pixel tells them apart."""
    images, masks = split.take(np.arange(len(split)))
    assert len(split) == count
    return {round(image[0, 0, 0] / 10): mask for image, mask in zip(images, masks, strict=True)}


@pytest.mark.parametrize("kind", ["values", "palette", "colors"])
@pytest.mark.parametrize("memory", [0, 100])
def test_masks_are_values_or_colours(tmp_path, kind, memory):
    root = write(tmp_path, kind=kind)
    (root / "classes.txt").write_text(NAMES)
    dataset = load(root, memory_budget_mb=memory)
    assert dataset.names == dataset.info.names == ("Sky", "Road", "Car")
    assert dataset.info.colors == COLORS[:3]
    found = {}
    for part in ("train", "validation", "test"):
        split = dataset.splits[part]
        assert split.store.streaming == (memory == 0)
        found |= held(split, len(split))
    assert sorted(found) == list(range(6))
    for i, mask in found.items():
        assert mask.dtype == np.uint8
        np.testing.assert_array_equal(mask, expected(truth(i)))


def test_splits_labels_and_suffixes(tmp_path):
    write(tmp_path / "train", 4, masks="labels", suffix="_L")
    write(tmp_path / "val", 2, first=4)
    write(tmp_path / "test", 1, first=6)
    (tmp_path / "classes.txt").write_text("Sky\nRoad\nCar\nVoid\n")
    dataset = load(tmp_path)
    assert dataset.info.colors == ()
    assert sorted(held(dataset.splits["train"], 4)) == [0, 1, 2, 3]
    assert sorted(held(dataset.splits["validation"], 2)) == [4, 5]
    assert sorted(held(dataset.splits["test"], 1)) == [6]


def test_without_a_table_the_masks_say_it(tmp_path):
    write(tmp_path, 5, kind="palette")
    save(tmp_path / "masks" / "02.png", np.full((6, 8), VOID, np.uint8))
    dataset = load(tmp_path)
    assert dataset.names == ("class 0", "class 1", "class 2", "class 3")
    assert dataset.info.colors == COLORS
    masks = {i: m for split in dataset.splits.values() for i, m in held(split, len(split)).items()}
    assert (masks[2] == VOID).all()
    np.testing.assert_array_equal(masks[1], truth(1))


def test_another_size_is_reached_by_the_nearest_pixel(tmp_path):
    write(tmp_path)
    dataset = load(tmp_path, image_size=(3, 4))
    masks = {i: m for split in dataset.splits.values() for i, m in held(split, len(split)).items()}
    np.testing.assert_array_equal(masks[3], truth(3)[1::2, 1::2])


def test_voc(tmp_path):
    values = np.array([[0, 20, 5, VOID]], np.uint8).repeat(3, axis=0)
    for i, part in enumerate(("train", "train", "train", "val")):
        save(tmp_path / "JPEGImages" / f"a{i}.jpg", np.full((3, 4, 3), 10 * i, np.uint8))
        save(tmp_path / "SegmentationClass" / f"a{i}.png", values, [0, 0, 0] * 256)
        (tmp_path / "ImageSets" / "Segmentation").mkdir(parents=True, exist_ok=True)
        with open(tmp_path / "ImageSets" / "Segmentation" / f"{part}.txt", "a") as file:
            file.write(f"a{i}\n")
    dataset = load(tmp_path)
    assert len(dataset.names) == 21 and dataset.names[15] == "person"
    assert dataset.info.colors[1] == (128, 0, 0) and dataset.info.colors[20] == (0, 64, 128)
    np.testing.assert_array_equal(dataset.splits["test"].targets[0], values)
    assert len(dataset.splits["train"]) == 2 and len(dataset.splits["validation"]) == 1


@pytest.mark.parametrize("kind", ["labelIds", "labelTrainIds"])
def test_cityscapes(tmp_path, kind):
    values = {"labelIds": [0, 7, 33, 24], "labelTrainIds": [VOID, 0, 18, 11]}[kind]
    for part, city, count in (("train", "ulm", 3), ("val", "bonn", 2)):
        for i in range(count):
            stem = f"{city}_{i:06d}"
            save(tmp_path / "leftImg8bit" / part / city / f"{stem}_leftImg8bit.png", np.zeros((2, 4, 3), np.uint8))
            mask = np.array([values] * 2, np.uint8)
            save(tmp_path / "gtFine" / part / city / f"{stem}_gtFine_{kind}.png", mask)
    dataset = load(tmp_path)
    assert len(dataset.names) == 19 and dataset.names[11] == "person" and dataset.info.colors[0] == (128, 64, 128)
    assert [len(dataset.splits[part]) for part in ("train", "validation", "test")] == [2, 1, 2]
    np.testing.assert_array_equal(dataset.splits["test"].targets[0], [[VOID, 0, 18, 11]] * 2)


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
def test_tfds(tmp_path, file_format):
    import tensorflow_datasets as tfds

    features = {
        "image": tfds.features.Image(shape=(6, 5, 3)),
        "segmentation_mask": tfds.features.Image(shape=(6, 5, 1)),
        "label": tfds.features.ClassLabel(num_classes=3),
    }
    where = prepare_tfds(tmp_path, features=features, file_format=file_format, train=9, test=4)
    dataset = data.load("tiny", data_dir=where, targets=TARGETS)
    # Example i is of the one value i.
    assert dataset.names == tuple(f"class {i}" for i in range(9))
    images, masks = dataset.splits["test"].take(np.arange(4))
    np.testing.assert_array_equal(images[..., 0], masks)
    assert sorted(masks[:, 0, 0]) == [0, 1, 2, 3]


def test_tfds_sets_with_a_table_of_their_own(tmp_path):
    import tensorflow_datasets as tfds

    image, mask = tfds.features.Image(shape=(None, None, 3)), tfds.features.Image(shape=(None, None, 1))
    where = prepare_tfds(tmp_path, "oxford_iiit_pet", features={"image": image, "mask": mask}, train=4)
    with pytest.raises(UserError, match=r"in the classes of Oxford-IIIT Pet.*the value 0 in .*example"):
        data.load("oxford_iiit_pet", data_dir=where, targets=TARGETS, image_size=8)
    labelled = tfds.features.LabeledImage(labels=["sky", "road", "car"], shape=(6, 5, 1))
    features = {"image": tfds.features.Image(shape=(6, 5, 3)), "map": labelled}
    where = prepare_tfds(tmp_path, "named", features=features, train=3)
    dataset = data.load("named", data_dir=where, targets=TARGETS, validation_fraction=0.4)
    assert dataset.names == ("sky", "road", "car")
    with pytest.raises(UserError, match="exactly one image of three channels and one mask"):
        where = prepare_tfds(tmp_path, "two", features={**features, "more": mask}, train=3)
        data.load("two", data_dir=where, targets=TARGETS)


def test_the_embedded_scenes():
    dataset, again = (data.load("digit_scenes", targets=TARGETS) for _ in range(2))
    assert dataset.names[:2] == ("background", "0") and len(dataset.names) == len(dataset.info.colors) == 11
    assert dataset.image_shape == (48, 48, 3)
    for part, split in dataset.splits.items():
        images, masks = split.take(np.arange(len(split)))
        np.testing.assert_array_equal(masks, again.splits[part].targets)
        assert set(np.unique(masks)) == {*range(11), VOID}
        # Ink is brighter than the darkest textures, and there is more background than ink.
        assert images[(masks > 0) & (masks < VOID)].mean() > images[masks == 0].mean() + 50
        assert 0.5 < np.mean(masks == 0) < 0.95
    small = data.load("digit_scenes", targets=TARGETS, image_size=(24, 32))
    assert small.image_shape == (24, 32, 3)


# Faults --------------------------------------------------------------------------------------------------------------


def size_mismatch(root):
    save(root / "masks" / "03.png", truth(3, (5, 8)))


def unknown_value(root):
    save(root / "masks" / "03.png", np.full((6, 8), 7, np.uint8))


def unknown_colour(root):
    save(root / "masks" / "03.png", np.full((6, 8, 3), 7, np.uint8))


def missing_mask(root):
    (root / "masks" / "03.png").unlink()


def photograph(root):
    (root / "masks" / "03.png").unlink()
    save(root / "masks" / "03.jpg", np.full((6, 8), 1, np.uint8))


def photograph_called_png(root):
    (root / "masks" / "03.png").write_bytes((root / "images" / "03.jpg").read_bytes())


def colours_without_a_table(root):
    (root / "classes.txt").write_text("Sky\nRoad\nCar\nVoid\n")
    save(root / "masks" / "03.png", np.full((6, 8, 3), 128, np.uint8))


def damaged(root):
    (root / "masks" / "03.png").write_bytes(b"no image")


def no_masks(root):
    (root / "masks").rename(root / "truth")


def no_images(root):
    for path in (root / "images").iterdir():
        path.unlink()


def one_class(root):
    (root / "classes.txt").write_text("Sky\nVoid\n")


def a_name_twice(root):
    (root / "classes.txt").write_text("Sky\nRoad\nSky\n")


def a_wrong_colour(root):
    (root / "classes.txt").write_text("Sky 1 2 300\nRoad 1 2 3\n")


FAULTS = [
    (size_mismatch, r"size of its image\. Received: .*masks/03\.png of 5x8 beside .*images/03\.jpg of 6x8"),
    (unknown_value, r"in .*classes\.txt\. Received: the value 7 in .*masks/03\.png"),
    (unknown_colour, r"in .*classes\.txt\. Received: the colour \(7, 7, 7\) in .*masks/03\.png"),
    (missing_mask, r"needs a mask of its name\. Received: .*images/03\.jpg, and no 03\.png in .*masks"),
    (photograph, r"A mask is a PNG file.*masks/03\.jpg, which is JPEG"),
    (photograph_called_png, r"A mask is a PNG file.*masks/03\.png, which is JPEG"),
    (colours_without_a_table, r"needs a table of classes with colours.*masks/03\.png of three channels"),
    (damaged, r"Corrupt image.*masks/03\.png"),
    (no_masks, r"images/ and masks/ \(or labels/\)"),
    (no_images, r"has no images.*images"),
    (one_class, r"2 to 255.*classes\.txt with 1"),
    (a_name_twice, r"every name once.*Sky twice"),
    (a_wrong_colour, r"three numbers from 0 to 255.*300"),
]


@pytest.mark.parametrize(("fault", "message"), FAULTS, ids=[fault.__name__ for fault, _ in FAULTS])
def test_a_fault_is_one_line_that_names_the_file(tmp_path, fault, message):
    root = write(tmp_path)
    (root / "classes.txt").write_text(NAMES)
    fault(root)
    with pytest.raises(UserError, match=message) as caught:
        load(root)
    assert "\n" not in str(caught.value) and "Received: " in str(caught.value)


def test_streamed_faults_come_when_the_image_is_read(tmp_path):
    size_mismatch(write(tmp_path))
    dataset = load(tmp_path, memory_budget_mb=0, mean=(0,) * 3, std=(1,) * 3)
    with pytest.raises(UserError, match="size of its image"):
        for split in dataset.splits.values():
            split.images  # noqa: B018


def test_what_scenes_and_tables_refuse():
    for name, options in (
        ("digit_scenes:3", {"targets": TARGETS}),
        ("digit_scenes", {"targets": TARGETS, "image_size": 16}),
        ("digit_scenes", {}),
        ("digits", {"targets": TARGETS}),
    ):
        with pytest.raises(UserError, match="Received: "):
            data.load(name, **options)
    assert class_tables.voc().names[0] == "background"
