"""Forms of the grouped and the depthwise convolution that compute the same in other ways: for measurements, and tests.

Which is fastest depends on the shape and the machine; `odtf-benchmark train` has a row for each.
"""

from keras import ops


def batched(inputs, kernel, groups):
    """A grouped convolution of stride 1 as a batched product of matrices for each tap.

    Args:
        inputs: `[batch, height, width, channels]`.
        kernel: `[height, width, channels / groups, filters]`, of odd sides.
        groups: integer that divides `channels` and `filters`.

    Returns:
        Tensor `[batch, height, width, filters]`.
    """
    shifted, (height, width) = _shifted(inputs, kernel.shape[:2]), inputs.shape[1:3]
    parts, total = (groups, inputs.shape[-1] // groups), 0.0
    filters = ops.reshape(kernel, (*kernel.shape[:3], groups, -1))
    for (row, column), x in shifted:
        x = ops.reshape(x, (-1, height, width, *parts))
        total = total + ops.einsum("bhwgi,igo->bhwgo", x, filters[row, column])
    return ops.reshape(total, (-1, height, width, kernel.shape[-1]))


def multiply_add(inputs, kernel):
    """A depthwise convolution of stride 1 as a sum of shifted images, each times the weights of its tap.

    Args:
        inputs: `[batch, height, width, channels]`.
        kernel: `[height, width, channels, 1]`, of odd sides.

    Returns:
        Tensor of the shape of `inputs`.
    """
    return sum(x * kernel[row, column, :, 0] for (row, column), x in _shifted(inputs, kernel.shape[:2]))


def diagonal(inputs, kernel):
    """A depthwise convolution of stride 1 as one standard convolution with diagonal matrices; arguments as before."""
    dense = kernel * ops.eye(inputs.shape[-1], dtype=kernel.dtype)
    return ops.conv(inputs, dense, padding="same", data_format="channels_last")


def _shifted(inputs, size):
    """Yields ((row, column), image as that tap of an odd kernel sees it), zeros around."""
    height, width = inputs.shape[1:3]
    padded = ops.pad(inputs, ((0, 0), (size[0] // 2,) * 2, (size[1] // 2,) * 2, (0, 0)))
    for row in range(size[0]):
        for column in range(size[1]):
            yield (row, column), padded[:, row : row + height, column : column + width]
