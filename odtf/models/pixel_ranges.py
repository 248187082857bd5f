"""Pixels as somebody's network takes them, made of images as the pipeline normalises them."""

import keras
import numpy as np

from odtf.models.graph import graph_of, run
from odtf.models.taps import ONLY_IN_TRAINING
from odtf.pixel_scales import RANGES

# What comes in is what the network takes.
GIVEN = "given"
_PASSING = (*ONLY_IN_TRAINING, keras.layers.Resizing, keras.layers.CenterCrop, keras.layers.ZeroPadding2D)
_ARITHMETIC = ("Add", "Divide", "Multiply", "Subtract", "TrueDivide", "GetItem")


def fed(image, pixels, normalization):
    """Makes what a network takes of normalised images, in one layer, or in none where it is the same.

    Args:
        image: KerasTensor `[batch, height, width, channels]`, images `(pixel / 255 - mean) / std`.
        pixels: "0..255", "0..1", "-1..1"; a pair (mean, std) of pixels scaled to [0, 1]; or "given".
        normalization: pair (mean, std) of `image`, each a number or one per channel; None where nobody knows it.

    Returns:
        KerasTensor of the same shape.

    Raises:
        ValueError: if `pixels` is none of these, or the normalisation is needed and not known.
    """
    if pixels == GIVEN:
        return image
    low, scale = _wanted(pixels)
    if normalization is None:
        raise ValueError(
            f"Pixels of {pixels!r} are made of normalised images by their mean and std: give "
            f"normalization=(dataset.mean, dataset.std), or pixels={GIVEN!r} if the images have them already. "
            "Received: normalization=None."
        )
    mean, std = (np.asarray(part, np.float64) for part in normalization)
    scale, offset = scale * std, scale * mean + low
    if np.allclose(scale, 1.0) and np.allclose(offset, 0.0):
        return image
    return keras.layers.Rescaling(_plain(scale), _plain(offset), dtype="float32", name="pixels")(image)


def of_pixels(network, mean, std):
    """Returns a network that takes pixels from 0 to 255, which one Rescaling in front normalises.

    Args:
        network: functional `keras.Model` of normalised images. Its layers are those of the result.
        mean: per channel, of pixels scaled to [0, 1].
        std: likewise.
    """
    mean, std = np.float64(mean), np.float64(std)
    name, taken = "from_pixels", {layer.name for layer in network.layers}
    while name in taken:
        name += "_"
    pixels = keras.Input(network.input_shape[1:], name="pixels_0_to_255")
    scaling = keras.layers.Rescaling(_plain(1.0 / (255.0 * std)), _plain(-mean / std), dtype="float32", name=name)
    return keras.Model(pixels, run(network, scaling(pixels)), name=network.name)


def normalization_of(pixels):
    """Returns the pair (mean, std) of pixels scaled to [0, 1] that normalises them to what a network takes.

    Args:
        pixels: "0..255", "0..1", "-1..1", or such a pair itself.

    Raises:
        ValueError: if it is none of these.
    """
    low, scale = _wanted(pixels)
    return -low / scale, 1.0 / scale


def _wanted(pixels):
    """(low, scale) of what a network takes as low + scale * pixel / 255, arrays."""
    if isinstance(pixels, str) and pixels in RANGES:
        low, high = RANGES[pixels]
        return np.float64(low), np.float64(high - low)
    try:
        mean, std = (np.asarray(part, np.float64) for part in pixels)
        if np.all(std > 0) and np.all((mean >= 0) & (mean <= 1)):
            return -mean / std, 1.0 / std
    except (TypeError, ValueError):
        pass
    raise ValueError(
        f"The pixels of a network are {', '.join(RANGES)}, {GIVEN}, or (mean, std) of pixels scaled to [0, 1]. "
        f"Received: pixels={pixels!r}"
    )


def _plain(values):
    return values.tolist() if np.ndim(values) else float(values)


def find_pixels(model):
    """Finds which pixels a network takes by what it does to them first.

    Args:
        model: functional or sequential `keras.Model`.

    Returns:
        "given" for one that begins with none of this; "0..255" or "0..1" for one that scales or normalises its pixels.

    Raises:
        ValueError: if it does something to them that may be meant for several ranges, naming the layer.
    """
    first, arguments = _first(model) or (None, ())
    if isinstance(first, keras.layers.Rescaling):
        found = _of_factor(np.max(np.abs(first.scale)))
    elif isinstance(first, keras.layers.Normalization):
        found = _of_statistics(np.asarray(first.mean), np.asarray(first.variance))
    elif type(first).__name__ in _ARITHMETIC and not isinstance(first, keras.layers.Layer):
        constants = [float(np.max(np.abs(c))) for c in arguments if isinstance(c, (int, float, np.ndarray))]
        divides = type(first).__name__ in ("Divide", "TrueDivide") and constants and constants[0]
        found = _of_factor(1.0 / constants[0]) if divides else None
    else:
        return GIVEN
    if found is None:
        raise ValueError(
            f"Which pixels the network takes must be said: pixels={', '.join(RANGES)}, (mean, std) or {GIVEN}. "
            f"Received: a network that begins with {first.name!r}, a {type(first).__name__} that may take several."
        )
    return found


class _Begins(Exception):
    """The first operation that pixels meet is found."""


def _first(model):
    """The first operation of a model that changes pixels, and the arguments of its call, a list; None if none does."""
    graph = graph_of(model)

    def call(operation, *args, **kwargs):
        if graph_of(operation) is not None:
            if (found := _first(operation)) is not None:
                raise _Begins(*found)
        elif not isinstance(operation, _PASSING):
            raise _Begins(operation, keras.tree.flatten((args, kwargs)))
        return operation.output

    try:
        run(graph, graph.inputs, call)
    except _Begins as found:
        return found.args
    return None


def _of_factor(factor):
    # To [0, 1], to [-1, 1], or to a deviation of 1: that of pixels is below 128, and hardly ever below 12.
    if 1 / 260 <= factor <= 1 / 12:
        return "0..255"
    return "0..1" if 0.9 <= factor <= 2.1 else None


def _of_statistics(mean, variance):
    if np.max(np.abs(mean)) > 2.0:
        return "0..255"
    adapted = np.any(mean != 0.0) or np.any(variance != 1.0)
    return "0..1" if adapted and np.all((mean >= 0) & (mean <= 1)) and np.max(variance) <= 0.25 else None
