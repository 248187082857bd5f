"""What the layers should compute, in plain float64 NumPy that shares no code or idea with them."""

import numpy as np


def convolution(x, kernel, strides=1, dilation=1, groups=1, symmetric=True):
    """Convolution pixel by pixel; a grouped kernel is first written out as a dense one, zero between groups."""
    kernel = dense_kernel(kernel, groups)
    height, width = kernel.shape[:2]
    reach = (dilation * (height - 1), dilation * (width - 1))
    if symmetric:
        x = np.pad(x, ((0, 0), (reach[0] // 2,) * 2, (reach[1] // 2,) * 2, (0, 0)))
    rows = (x.shape[1] - reach[0] - 1) // strides + 1
    columns = (x.shape[2] - reach[1] - 1) // strides + 1
    y = np.zeros((len(x), rows, columns, kernel.shape[3]))
    for row in range(rows):
        for column in range(columns):
            top, left = row * strides, column * strides
            patch = x[:, top : top + reach[0] + 1 : dilation, left : left + reach[1] + 1 : dilation]
            y[:, row, column] = np.tensordot(patch, kernel, 3)
    return y


def dense_kernel(kernel, groups):
    """Block-diagonal `[height, width, inputs, filters]` of a grouped `[height, width, inputs / groups, filters]`."""
    height, width, inputs, filters = kernel.shape
    dense = np.zeros((height, width, inputs * groups, filters))
    for f in range(filters):
        start = f // (filters // groups) * inputs
        dense[:, :, start : start + inputs, f] = kernel[..., f]
    return dense


def depthwise(x, kernel, strides=1, dilation=1, symmetric=True):
    """Depthwise convolution: `channels` groups, whose filters are the multiplier's."""
    height, width, channels, multiplier = kernel.shape
    grouped = kernel.reshape(height, width, 1, channels * multiplier)
    return convolution(x, grouped, strides, dilation, channels, symmetric)


def shift(x, kernel_size=3, dilation=1):
    """Rolls each channel, then clears what came round the border."""
    y, height, width = x.copy(), x.shape[1], x.shape[2]
    full_sets = x.shape[3] // kernel_size**2
    for c in range(full_sets * kernel_size**2):
        dx = dilation * (c % kernel_size - kernel_size // 2)
        dy = dilation * (c // kernel_size % kernel_size - kernel_size // 2)
        moved = np.roll(x[..., c], (-dy, -dx), (1, 2))
        rows, columns = np.arange(height) + dy, np.arange(width) + dx
        moved[:, (rows < 0) | (rows >= height)] = 0
        moved[:, :, (columns < 0) | (columns >= width)] = 0
        y[..., c] = moved
    return y


def shuffle(x, groups):
    """Channel by channel to its place."""
    y, size = np.empty_like(x), x.shape[3] // groups
    for c in range(x.shape[3]):
        y[..., c % size * groups + c // size] = x[..., c]
    return y


def normalize(x, gamma, beta, mean, variance, epsilon):
    """Batch normalisation with given statistics."""
    return (x - mean) / np.sqrt(variance + epsilon) * gamma + beta


def ghost(x, weights, filters, strides, epsilon=1e-5, relu=True):
    """Ghost module in inference mode; `weights` by the names that end their paths."""

    def norm(y, part):
        y = normalize(
            y, *(weights[f"{part}_norm/{n}"] for n in ("gamma", "beta", "moving_mean", "moving_variance")), epsilon
        )
        return np.maximum(y, 0) if relu else y

    primary = norm(convolution(x, weights["primary/kernel"], strides), "primary")
    ghosts = norm(depthwise(primary, weights["cheap/kernel"]), "cheap")
    return np.concatenate([primary, ghosts], -1)[..., :filters]
