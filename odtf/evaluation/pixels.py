"""Scaling of pixels: the values that a file wants in place of 0..255. Nothing here imports TensorFlow.

A file may say it: in NormalizationOptions of its TFLite metadata, or by the range of its quantised input. A float
input says nothing, and a wrong guess would be measured as a bad model; so what no file says has to be given.
"""

import dataclasses

import numpy as np

from odtf.errors import UserError
from odtf.pixel_scales import RANGES

# Ranges found by calibration, and scales of 1/128, miss the ends a little.
_TOLERANCE = 0.02


@dataclasses.dataclass(frozen=True)
class Pixels:
    """A linear map of pixels 0..255, per channel: value = scale * pixel + offset.

    Attributes:
        scale: tuple of one float, or one per channel.
        offset: likewise.
        source: words that say where it is from.
    """

    scale: tuple
    offset: tuple
    source: str

    def __call__(self, images):
        """float32 values of uint8 images `[n, height, width, channels]`."""
        return images.astype(np.float32) * np.float32(self.scale) + np.float32(self.offset)


def from_flags(name=None, mean=None, std=None):
    """The map that a user gives: a name of `RANGES`, or mean and deviation of pixels scaled to [0, 1].

    Args:
        name: str or None.
        mean: list of numbers or their text, one or one per channel, or None.
        std: likewise.

    Returns:
        `Pixels`, or None where nothing is given.

    Raises:
        UserError: if what is given is incomplete, contradictory, or of pixels 0..255.
    """
    if name is not None:
        if mean or std:
            raise UserError(f"--pixels says what --mean and --std would say. Received: --pixels={name} and these.")
        return _from_range(name, f"--pixels={name}")
    if not mean and not std:
        return None
    if not mean or not std or len(mean) != len(std):
        raise UserError(f"--mean and --std go together, one number per channel each. Received: {mean} and {std}.")
    mean, std = _numbers("mean", mean, 0.0), _numbers("std", std, 1e-6)
    scale = tuple(1.0 / (255.0 * deviation) for deviation in std)
    offset = tuple(-middle / deviation for middle, deviation in zip(mean, std, strict=True))
    return Pixels(scale, offset, f"--mean={_text(mean)} --std={_text(std)}")


def _numbers(name, values, least):
    try:
        numbers = tuple(float(value) for value in values)
    except ValueError:
        numbers = (np.nan,)
    if not all(least <= number <= 1.0 for number in numbers):
        raise UserError(
            f"--{name} is of pixels scaled to [0, 1], such as 0.485,0.456,0.406: divide what is of 0..255 by 255. "
            f"Received: --{name}={','.join(map(str, values))}."
        )
    return numbers


def from_file(normalization, details):
    """The map that a file itself says.

    Args:
        normalization: (means, deviations) of pixels 0..255, the NormalizationOptions of its metadata, or None.
        details: LiteRT's details of the input tensor.

    Returns:
        `Pixels` or None.
    """
    if normalization is None:
        return from_input(details)
    if details["dtype"] == np.uint8:
        return _raw(*details["quantization"])
    return from_metadata(*normalization)


def _raw(scale, zero_point):
    """The map of a uint8 input with metadata: it stores the pixels as they are, its normalisation is for floats."""
    source = "metadata, uint8 input of raw pixels"
    return Pixels((scale,), (-scale * zero_point,), source) if scale else Pixels((1.0,), (0.0,), source)


def from_metadata(mean, std):
    """The map of NormalizationOptions, which are of pixels 0..255."""
    scale = tuple(1.0 / deviation for deviation in std)
    offset = tuple(-middle / deviation for middle, deviation in zip(mean, std, strict=True))
    return Pixels(scale, offset, f"metadata, mean {_text(mean)} and deviation {_text(std)} of 0..255")


def from_input(details):
    """The map that an input tensor says by its type and quantisation.

    Args:
        details: LiteRT's details of the tensor.

    Returns:
        `Pixels`; or None for float inputs, and for quantised ones whose range is none of `RANGES`. Where that is the
        range but for a step of the input, a pixel is a step: 0 is its least integer, and no value lies between two.
        int16, which is symmetric, says only that its range is 0..255.
    """
    kind, (scale, zero_point) = details["dtype"], details["quantization"]
    if not np.issubdtype(kind, np.integer):
        return None
    if not scale:
        return _from_range("0..255", "uint8 input") if kind == np.uint8 else None
    limits = np.iinfo(kind)
    low, high = scale * (limits.min - zero_point), scale * (limits.max - zero_point)
    for name, (first, last) in RANGES.items():
        room = _TOLERANCE * (last - first)
        source = f"{kind.__name__} input of the range {name}"
        if kind != np.int16 and abs(low - first) <= scale and abs(high - last) <= scale:
            return Pixels((scale,), (low,), source)
        if kind == np.int16:
            found = name == "0..255" and abs(high - last) <= room
        else:
            found = abs(low - first) <= room and abs(high - last) <= room
        if found:
            return _from_range(name, source)
    return None


def _from_range(name, source):
    first, last = RANGES[name]
    return Pixels(((last - first) / 255.0,), (first,), source)


def _text(values):
    return ",".join(f"{value:g}" for value in values)
