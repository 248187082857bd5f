"""Folders of images."""

import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from odtf import data
from odtf.errors import UserError
from tests.data.conftest import CLASSES, write_images


def counts(dataset):
    return {name: np.bincount(split.targets, minlength=3).tolist() for name, split in dataset.splits.items()}


def test_a_folder_is_split_by_class(image_folder):
    dataset = data.load(f"folder:{image_folder}", validation_fraction=0.25)
    assert dataset.names == CLASSES
    assert dataset.image_shape == (6, 5, 3)
    assert counts(dataset) == {"train": [6, 6, 6], "validation": [2, 2, 2], "test": [2, 2, 2]}


def test_pixels_and_labels_are_those_of_the_files(image_folder):
    dataset = data.load(f"folder:{image_folder}")
    want = {
        np.asarray(Image.open(path)).tobytes(): label
        for label, name in enumerate(CLASSES)
        for path in (image_folder / name).iterdir()
    }
    got = {}
    for split in dataset.splits.values():
        got.update({image.tobytes(): label for image, label in zip(split.images, split.targets, strict=True)})
    assert got == want


def test_three_images_of_a_class_are_enough(tmp_path):
    dataset = data.load(f"folder:{write_images(tmp_path / 'few', per_class=3)}")
    assert counts(dataset) == {"train": [1, 1, 1], "validation": [1, 1, 1], "test": [1, 1, 1]}


@pytest.mark.parametrize("validation", ["val", "validation", None])
def test_given_splits_are_kept(tmp_path, validation):
    write_images(tmp_path / "train", per_class=10, seed=1)
    write_images(tmp_path / "test", per_class=2, seed=2)
    if validation:
        write_images(tmp_path / validation, per_class=3, seed=3)
    want = {"train": [10] * 3, "validation": [3] * 3} if validation else {"train": [9] * 3, "validation": [1] * 3}
    assert counts(data.load(f"folder:{tmp_path}")) == {**want, "test": [2] * 3}


def test_classes_may_be_called_like_splits(tmp_path):
    dataset = data.load(f"folder:{write_images(tmp_path, classes=('bus', 'train'))}")
    assert dataset.names == ("bus", "train")
    write_images(tmp_path / "both", classes=("test", "train"))
    assert data.load(f"folder:{tmp_path / 'both'}").names == ("test", "train")


def test_classes_are_in_the_order_of_their_characters(tmp_path):
    """Capitals first, as in Python and TFDS: it is the same on every system, and an index keeps its meaning."""
    root = write_images(tmp_path, classes=("ash", "Birch", "cedar", "9", "Zelkova", "10"))
    dataset = data.load(f"folder:{root}")
    assert dataset.names == ("10", "9", "Birch", "Zelkova", "ash", "cedar")


