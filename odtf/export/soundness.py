"""Whether a student is made of numbers that a file can hold: asked before a converter meets others, and crashes."""

import keras
import numpy as np

from odtf.errors import UserError


def check_weights(network):
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
