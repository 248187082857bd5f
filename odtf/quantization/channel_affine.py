"""Channels scaled and shifted by numbers: in int8 a 1x1 depthwise convolution, whose scale a channel loses nothing."""

import keras
import numpy as np
from keras import layers

from odtf.models.graph import call_of


def affine_channels(rewriting, x, factor, offset, name, trainable=False):
    """Applies `x * factor + offset` as a 1x1 depthwise convolution, joined with one that `x` comes from.

    Args:
        rewriting: the rewriting that asks.
        x: KerasTensor `[batch, ..., channels]`.
        factor: number or array that broadcasts to the channels.
        offset: number or array that broadcasts to the channels.
        name: name that no layer has yet.
        trainable: whether the factor is trained.

    Returns:
        KerasTensor, the output.

    Raises:
        ValueError: if a factor or an offset is not of channels.
    """
    factor, offset = (_of_channels(value, x.shape[-1], name) for value in (factor, offset))
    if not trainable and is_constant_affine(x):
        node = call_of(x)
        first, shift = (weight.reshape(-1) for weight in node.operation.get_weights())
        x, factor, offset = node.input_tensors[0], factor * first, factor * shift + offset
    shape = x.shape[1:]
    if len(shape) != 3:
        x = layers.Reshape((1, int(np.prod(shape[:-1])), shape[-1]), name=f"{name}_map")(x)
    inner = name if len(shape) == 3 else f"{name}_affine"
    layer = layers.DepthwiseConv2D(1, use_bias=not trainable, trainable=trainable, name=inner)
    weights = [factor.reshape(1, 1, -1, 1)] + ([] if trainable else [offset])
    y = rewriting.apply(layer, x, weights)
    return y if len(shape) == 3 else layers.Reshape(shape, name=name)(y)


def is_constant_affine(x):
    """Whether a KerasTensor is made by `affine_channels` with constants."""
    layer = x._keras_history.operation
    return isinstance(layer, layers.DepthwiseConv2D) and is_preprocessing(layer)


def is_preprocessing(layer):
    """Whether a layer is a 1x1 depthwise convolution that is not trained."""
    return type(layer) is layers.DepthwiseConv2D and layer.kernel_size == (1, 1) and not layer.trainable


def constant(value):
    """Returns a constant argument of an operator as an array; None if it is a tensor or a variable."""
    if isinstance(value, (keras.KerasTensor, keras.Variable)):
        return None
    return np.asarray(keras.ops.convert_to_numpy(value), np.float32)


def _of_channels(value, channels, name):
    value = np.asarray(value, np.float32)
    if value.size not in (1, channels) or (value.size > 1 and value.shape[-1] != channels):
        raise ValueError(
            "A factor or a sum with constants is a number, or one for each channel. "
            f"Received: layer {name!r} with constants of shape {value.shape}"
        )
    return np.broadcast_to(value.reshape(-1), (channels,))
