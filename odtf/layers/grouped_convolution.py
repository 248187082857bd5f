"""Grouped convolution on the native kernel, or made of standard ones where the kernel has no gradient."""

import keras
import numpy as np
from keras import ops

from odtf.layers import native_kernels
from odtf.layers.strided_pointwise import is_strided_pointwise, seen_pixels

# Input channels of a group up to which one standard convolution, most of whose kernel is 0, takes less time on a CPU
# than one for each group: `odtf-benchmark train --only=forms` has 0.66 of it with 4, and 1.1 with 8.
_BLOCK_DIAGONAL = 4


def grouped_convolution(inputs, kernel, groups, strides, padding, dilation_rate):
    """Convolution in which each group of output channels sees one group of input channels.

    Keras' own `ops.conv` wraps grouped convolution in a function compiled with XLA, which on CPU makes it 40 times
    slower and more; TensorFlow's native kernel takes the same grouped weights.

    Args:
        inputs: `[batch, height, width, channels]`.
        kernel: `[height, width, channels / groups, filters]`.
        groups: integer that divides `channels` and `filters`.
        strides: pair of integers.
        padding: "same" or "valid".
        dilation_rate: pair of integers.

    Returns:
        Tensor `[batch, height, width, filters]`.
    """
    if is_strided_pointwise(kernel.shape[:2], strides):
        inputs, strides = seen_pixels(inputs, strides), (1, 1)
    if keras.backend.backend() == "tensorflow" and max(dilation_rate) == 1 and _is_native(inputs):
        import tensorflow as tf

        return tf.nn.conv2d(inputs, kernel, list(strides), padding.upper())
    if keras.backend.backend() == "tensorflow" and kernel.shape[2] <= _BLOCK_DIAGONAL:
        return block_diagonal_convolution(inputs, kernel, groups, strides, padding, dilation_rate)
    return split_convolution(inputs, kernel, groups, strides, padding, dilation_rate)


def split_convolution(inputs, kernel, groups, strides, padding, dilation_rate):
    """`grouped_convolution` as one standard convolution a group: on any backend, at any dilation."""
    parts = zip(ops.split(inputs, groups, axis=-1), ops.split(kernel, groups, axis=-1), strict=True)
    convolved = [
        ops.conv(x, k, strides=strides, padding=padding, data_format="channels_last", dilation_rate=dilation_rate)
        for x, k in parts
    ]
    return ops.concatenate(convolved, axis=-1)


def block_diagonal_convolution(inputs, kernel, groups, strides, padding, dilation_rate):
    """`grouped_convolution` as one standard convolution with zeros between groups: `groups` times the products."""
    channels, filters = inputs.shape[-1], kernel.shape[-1]
    same_group = np.arange(channels)[:, np.newaxis] * groups // channels == np.arange(filters) * groups // filters
    dense = ops.tile(kernel, (1, 1, groups, 1)) * ops.cast(same_group, kernel.dtype)
    return ops.conv(
        inputs, dense, strides=strides, padding=padding, data_format="channels_last", dilation_rate=dilation_rate
    )


def _is_native(inputs):
    """Whether the native kernel can be trained on the device that this call is placed on."""
    import tensorflow as tf

    return tf.is_tensor(inputs) and native_kernels.has_grouped_gradient(native_kernels.device(), inputs.dtype.name)
