"""Convolutions of one pixel with a stride, as a convolution of the pixels that they see."""

from keras import ops


def is_strided_pointwise(kernel_size, strides):
    """Whether a convolution is such a one, by the pairs of its layer."""
    return tuple(kernel_size) == (1, 1) and max(strides) > 1


def seen_pixels(inputs, strides):
    """The pixels that a convolution of one pixel with a stride sees.

    To convolve them without a stride gives the same numbers, in the shapes of ResNets bit by bit, in 0.7 to 1.0 of the
    time on a CPU. As one operation it is not safe there: for the gradient of the kernel, oneDNN gathers the pixels in
    memory that is too small for images of less than 16 channels (8 without AVX-512). What it writes beyond ends in
    wrong values, a crash or a step without an end (https://github.com/uxlfoundation/oneDNN/issues/6035).

    Args:
        inputs: `[batch, height, width, channels]`.
        strides: pair of integers.

    Returns:
        Tensor `[batch, ceil(height / strides[0]), ceil(width / strides[1]), channels]`.
    """
    # The mean of one pixel: the gradient of a slice takes longer than the convolution.
    return ops.average_pool(inputs, 1, tuple(strides), padding="valid", data_format="channels_last")


def convolved(inputs, kernel, strides):
    """Such a convolution: `[1, 1, channels, filters]` on the pixels that it sees."""
    return ops.conv(seen_pixels(inputs, strides), kernel, padding="valid", data_format="channels_last")


def protect(network):
    """Has the layers of a user's network compute such convolutions so; odtf's own do it themselves.

    Args:
        network: built model of Keras or of tf_keras. What it is saved as stays the same.
    """
    for layer in network._flatten_layers(include_self=False):
        method = getattr(type(layer), "convolution_op", None)
        if method is None or method.__module__.partition(".")[0] not in ("keras", "tf_keras"):
            continue
        plain = layer.groups == 1 and layer.data_format == "channels_last"
        if plain and is_strided_pointwise(layer.kernel_size, layer.strides):
            layer.convolution_op = _op(layer.strides)


def _op(strides):
    # tf_keras gives a variable of its own, which Keras' operations do not know.
    return lambda inputs, kernel: convolved(inputs, ops.convert_to_tensor(kernel), strides)
