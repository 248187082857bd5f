"""Grouped convolution on the native kernel, or made of standard ones where the kernel has no gradient."""

import functools

import keras
import numpy as np
from keras import ops

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

    if not tf.is_tensor(inputs):
        return False
    with tf.name_scope("grouped_convolution"):
        placed = tf.DeviceSpec.from_string(tf.zeros([]).device or "")
    device = placed.device_type or ("GPU" if tf.config.list_logical_devices("GPU") else "CPU")
    return has_native_gradient(device, inputs.dtype.name)


@functools.cache
def has_native_gradient(device, dtype):
    """Whether TensorFlow differentiates a grouped convolution natively; tried once for a device and a dtype.

    On CPU only oneDNN has the gradient: it is missing where TF_ENABLE_ONEDNN_OPTS=0, on processors for which oneDNN is
    off, and for dtypes that oneDNN lacks on this processor. No version or flag says so reliably, a trial does.

    Args:
        device: "CPU", "GPU" or "TPU".
        dtype: "float32", "bfloat16", ...

    Returns:
        Boolean.
    """
    import tensorflow as tf

    if device not in ("CPU", "GPU"):
        return True  # compiled by XLA, which groups natively

    def gradients(x, kernel, y):
        arguments = {"strides": [1, 1, 1, 1], "padding": "SAME", "out_backprop": y}
        return (
            tf.raw_ops.Conv2DBackpropInput(input_sizes=x.shape, filter=kernel, **arguments),
            tf.raw_ops.Conv2DBackpropFilter(input=x, filter_sizes=kernel.shape, **arguments),
        )

    # Eagerly and in a graph: the two are dispatched to kernels by different rules.
    with tf.init_scope(), tf.device(f"/device:{device}:0"):
        x, kernel = tf.ones([2, 4, 4, 8], dtype), tf.ones([3, 3, 4, 8], dtype)
        try:
            for result in (*gradients(x, kernel, x), *tf.function(gradients)(x, kernel, x)):
                result.numpy()
        except tf.errors.OpError:
            return False
    return True
