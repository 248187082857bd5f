"""Cheap forms of one spatial convolution: layers that take its input and give an output of its shape."""

import keras

from odtf.layers import Conv2D, Cropping2D, DepthwiseConv2D, GhostModule, GroupConv2D, LineConv2D, Shift2D
from odtf.layers.initializers import depthwise_kaiming_normal, kaiming_normal

FORMS = ("depthwise", "group", "shift", "line", "ghost")
# What a form takes over from the convolution that it stands for.
_BIAS = ("use_bias", "bias_initializer", "bias_regularizer", "bias_constraint")


def refusal(layer, input_shape, conv, groups):
    """Returns why a spatial convolution has no cheap form, or None where it has one.

    Args:
        layer: layer whose type is, or comes from, `keras.layers.Conv2D`.
        input_shape: `(batch, height, width, channels)`.
        conv: one of `FORMS`.
        groups: integer, of the form "group".
    """
    if isinstance(layer, (GroupConv2D, LineConv2D)) or layer.groups > 1:
        return "cheap already"
    if type(layer) not in (keras.layers.Conv2D, Conv2D):
        return f"a {type(layer).__name__}, which may compute something else"
    if layer.data_format != "channels_last":
        return "channels come first in it"
    height, width = layer.kernel_size
    if conv == "depthwise" and len(set(layer.strides)) > 1:
        return f"a depthwise kernel has equal strides, not {layer.strides}"
    if conv == "group" and (input_shape[-1] % groups or layer.filters % groups):
        return f"{input_shape[-1]} and {layer.filters} channels are no multiples of {groups} groups"
    if conv == "shift" and (height != width or height % 2 == 0 or len(set(layer.dilation_rate)) > 1):
        return f"a shift is by an odd square, not {height}x{width}"
    if conv == "line" and min(height, width) == 1:
        return f"a line already, {height}x{width}"
    if conv == "ghost" and layer.filters < 2:
        return "one channel has no ghost"
    grid = zip(input_shape[1:3], layer.strides, strict=True)
    if conv in ("shift", "line") and _padding(layer) == "same" and any(n is None and s > 1 for n, s in grid):
        return "its stride needs a fixed image size"
    return None


def cheap_layers(layer, input_shape, conv, groups, next_seed):
    """Builds the cheap form of a convolution.

    The depthwise, grouped and shift forms are followed by a 1x1 convolution, which mixes the channels; lines and Ghost
    modules mix them by themselves. The sampling grid is that of the convolution, whatever its padding. The last
    convolution has the bias and the activation. A Ghost module's batch normalisations stand for the bias.

    Args:
        layer: convolution without a `refusal`.
        input_shape: `(batch, height, width, channels)`.
        conv: one of `FORMS`.
        groups: integer, of the form "group".
        next_seed: function that returns an integer for every random kernel.

    Returns:
        (layers, biased): the layers, to be applied in turn, and the one of them that takes over the bias, or None.
    """
    config, name, channels = layer.get_config(), layer.name, input_shape[-1]
    grid = {"strides": layer.strides, "padding": _padding(layer), "dilation_rate": layer.dilation_rate}
    regularizer = {"kernel_regularizer": config["kernel_regularizer"], "dtype": config["dtype"]}
    last = {**regularizer, **{key: config[key] for key in _BIAS}, "activation": config["activation"]}

    def pointwise(strides=1):
        return Conv2D(
            layer.filters,
            1,
            strides,
            kernel_initializer=kaiming_normal(next_seed()),
            name=f"{name}_pointwise",
            **last,
        )

    if conv == "depthwise":
        spatial = DepthwiseConv2D(
            layer.kernel_size,
            **grid,
            depthwise_initializer=depthwise_kaiming_normal(layer.kernel_size, next_seed()),
            depthwise_regularizer=config["kernel_regularizer"],
            dtype=config["dtype"],
            name=f"{name}_depthwise",
        )
        layers = [spatial, pointwise()]
    elif conv == "group":
        # As many channels as the narrower side has: more would cost, and the 1x1 convolution could not tell them apart.
        inner, kernel = min(channels, layer.filters), kaiming_normal(next_seed())
        spatial = GroupConv2D(
            inner, layer.kernel_size, groups, **grid, kernel_initializer=kernel, name=f"{name}_group", **regularizer
        )
        layers = [spatial, pointwise()]
    elif conv == "shift":
        shift = Shift2D(layer.kernel_size[0], layer.dilation_rate[0], dtype=config["dtype"], name=f"{name}_shift")
        layers = [shift, *_cropped(layer, input_shape, (True, True)), pointwise(layer.strides)]
    elif conv == "line":
        kernel = kaiming_normal(next_seed())
        line = LineConv2D(
            layer.filters, layer.kernel_size[1], **grid, kernel_initializer=kernel, name=f"{name}_line", **last
        )
        layers = [*_cropped(layer, input_shape, (True, False)), line]
    else:
        ghost = GhostModule(
            layer.filters,
            layer.kernel_size,
            **grid,
            activation=None,
            kernel_initializer=kaiming_normal(next_seed()),
            depthwise_initializer=depthwise_kaiming_normal(3, next_seed()),
            dtype=config["dtype"],
            name=f"{name}_ghost",
        )
        layers = [ghost]
        if layer.activation is not keras.activations.linear:
            activation = {"dtype": config["dtype"], "name": f"{name}_activation"}
            layers.append(keras.layers.Activation(config["activation"], **activation))
        return layers, None
    return layers, layers[-1] if layer.use_bias else None


def _padding(layer):
    return "symmetric" if getattr(layer, "symmetric", False) else layer.padding


def _cropped(layer, input_shape, axes):
    """A list with the layer that cuts off what the middle of the kernel never meets, or without it.

    Args:
        layer: the convolution.
        input_shape: `(batch, height, width, channels)`.
        axes: pair of booleans: whether the height, and the width, lose the extent of the kernel.
    """
    crops = []
    for axis, is_cut in enumerate(axes):
        extent = layer.dilation_rate[axis] * (layer.kernel_size[axis] - 1)
        before, after = _margins(layer, axis, input_shape[1 + axis], extent)
        middle = extent // 2
        crops.append((middle - before, extent - middle - after) if is_cut else (0, 0))
    if not any(map(any, crops)):
        return []
    return [Cropping2D(tuple(crops), dtype=layer.dtype_policy, name=f"{layer.name}_crop")]


def _margins(layer, axis, size, extent):
    """Zeros that a convolution puts before and after its input along an axis."""
    padding, stride = _padding(layer), layer.strides[axis]
    if padding == "valid":
        return 0, 0
    if padding == "symmetric" or stride == 1:
        return extent // 2, extent - extent // 2
    total = max((-(-size // stride) - 1) * stride + extent + 1 - size, 0)
    return total // 2, total - total // 2
