"""Targets: what they may be, and values that are not theirs."""

import numpy as np
import pytest

from odtf import data
from odtf.data.samples import LABEL, check, fitted
from odtf.errors import UserError


@pytest.mark.parametrize(
    "target, shape, text",
    [
        (data.Target(), (), "int32 []"),
        (data.Target((4,), "float32"), (4,), "float32 [4]"),
        (
            data.Target(None, "uint8", "nearest", 255),
            (6, 5),
            "uint8 [height, width], nearest, 255 ignored",
        ),
        (data.Target((None, None, 3), "uint8", "bilinear"), (6, 5, 3), "uint8 [height, width, 3], bilinear"),
    ],
)
def test_shapes_and_words(target, shape, text):
    assert target.array_shape((6, 5, 1)) == shape
    assert str(target) == text


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"dtype": "int64"}, "'int32', 'uint8' or 'float32'"),
        ({"spatial": "cubic", "shape": None}, "'nearest' or 'bilinear'"),
        ({"shape": None}, "height and width of a spatial target"),
        ({"shape": (6, 5), "spatial": "nearest"}, "height and width of a spatial target"),
        ({"shape": (None, None, 3, None), "spatial": "nearest"}, "height and width of a spatial target"),
        ({"dtype": "uint8", "ignore": -1}, "a value of uint8.*ignore=-1"),
    ],
)
def test_what_does_not_go_together_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        data.Target(**arguments)


def test_values_become_their_targets_type():
    got = fitted("label", [1, 2, 3], data.Target(dtype="uint8"), (3,))
    assert got.dtype == np.uint8 and got.tolist() == [1, 2, 3]
    given = np.ones((2, 3), np.float32)
    assert fitted("price", given, data.Target((3,), "float32"), (2, 3)) is given


@pytest.mark.parametrize(
    "value, message",
    [
        ([1, 2], r"numbers of shape \(3,\). Received: int64 \(2,\)"),
        (["a", "b", "c"], "must be numbers"),
        ([1, 256, 3], "values of uint8. Received: 256"),
        ([1, 2.5, 3], "values of uint8. Received: 2.5"),
    ],
)
def test_other_values_are_refused(value, message):
    with pytest.raises(UserError, match=message):
        fitted("label", value, data.Target(dtype="uint8"), (3,))


def test_stores_refuse_other_images_and_targets():
    images = np.zeros((3, 4, 4, 1), np.uint8)
    with pytest.raises(UserError, match=r"must be a uint8 array.*float64"):
        data.MemoryStore(images / 255.0, {"label": [0, 1, 2]})
    with pytest.raises(UserError, match=r"its targets, label\. Received: class"):
        data.MemoryStore(images, {"class": [0, 1, 2]})


def test_an_error_names_what_there_is_and_what_is_wanted():
    check("digits", LABEL, {"label": data.Target()})
    wanted = {"mask": data.Target(None, "uint8", "nearest", 255)}
    with pytest.raises(UserError) as caught:
        check("digits", LABEL, wanted)
    assert "digits with label (int32 [])" in str(caught.value)
    assert "wanted: mask (uint8 [height, width], nearest, 255 ignored)" in str(caught.value)
    assert "\n" not in str(caught.value)
