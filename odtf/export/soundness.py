"""Whether a student is made of numbers that a file can hold: asked before a converter meets others, and crashes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np

from odtf.errors import UserError
from odtf.models.graph import calls

if TYPE_CHECKING:
    from typing import Any


_PIXELS = 2**16


def check_weights(network: Any) -> None:
    """Refuses a network with a weight, a statistic or a scale of a normalisation that is no finite number.

    Args:
        network: `keras.Model`, or one of tf_keras.

    Raises:
        UserError: naming the first such variable.
    """
    for variable in network.weights:
        values = np.asarray(variable, np.float32)
        if not np.isfinite(values).all():
            what = "NaN" if np.isnan(values).any() else "Inf"
            raise _refused(f"{what} in {getattr(variable, 'path', variable.name)}", network)
    for layer in network._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization) and layer.built:
            _check_norm(layer, network)


def check_activations(network, images, mean, std):
    """Refuses a network that computes something else than finite numbers from the images that calibrate it.

    Finite weights may overflow, and a converter that meets such a range ends the process.

    Args:
        network: functional `keras.Model` of stock layers, from normalised images.
        images: uint8 array `[n, height, width, channels]`.
        mean, std: per channel, of pixels scaled to [0, 1].

    Raises:
        UserError: naming the first layer that does.
    """
    steps = [(call.operation, x) for call in calls(network) for x in call.outputs]
    steps = [(operation, x) for operation, x in steps if not isinstance(operation, keras.layers.InputLayer)]
    inner = keras.Model(network.input, [x for _, x in steps])
    mean, std = np.asarray(mean, np.float32), np.asarray(std, np.float32)
    # All that is computed of a few images is alive at once.
    count = max(1, _PIXELS // (images.shape[1] * images.shape[2]))
    for start in range(0, len(images), count):
        outputs = inner((images[start : start + count] / np.float32(255.0) - mean) / std, training=False)
        outputs = keras.tree.flatten(outputs)  # One alone is no list.
        for (operation, _), output in zip(steps, outputs, strict=True):
            if not keras.ops.all(keras.ops.isfinite(output)):
                raise _refused(f"NaN or Inf behind {operation.name}", network)


def check_normalization(dataset):
    """Refuses constants of a normalisation that are no finite numbers, or that divide by nothing.

    Raises:
        UserError: naming them.
    """
    mean, std = np.asarray(dataset.mean, np.float64), np.asarray(dataset.std, np.float64)
    if not (np.isfinite(mean).all() and np.isfinite(std).all() and np.all(std > 0)):
        raise UserError(
            "The mean and the standard deviation of pixels are finite numbers, the latter above 0. "
            f"Received: mean {tuple(dataset.mean)} and std {tuple(dataset.std)} of {dataset.name}."
        )


def _check_norm(layer, network):
    lowest = float(np.min(np.asarray(layer.moving_variance, np.float32))) + layer.epsilon
    if not lowest > 0:
        raise _refused(f"a variance of {lowest:.3g} in {layer.name}", network)


def _refused(what, network):
    return UserError(
        "A student consists of finite numbers, for no file can be made of others: take another peer, or an earlier "
        f"epoch, or train at a lower rate. Received: {what} of {network.name}."
    )
