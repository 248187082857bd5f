"""Features by which images are compared: the maps of a fixed network, of images in [-1, 1].

Nothing is ever fetched: weights come from a file that the user has.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import keras
import numpy as np

from odtf import paths
from odtf.errors import UserError
from odtf.models import file_record, keras_file, network_files, torch_file
from odtf.models.graph import run
from odtf.models.pixel_ranges import GIVEN, fed, find_pixels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from odtf.models.annotations import Path, Pixels


# Indices in torchvision's `features` of VGG16's convolutions before each tap; the taps are the ReLUs 3, 8, 15 and 22
# behind the last of each, and a pooling follows each tap.
_TORCHVISION = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21))
KERAS_TAPS = ("block1_conv2", "block2_conv2", "block3_conv3", "block4_conv3")
# Of Keras' VGG16, for RGB; it was trained on BGR.
_KERAS_MEANS = (123.68, 116.779, 103.939)
_PTH = (".pth", ".pt")
# Mean and deviation by which pixels in [0, 1] become images in [-1, 1].
_IMAGES = (0.5, 0.5)


def perceptual_features(
    source: keras.Model | Callable[..., Any] | Path, *, taps: Sequence[str] | None = None, pixels: Pixels | None = None
) -> Callable[..., list[Any]]:
    """Returns a function from images to the maps of a fixed network.

    Args:
        source: a callable that is such a function, returned as it is; the path of torchvision's VGG16 (.pth, its state
            dict), or of the .keras file that tools/perceptual.py makes of it; or any network, a `keras.Model`, a
            .keras file, such as a classifier of odtf's, or "zoo:NAME", one that comes with odtf.
        taps: names of a network's taps, or of layers where it has none, in their order; None: all stages, or all
            outputs of a network that has a list of them.
        pixels: what a network takes, as for `from_keras`: "0..255", "0..1", "-1..1", "given" (images in [-1, 1]), or
            the pair (mean, std) by which its training normalised pixels in [0, 1]. None: as the zoo's card or a file of
            odtf's says, else found by its first layer, and "given" for a network with a list of outputs.

    Returns:
        Callable from images `[batch, height, width, 3]` in [-1, 1] to a list of float maps `[batch, h, w, c]`. Of a
        network it is a frozen copy: it computes as in inference, and has no variables to train or to save.

    Raises:
        UserError: if there is no such file, or it holds something else.
        ValueError: if an argument is wrong, or which pixels a network takes must be said.
    """
    if isinstance(source, (str, os.PathLike)):
        name, path = source, network_files.path_of(source)
        source = torchvision_vgg16(path) if path.suffix in _PTH else keras_file.load(path)
        if path.suffix not in _PTH:
            file_record.check_pixels(path, pixels)
            pixels = network_files.pixels_of(name) if pixels is None else pixels
    if not isinstance(source, keras.Model):
        if not callable(source):
            raise ValueError(f"Features come from a network, a path or a callable. Received: {source!r}")
        return source
    network = _of_network(source, taps, pixels)

    def features(images):
        return keras.tree.flatten(network(images, training=False))

    return features


def torchvision_vgg16(path):
    """Makes a network of torchvision's VGG16: its maps relu1_2, relu2_2, relu3_3 and relu4_3.

    Images are brought to [0, 1] and nothing else, as online multi-granularity distillation does, whose published
    weights belong to these features. Widths are those of the file.

    Args:
        path: of the state dict, such as vgg16-397923af.pth; it is read as data, and nothing of it is run.

    Returns:
        Functional `keras.Model` from images `[batch, height, width, 3]` in [-1, 1] to a list of four maps.

    Raises:
        UserError: if the file cannot be read, or is of another network.
    """
    weights = torch_file.read_state_dict(path)
    x = image = keras.Input((None, None, 3), name="image")
    x, maps = keras.layers.Rescaling(0.5, 0.5, dtype="float32", name="pixels")(x), []
    for indices in _TORCHVISION:
        if maps:
            x = keras.layers.MaxPooling2D(2, dtype="float32", name=f"pool{len(maps)}")(x)
        for index in indices:
            kernel, bias = _convolution(path, weights, index, x.shape[-1])
            name = f"features_{index}"
            layer = keras.layers.Conv2D(
                len(bias), 3, padding="same", activation="relu", kernel_initializer="zeros", dtype="float32", name=name
            )
            x = layer(x)
            layer.set_weights([kernel, bias])
        maps.append(x)
    return _frozen(keras.Model(image, maps, name="vgg16"))


def keras_vgg16(weights):
    """Makes a network of Keras' VGG16, with its own preprocessing: the same four maps, of other weights.

    Args:
        weights: path of Keras' weights without the top, which the user has; None: random ones, for a trial. They expect
            BGR in 0..255 without their mean, to which images are brought.

    Returns:
        As of `torchvision_vgg16`; the published weights of style and feature terms do not belong to it
        (`odtf.losses.fitted_weights`).

    Raises:
        UserError: if there is no such file.
    """
    if weights is not None and not paths.local(weights, "Weights of Keras' VGG16").is_file():
        raise UserError(f"Weights of Keras' VGG16 are a file, and never fetched. Received: {str(weights)!r}.")
    precision = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        source = None if weights is None else str(weights)
        network = keras.applications.VGG16(include_top=False, weights=source, input_shape=(None, None, 3))
    finally:
        keras.config.set_dtype_policy(precision)
    # RGB instead of BGR: the first kernel's inputs the other way round.
    first = network.get_layer("block1_conv1")
    kernel, bias = first.get_weights()
    first.set_weights([kernel[:, :, ::-1], bias])
    image = keras.Input((None, None, 3), name="image")
    offset = [127.5 - mean for mean in _KERAS_MEANS]
    x = keras.layers.Rescaling(127.5, offset, dtype="float32", name="pixels")(image)
    taps = keras.Model(network.input, [network.get_layer(name).output for name in KERAS_TAPS])
    return _frozen(keras.Model(image, run(taps, x), name="vgg16"))


def _convolution(path, weights, index, channels):
    """Kernel and bias of one of VGG16's convolutions in Keras' order."""
    names = [f"features.{index}.{part}" for part in ("weight", "bias")]
    if missing := [name for name in names if name not in weights]:
        raise UserError(f"The weights of torchvision's VGG16 are needed. Received: {path}, without {missing[0]}.")
    kernel, bias = (np.asarray(weights[name], "float32") for name in names)
    if kernel.shape[1:] != (channels, 3, 3) or bias.shape != kernel.shape[:1]:
        raise UserError(
            f"The weights of torchvision's VGG16 are needed. Received: {path}, with {names[0]} of {kernel.shape} for "
            f"{channels} channels."
        )
    return kernel.transpose(2, 3, 1, 0), bias


def _of_network(network, taps, pixels):
    """A frozen copy of a network, from images in [-1, 1] to a list of maps."""
    inner = keras.Model(network.input, _outputs(network, taps), name=network.name)
    copied = keras.models.clone_model(inner)
    copied.set_weights(inner.get_weights())
    if pixels is None:
        several = isinstance(network.output, (list, tuple))
        pixels = GIVEN if several else find_pixels(network)
        if pixels == GIVEN and not several:
            raise ValueError(
                "Which pixels the network takes must be said, for images come in [-1, 1]: pixels=(mean, std) of its "
                f"training, or {GIVEN!r} if it takes them so. Received: pixels=None of {network.name!r}"
            )
    height, width, channels = network.input_shape[1:]
    try:
        return _of_images(copied, (None, None, channels), pixels)
    except (TypeError, ValueError):  # It has layers for images of one size.
        return _of_images(copied, (height, width, channels), pixels)


def _of_images(network, shape, pixels):
    image = keras.Input(shape, name="images")
    return _frozen(keras.Model(image, run(network, fed(image, pixels, _IMAGES)), name=network.name))


def _outputs(network, taps):
    """The maps of a network, a list of KerasTensors."""
    found = network.output
    if taps is None:
        if isinstance(found, dict):
            found = [tensor for name, tensor in found.items() if name.startswith("stage")]
        if not isinstance(found, (list, tuple)) or not found:
            raise ValueError(
                "The maps of a network with one output must be named: taps=[LAYER, ...]. "
                f"Received: taps=None of {network.name!r}"
            )
        return list(found)
    named = found if isinstance(found, dict) else {layer.name: layer.output for layer in network.layers}
    if unknown := [tap for tap in taps if tap not in named]:
        raise ValueError(f"The network has the taps {', '.join(named)}. Received: {', '.join(map(str, unknown))}")
    return [named[tap] for tap in taps]


def _frozen(network):
    network.trainable = False
    return network
