"""A layer with some of its channels: what changes in its config, and the parts of its weights."""

import functools

import numpy as np
from keras import layers

from odtf.layers import GhostModule, Shift2D


def sliced(layer, inputs, outputs):
    """Returns what a layer is made of where only some of its channels are left.

    Args:
        layer: layer or operator on tensors for which `odtf.models.channels` has a rule.
        inputs: list of int arrays, the positions that are left of the channels of its input tensors.
        outputs: int array, likewise of its output.

    Returns:
        (changes, weights): what is new in its config, and its arrays; None for an operator, or a layer without any.
    """
    arrays = layer.get_weights() if isinstance(layer, layers.Layer) else None
    return _sliced(layer, arrays, inputs[0] if inputs else None, outputs)


@functools.singledispatch
def _sliced(layer, arrays, kept, outputs):
    return {}, arrays


def is_sliced(operation):
    """Whether a layer is not the same where its channels are fewer."""
    by_type = _sliced.dispatch(type(operation)) is not _sliced.dispatch(object)
    return by_type or bool(getattr(operation, "weights", ()))


@_sliced.register(layers.Conv1D)
@_sliced.register(layers.Conv2D)
def _convolution(layer, arrays, kept, outputs):
    kernel, *bias = arrays
    count, filters, groups = kernel.shape[-2] * layer.groups, layer.filters, layer.groups
    changes = {"filters": len(outputs)}
    if 1 < groups == count:
        return {**changes, "groups": len(kept)}, [kernel[..., outputs], *(b[outputs] for b in bias)]
    parts = []
    for group in range(groups):
        of_inputs = kept[kept * groups // count == group] - group * count // groups
        parts.append(kernel[..., of_inputs, :][..., outputs[outputs * groups // filters == group]])
    return changes, [np.concatenate(parts, -1), *(b[outputs] for b in bias)]


@_sliced.register(layers.Conv2DTranspose)
def _transposed(layer, arrays, kept, outputs):
    kernel, *bias = arrays
    return {"filters": len(outputs)}, [kernel[:, :, outputs][..., kept], *(b[outputs] for b in bias)]


@_sliced.register(layers.Dense)
def _dense(layer, arrays, kept, outputs):
    kernel, *bias = arrays
    return {"units": len(outputs)}, [kernel[kept][:, outputs], *(b[outputs] for b in bias)]


@_sliced.register(layers.DepthwiseConv1D)
@_sliced.register(layers.DepthwiseConv2D)
def _depthwise(layer, arrays, kept, outputs):
    kernel, *bias = arrays
    return {}, [kernel[..., kept, :], *(b[outputs] for b in bias)]


@_sliced.register(layers.SeparableConv2D)
def _separable(layer, arrays, kept, outputs):
    depthwise, pointwise, *bias = arrays
    between = (kept[:, None] * layer.depth_multiplier + np.arange(layer.depth_multiplier)).reshape(-1)
    kernels = [depthwise[:, :, kept], pointwise[:, :, between][..., outputs]]
    return {"filters": len(outputs)}, [*kernels, *(b[outputs] for b in bias)]


@_sliced.register(layers.BatchNormalization)
def _normalization(layer, arrays, kept, outputs):
    return {}, [array[outputs] for array in arrays]


@_sliced.register(layers.PReLU)
def _prelu(layer, arrays, kept, outputs):
    return {}, [arrays[0][..., outputs]]


@_sliced.register(layers.Reshape)
def _reshaped(layer, arrays, kept, outputs):
    return {"target_shape": (*layer.target_shape[:-1], len(outputs))}, arrays


@_sliced.register(layers.ZeroPadding2D)
def _padded(layer, arrays, kept, outputs):
    """Channels-first padding of a channels-last tensor pads its channels."""
    if layer.data_format == "channels_last":
        return {}, arrays
    rows, (before, _) = layer.padding
    first = int((outputs < before).sum())
    return {"padding": (rows, (first, len(outputs) - len(kept) - first))}, arrays


@_sliced.register(layers.Cropping2D)
def _cropped(layer, arrays, kept, outputs):
    """Channels-first cropping of a channels-last tensor crops its channels."""
    if layer.data_format == "channels_last":
        return {}, arrays
    rows, (before, _) = layer.cropping
    first = int((kept < before).sum())
    return {"cropping": (rows, (first, len(kept) - len(outputs) - first))}, arrays


@_sliced.register(Shift2D)
def _shifted(layer, arrays, kept, outputs):
    """A channel moves as it did among all."""
    positions = layer.one_hot.reshape(layer.kernel_size**2, -1).argmax(0)
    return {} if len(outputs) == len(positions) else {"positions": positions[outputs].tolist()}, arrays


@_sliced.register(GhostModule)
def _ghosts(layer, arrays, kept, outputs):
    count, multiplier = layer.primary.filters, layer.ratio - 1
    primary = outputs[outputs < count]
    ghosts = (primary[:, None] * multiplier + np.arange(multiplier)).reshape(-1)
    by_layer = iter(arrays)
    parts = [
        next(by_layer)[..., kept, :][..., primary],
        *(next(by_layer)[primary] for _ in layer.primary_norm.weights),
        next(by_layer)[:, :, primary],
        *(next(by_layer)[ghosts] for _ in layer.cheap_norm.weights),
    ]
    return {"filters": len(outputs)}, parts
