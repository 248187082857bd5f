"""Scaling of pixels: what flags, metadata and an input tensor say of it."""

import numpy as np
import pytest

from odtf import pixel_scales
from odtf.evaluation import pixels


def test_metadata_of_a_uint8_input_are_not_for_its_pixels():
    said = ([127.5], [127.5])
    details = {"dtype": np.uint8, "quantization": (1.0, 0)}
    corners = np.array([0, 255], np.uint8)
    assert pixels.from_file(said, details)(corners) == pytest.approx([0.0, 255.0])
    scaled = pixels.from_file(said, {"dtype": np.uint8, "quantization": (2 / 255, 128)})(corners)
    assert scaled / (2 / 255) + 128 == pytest.approx([0.0, 255.0])  # What the runner stores.
    assert pixels.from_file(said, {"dtype": np.float32, "quantization": (0.0, 0)})(corners) == pytest.approx([-1, 1])


@pytest.mark.parametrize(
    ("kind", "scale", "zero_point", "wanted"),
    [
        ("int8", 1.0, -128, "0..255"),
        ("uint8", 1.0, 0, "0..255"),
        ("uint8", 0.0, 0, "0..255"),
        ("int16", 1 / 128, 0, "0..255"),
        ("int8", 1 / 255, -128, "0..1"),
        ("uint8", 1 / 128, 128, "-1..1"),
        ("uint8", 2 / 255, 127, "-1..1"),
        ("int16", 1 / 32767, 0, None),  # 0..1 or -1..1
        ("int8", 0.0186, -14, None),  # mean and deviation of a data set
        ("int8", 0.5, -128, None),  # calibrated on dark images
        ("int8", 0.0, 0, None),
        ("float32", 0.0, 0, None),
    ],
)
def test_what_an_input_tensor_says_of_pixels(kind, scale, zero_point, wanted):
    found = pixels.from_input({"dtype": np.dtype(kind).type, "quantization": (scale, zero_point)})
    if wanted is None:
        assert found is None
    else:
        assert found(np.array([0, 255], np.uint8)) == pytest.approx(pixel_scales.RANGES[wanted], abs=scale)


@pytest.mark.parametrize(
    ("kind", "scale", "zero_point"),
    [
        ("int8", 1 / 255, -128),
        ("uint8", 2 / 255, 127),
        ("uint8", 2 / 255, 128),
        ("int8", 2 / 255, 0),
        ("int8", 1 / 128, 0),
    ],
)
def test_a_pixel_is_a_step_of_an_input_whose_range_is_that_of_pixels(kind, scale, zero_point):
    """By the range alone, -1..1, every pixel of a scale of 2/255 would lie between two integers."""
    every = np.arange(256, dtype=np.uint8)
    found = pixels.from_input({"dtype": np.dtype(kind).type, "quantization": (np.float32(scale), zero_point)})(every)
    stored = np.round(found / np.float32(scale)) + zero_point
    assert np.array_equal(stored, every.astype(int) + np.iinfo(kind).min)


def test_flags_say_the_same_in_two_ways():
    image = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    assert pixels.from_flags() is None
    assert pixels.from_flags("-1..1")(image) == pytest.approx(image / 127.5 - 1)
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    assert pixels.from_flags(None, mean, std)(image) == pytest.approx((image / 255 - mean) / std, abs=1e-6)
