"""Files that say how images of another shape come to their size: evaluated so, and told in what goes beside them."""

import zipfile

import keras
import numpy as np
import pytest
from PIL import Image

from odtf.errors import UserError
from odtf.evaluation import evaluator, pixels
from odtf.evaluation.image_file import ImageFile
from odtf.models import file_record
from odtf.tasks import Classification
from odtf.tflite.metadata import attach_resize
from tests.converting import convert

RED, BLUE = (250, 10, 0), (0, 10, 250)
SHADES = pixels.from_flags("0..1")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Pictures three times as wide as high, the middle of the colour of their class and the rest of the other's."""
    root = tmp_path_factory.mktemp("photos")
    for name, colors in {"blue": (RED, BLUE), "red": (BLUE, RED)}.items():
        (root / name).mkdir()
        for i in range(5):
            pixels = np.empty((4, 12, 3), np.uint8)
            pixels[:], pixels[:, 4:8] = colors
            pixels[0, 0, 1] = i
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    return f"folder:{root}"


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """A network that says which of the two colours it sees more of."""
    image = keras.Input((4, 4, 3))
    dense = keras.layers.Dense(2)
    model = keras.Model(image, dense(keras.layers.GlobalAveragePooling2D()(image)))
    dense.set_weights([np.float32([[0, 9], [0, 0], [9, 0]]), np.zeros(2, np.float32)])
    path = convert(model, tmp_path_factory.mktemp("file"))
    with open(path, "rb") as file:
        return file.read()


def accuracy(path, photos, **options):
    result, _ = evaluator.evaluate(ImageFile(path, SHADES, **options), photos, Classification(), split="train")
    return result["top1"], result["file"]["resize"]


def test_images_come_as_the_file_says(content, photos, tmp_path):
    for resize, right in (("crop", 1.0), ("stretch", 0.0), ("fit", 0.0)):
        path = tmp_path / f"{resize}.tflite"
        path.write_bytes(attach_resize(content, resize))
        assert accuracy(path, photos) == (right, resize)
    path.write_bytes(content)
    assert accuracy(path, photos) == (0.0, "stretch")
    assert accuracy(path, photos, resize="crop") == (1.0, "crop")


def test_arrays_of_another_shape_come_so_too(content, tmp_path):
    pixels = np.empty((1, 4, 12, 3), np.uint8)
    pixels[:], pixels[:, :, 4:8] = RED, BLUE
    for resize, label in (("crop", 0), ("stretch", 1)):
        path = tmp_path / "file.tflite"
        path.write_bytes(attach_resize(content, resize))
        assert ImageFile(path, SHADES).answers(pixels).argmax() == label


def test_what_a_file_says_is_not_contradicted_and_not_made_up(content, tmp_path):
    path = tmp_path / "file.tflite"
    path.write_bytes(attach_resize(content, "crop"))
    with pytest.raises(UserError, match=r"says itself how images come to its size: crop\. Received: --resize=fit for"):
        ImageFile(path, SHADES, resize="fit")
    path.write_bytes(attach_resize(content, "zoom"))
    with pytest.raises(UserError, match=r"metadata are corrupt; .* none of stretch, fit, crop\.$"):
        ImageFile(path, SHADES)


def test_a_keras_file_records_it(tmp_path):
    path = tmp_path / "student.keras"
    for resize in (None, "crop"):
        with zipfile.ZipFile(path, "w"):
            pass
        file_record.write(path, ("a", "b"), (0.5,), (0.25,), raw=True, resize=resize)
        assert file_record.read(path).get("resize") == resize
    with zipfile.ZipFile(path, "w"):
        pass
    file_record.write(path, ("a", "b"), (0.5,), (0.25,), resize="zoom")
    with pytest.raises(UserError, match=r"^The record odtf\.json in .* must have"):
        file_record.read(path)
