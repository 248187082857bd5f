"""Pictures of masks, where they lie, and MediaPipe's word on an exported file."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from matplotlib import pyplot
from PIL import Image

from odtf import data, export
from odtf.data import Info
from odtf.errors import VerificationError
from odtf.tasks.segmentation import VOID, Segmentation, mask_pictures
from odtf.tflite.runner import Runner

COLORS = ((0, 0, 0), (255, 0, 0), (0, 255, 0))
INFO = Info("scenes", (2, 3, 1), ("sky", "road", "car"), ((0,), (1,)), COLORS)


@pytest.fixture(scope="module")
def scenes():
    return data.load("digit_scenes", targets=Segmentation.targets)


@pytest.fixture(scope="module")
def network(scenes):
    """A network that tells colours apart: a few units of brightness more or less change little."""
    image = keras.Input(scenes.image_shape)
    kernel = keras.initializers.RandomNormal(seed=3)
    logits = keras.layers.Conv2D(11, 3, padding="same", kernel_initializer=kernel, name="logits")(image)
    network = keras.Model(image, {"logits": logits}, name="colours")
    network.layers[-1].kernel.assign(15.0 * network.layers[-1].kernel)
    return network


@pytest.fixture(scope="module")
def folder(network, scenes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("phone")
    options = {"task": Segmentation(), "target": "phone", "calibration_examples": 32, "max_examples": 8}
    about = {"name": "a segmenter", "training": {}, "cost": None}
    export.export_student(network, scenes, folder, max_drop=1.0, about=about, **options)
    return folder


# MediaPipe ----------------------------------------------------------------------------------------------------------


@pytest.mark.needs(package="mediapipe")
def test_mediapipe_gives_the_masks_that_litert_gives(folder, scenes, monkeypatch):
    content = (folder / "student_int8.tflite").read_bytes()
    images, masks = scenes.splits["test"].take(np.arange(4))
    client = Segmentation().client
    found = client.prove(content, images, masks, scenes.info)
    assert found == {"agreement": 1.0, "max_difference": pytest.approx(0.0, abs=1 / 256)}
    labels, categories, confidences = client.segment(content, images)
    expected = Runner(content).predict(images)
    assert labels == ["background", *map(str, range(10))] and len(np.unique(categories)) > 3
    np.testing.assert_array_equal(categories, expected.argmax(-1))
    np.testing.assert_allclose(confidences, expected, atol=1e-6)
    for wrong, message in (
        ((labels[::-1], categories, confidences), "reads the labels"),
        ((labels, categories, confidences[..., :3]), "confidences of the shape"),
        ((labels, categories, confidences + 0.1), "confidences differ"),
        ((labels, np.full_like(categories, expected.sum((0, 1, 2)).argmin()), confidences), "of the pixels the class"),
    ):
        monkeypatch.setattr(client, "segment", lambda *_, wrong=wrong: wrong)
        with pytest.raises(VerificationError, match=message):
            client.prove(content, images, masks, scenes.info)


@pytest.mark.needs(package="mediapipe")
@pytest.mark.parametrize("size", [(101, 75), (37, 64)])
def test_mediapipes_mask_of_a_photo_is_ours_but_for_borders(folder, scenes, size):
    content = (folder / "student_int8.tflite").read_bytes()
    # Soft ones: libraries scale photos in ways that differ in their finest details.
    spots = np.random.default_rng(0).integers(0, 256, (4, 5, 5, 3), np.uint8)
    photos = np.stack([Image.fromarray(image).resize(size, Image.BICUBIC) for image in spots])
    _, categories, _ = Segmentation().client.segment(content, photos)
    small = tf.image.resize(photos, scenes.image_shape[:2]).numpy().round().astype(np.uint8)
    ours = tf.image.resize(Runner(content).predict(small), size[::-1]).numpy().argmax(-1)
    inner = np.stack([is_inner(one) for one in ours])
    assert inner.mean() > 0.2
    assert np.mean(categories[inner] == ours[inner]) >= 0.99


def is_inner(classes, distance=3):
    """Whether no pixel of another class is as near as that."""
    inner = np.ones(classes.shape, bool)
    for axis in (0, 1):
        for step in range(1, distance + 1):
            for way in (step, -step):
                same = np.roll(classes, way, axis) == classes
                np.moveaxis(same, axis, 0)[: way if way > 0 else None][-way if way < 0 else 0 :] = True
                inner &= same
    return inner


# Pictures -----------------------------------------------------------------------------------------------------------


def test_a_mask_has_the_colours_of_its_classes_and_white_where_nothing_counts():
    mask = np.array([[0, 1, 2], [2, VOID, 0]])
    found = mask_pictures.colored(mask, mask_pictures.palette(pyplot, INFO), VOID)
    wanted = [[COLORS[0], COLORS[1], COLORS[2]], [COLORS[2], (255,) * 3, COLORS[0]]]
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("count", [3, 11, 40])
def test_classes_without_colours_get_some_that_differ(count):
    colors = mask_pictures.palette(pyplot, Info("x", (2, 2, 3), tuple(map(str, range(count)))))
    assert colors.shape == (count, 3) and colors.dtype == np.uint8 and len(np.unique(colors, axis=0)) == count


def test_errors_are_red_and_void_is_none():
    image = np.zeros((2, 3, 1), np.uint8)
    mask, classes = np.array([[0, 1, 2], [2, VOID, 0]]), np.array([[0, 2, 2], [2, 1, 1]])
    red = np.all(mask_pictures.errors(image, mask, classes, VOID) == (220, 30, 30), axis=-1)
    np.testing.assert_array_equal(red, [[False, True, False], [False, False, True]])


def test_a_picture_has_a_column_for_every_answer_and_a_legend():
    images, masks = np.zeros((2, 2, 3, 1), np.uint8), np.zeros((2, 2, 3), np.uint8)
    scores = np.eye(3)[masks]
    figure = Segmentation().draw(pyplot, INFO, images, masks, {"student": scores, "file": scores})
    titles = [axis.get_title() for axis in figure.axes[:5]]
    assert titles == ["image", "truth", "student", "file", "errors of file"] and len(figure.axes) == 10
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["sky", "road", "car", "void"]
    pyplot.close(figure)


def test_a_picture_lies_beside_a_file_and_in_its_card(folder):
    with Image.open(folder / "student_int8.png") as picture:
        assert picture.format == "PNG" and picture.size[0] > 400
    card = (folder / "MODEL_CARD.md").read_text()
    assert "(student_int8.png)" in card and "ImageSegmenter" in card
