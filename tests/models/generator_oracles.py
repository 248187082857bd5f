"""Generators and discriminators in plain float64 NumPy, layer by layer as PyTorch computes the released ones."""

import numpy as np

from tests.layers import oracles


class Weights:
    """The weights of a network's layers, by the layers' names."""

    def __init__(self, network):
        self.network = network

    def __call__(self, name):
        return {v.name: np.asarray(v, np.float64) for v in self.network.get_layer(name).weights}


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def relu(x):
    return np.maximum(x, 0)


def padded(x, margin, mode="constant"):
    return np.pad(x, ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode)


def convolution(w, x, name, strides=1, margin=0, mode="constant"):
    found = w(name)
    x = padded(x, margin, mode) if margin else x
    return oracles.convolution(x, found["kernel"], strides, symmetric=False) + found.get("bias", 0.0)


def transposed(w, x, name, output_padding=0):
    """Transposed convolution of stride 2 and padding 1: every input pixel paints its kernel, then a margin is cut."""
    found = w(name)
    kernel, (height, width) = found["kernel"], x.shape[1:3]
    size = kernel.shape[0]
    full = np.zeros((len(x), *(2 * (side - 1) + size + output_padding for side in (height, width)), kernel.shape[2]))
    for row in range(size):
        for column in range(size):
            rows, columns = slice(row, row + 2 * height - 1, 2), slice(column, column + 2 * width - 1, 2)
            full[:, rows, columns] += x @ kernel[row, column].T
    return full[:, 1 : 1 + 2 * height, 1 : 1 + 2 * width] + found.get("bias", 0.0)


def norm(w, x, name):
    """By the statistics of the batch where there is a scale, else by those of each image."""
    found = w(f"{name}_norm")
    axes = (0, 1, 2) if "gamma" in found else (1, 2)
    y = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5)
    return y * found.get("gamma", 1.0) + found.get("beta", 0.0)


def expansions(w, x, count, name):
    for index in range(count):
        prefix = f"{name}_expansion{index + 1}" if count > 1 else f"{name}_expansion"
        y = relu(norm(w, convolution(w, padded(x, 1, "reflect"), f"{prefix}_conv1"), f"{prefix}_conv1"))
        for part in ("conv2", "conv3"):
            y = relu(norm(w, convolution(w, y, f"{prefix}_{part}"), f"{prefix}_{part}"))
        x = x + norm(w, convolution(w, y, f"{prefix}_conv4", 1, 1, "reflect"), f"{prefix}_conv4")
    return x


def unet(network, x, levels, deep):
    """The image, and the maps behind activations on the way down and up, by level."""
    w, down, up = Weights(network), {}, {}
    for level in range(1, levels + 1):
        x = convolution(w, x if level == 1 else leaky(x), f"down{level}", 2, 1)
        if 1 < level < levels:
            x = norm(w, x, f"down{level}")
        if deep and level < levels:
            x = expansions(w, x, 2, f"down{level}")
        down[level] = leaky(x)
    for level in range(levels, 1, -1):
        name = f"up{level - 1}"
        x = norm(w, transposed(w, relu(x), name), name)
        if deep and level < levels:
            x = expansions(w, x, 2, name)
        x = np.concatenate([down[level - 1], x], -1)
        if deep and level == 2:
            x = expansions(w, x, 2, f"{name}_join")
        up[level - 1] = relu(x)
    return np.tanh(transposed(w, relu(x), "image_values")), down, up


def block(w, x, name, separable):
    y = x
    for part in ("conv1", "conv2"):
        layer = f"{name}_{part}"
        if separable:
            found = w(f"{layer}_depthwise")
            y = oracles.depthwise(padded(y, 1, "reflect"), found["kernel"], symmetric=False) + found["bias"]
            y = convolution(w, norm(w, y, f"{layer}_depthwise"), f"{layer}_pointwise")
        else:
            y = convolution(w, y, layer, 1, 1, "reflect")
        y = norm(w, y, layer)
        y = relu(y) if part == "conv1" else y
    return x + y


def resnet(network, x, blocks, deep, separable):
    """The image, and the maps before the blocks and after each of them."""
    w = Weights(network)

    def pair(x, name):
        if not deep:
            return x
        x = expansions(w, x, 1, name)
        return relu(norm(w, convolution(w, x, f"{name}_conv", 1, 1), f"{name}_conv"))

    x = relu(norm(w, convolution(w, x, "stem", 1, 3, "reflect"), "stem"))
    for name in ("down1", "down2"):
        x = pair(relu(norm(w, convolution(w, x, name, 2, 1), name)), name)
    maps = [x]
    for index in range(1, blocks + 1):
        x = block(w, x, f"block{index}", separable)
        if deep and index == blocks // 2:
            x = expansions(w, x, 2, "middle")
        maps.append(x)
    for name in ("up1", "up2"):
        x = pair(relu(norm(w, transposed(w, x, name, output_padding=1), name)), name)
    return np.tanh(convolution(w, x, "image_values", 1, 3, "reflect")), maps


def discriminator(network, x, route, shared):
    w = Weights(network)
    for index, strides in enumerate((2, 2, 2, 1, 1), start=1):
        name = f"block{index}" if index <= shared else f"{route}_block{index}"
        x = convolution(w, x, name, strides, 1)
        if 1 < index < 5:
            x = norm(w, x, name)
        x = leaky(x) if index < 5 else x
    return x