def test_every_kind_of_image_becomes_rgb(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(3):
            Image.new("RGB", (4, 4), (200, 100, 50)).save(tmp_path / name / f"{i}.png")
    made = tmp_path / "a"
    grey = np.full((4, 4), 80, np.uint8)
    Image.fromarray(grey).save(made / "grey.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(made / "deep.png")
    Image.new("RGBA", (4, 4), (200, 100, 50, 10)).save(made / "alpha.png")
    Image.new("RGB", (4, 4), (200, 100, 50)).save(made / "plain.bmp")
    Image.new("RGB", (4, 4), (200, 100, 50)).save(made / "plain.JPG", quality=100)
    Image.new("RGB", (4, 4), (200, 100, 50)).convert("P").save(made / "palette.gif")
    Image.new("CMYK", (4, 4), (0, 0, 0, 175)).save(made / "print.jpeg", quality=100)
    (made / "notes.txt").write_text("no image")
    (made / ".hidden.png").write_bytes(b"no image")
    dataset = data.load(f"folder:{tmp_path}", memory_budget_mb=0)
    store = dataset.splits["train"].store
    images, labels = store.read(np.arange(len(store)))
    order = ["0", "1", "2", "alpha", "deep", "grey", "palette", "plain", "plain", "print", "0", "1", "2"]
    wanted = {"deep": (80, 80, 80), "grey": (80, 80, 80), "print": (80, 80, 80)}
    assert len(order) == len(images)
    for name, image in zip(order, images, strict=True):
        np.testing.assert_allclose(image, np.broadcast_to(wanted.get(name, (200, 100, 50)), (4, 4, 3)), atol=6)
    assert labels["label"].tolist() == [0] * 10 + [1] * 3


def test_images_are_turned_upright(tmp_path):
    write_images(tmp_path, per_class=4, size=(3, 7))
    pixels = np.zeros((7, 3, 3), np.uint8)
    pixels[0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # Turn by 90 degrees clockwise.
    Image.fromarray(pixels).save(tmp_path / "ash" / "00.png", exif=exif)
    dataset = data.load(f"folder:{tmp_path}", memory_budget_mb=0)
    assert dataset.image_shape == (3, 7, 3)
    image = dataset.splits["train"].store.read([0])[0][0]
    np.testing.assert_array_equal(image, np.rot90(pixels, -1))


def test_other_sizes_are_resized(tmp_path):
    write_images(tmp_path / "big", size=(40, 20))
    Image.new("RGB", (33, 17), (10, 20, 30)).save(tmp_path / "big" / "ash" / "00.png")
    dataset = data.load(f"folder:{tmp_path / 'big'}", image_size=8)
    assert dataset.image_shape == (8, 8, 3)
    rows = np.flatnonzero((dataset.splits["train"].store._images.numpy() == (10, 20, 30)).all(axis=(1, 2, 3)))
    assert len(rows) == 1
    assert data.load(f"folder:{tmp_path / 'big'}", image_size=(4, 6)).image_shape == (4, 6, 3)


def test_corrupt_images_are_skipped_on_request(image_folder):
    (image_folder / "ash" / "03.png").write_bytes(b"no image at all")
    whole = (image_folder / "birch" / "05.png").read_bytes()
    (image_folder / "birch" / "05.png").write_bytes(whole[: len(whole) // 2])
    for budget in (1, 0):
        with pytest.warns(UserWarning, match=r"2 corrupt images skipped in train"):
            dataset = data.load(f"folder:{image_folder}", skip_corrupt=True, memory_budget_mb=budget)
        assert np.sum(list(counts(dataset).values()), axis=0).tolist() == [9, 9, 10]


def test_nothing_is_skipped_where_nothing_is_corrupt(image_folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = data.load(f"folder:{image_folder}", skip_corrupt=True)
    assert sum(map(len, dataset.splits.values())) == 30


def test_a_corrupt_image_met_while_streaming_is_named(tmp_path):
    """Its header is sound, so that only decoding finds it; its path has what TensorFlow would print escaped."""
    root = write_images(tmp_path / "Bäume 'n' >such")
    dataset = data.load(f"folder:{root}", memory_budget_mb=0, mean=(0, 0, 0), std=(1, 1, 1))
    for path in (root / "cedar").iterdir():
        path.write_bytes(path.read_bytes()[:60])
    pipeline = data.TrainPipeline(dataset, batch_size=20, seed=0)
    message = r"^Corrupt image: .* Received: .*/Bäume 'n' >such/cedar/\d\d\.png \([^\n]*\)\.$"
    with pytest.raises(UserError, match=message):
        pipeline.batch(0)
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        next(iter(pipeline.dataset()))
    error = data.user_error_from(caught.value)
    assert isinstance(error, UserError) and re.search(message, str(error))
    assert data.user_error_from(ValueError("something else")) is None


def test_a_program_exits_while_images_are_read_ahead(image_folder):
    """A thread that waits for the interpreter, and an interpreter that waits for the thread, would never end."""
    program = (
        "import sys; from odtf import data;"
        "dataset = data.load('folder:' + sys.argv[1], memory_budget_mb=0);"
        "batches = iter(data.TrainPipeline(dataset, batch_size=20, seed=0).dataset());"
        "print([len(next(batches)[1]) for _ in range(20)])"
    )
    command = [sys.executable, "-c", program, str(image_folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str([20] * 20)
    assert "Traceback" not in done.stderr
