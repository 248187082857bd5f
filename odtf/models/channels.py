"""The channels of every tensor of a graph: which are made where, and which are the same one further on.

There is a rule for each kind of layer; what has none keeps all channels that it takes and gives.
"""

import functools

import keras
import numpy as np
from keras import layers

from odtf.layers import ChannelShuffle, GhostModule, Shift2D

# Layers whose output channels are those of the input: one that is zero throughout changes none of the others.
_CHANNELWISE = (
    *(layers.ReLU, layers.LeakyReLU, layers.ELU, layers.PReLU, layers.Dropout, layers.SpatialDropout2D),
    *(layers.GaussianNoise, layers.GaussianDropout, layers.Identity, layers.UnitNormalization),
    *(layers.MaxPooling1D, layers.MaxPooling2D, layers.AveragePooling1D, layers.AveragePooling2D),
    *(layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D, layers.GlobalMaxPooling1D),
    *(layers.GlobalMaxPooling2D, layers.UpSampling1D, layers.UpSampling2D, layers.Resizing),
    *(layers.ZeroPadding1D, layers.Cropping1D),
)
_MERGES = (layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum)
# Operators on tensors, whose classes Keras does not export.
_OPERATOR_MERGES = ("Add", "Subtract", "Multiply", "Divide", "TrueDivide", "Maximum", "Minimum")
_OPERATORS = (
    *("Relu", "Relu6", "Sigmoid", "HardSigmoid", "Silu", "HardSilu", "Tanh", "Gelu", "LeakyRelu", "Elu", "Softplus"),
    *("Absolute", "Negative", "Square", "Sqrt", "Exp", "Clip", "Cast"),
)
_REDUCTIONS = ("Mean", "Max", "Sum")
_ACROSS_CHANNELS = ("softmax", "log_softmax", "glu", "sparsemax", "sparse_plus")


def follow(call, inputs, ties):
    """Returns the channels of a call's outputs; those of tensors that it mixes are joined or pinned.

    Args:
        call: Keras' node of a layer or operator on tensors.
        inputs: list of int arrays, the channels of its input tensors.
        ties: `Ties`.

    Returns:
        List of int arrays, one for each output.
    """
    operation = call.operation
    if _is_plain(call):
        channels = _rule(operation, call, inputs, ties)
        if channels is not None:
            if _compares(operation):
                ties.pin(channels, f"{operation.name} compares channels")
            return [channels]
    reason = f"{operation.name} ({type(operation).__name__}) takes and gives all channels"
    for channels in inputs:
        ties.pin(channels, reason)
    return [pinned(output, reason, ties) for output in call.outputs]


def pinned(tensor, reason, ties):
    """Returns new channels, of a tensor, that stay."""
    count = tensor.shape[-1] or 0 if len(tensor.shape) > 1 else 0
    channels = ties.new(np.zeros(count), [reason] * count)
    ties.pin(channels, reason)
    return channels


def _is_plain(call):
    """Whether a call is of Keras or odtf, takes tensors and single numbers alone, and knows its channels."""
    if len(call.outputs) > 1 or type(call.operation).__module__.partition(".")[0] not in ("keras", "odtf"):
        return False
    arguments = keras.tree.flatten((call.arguments.args, call.arguments.kwargs))
    arrays = [x for x in arguments if getattr(x, "shape", None) and not isinstance(x, keras.KerasTensor)]
    return not arrays and all(len(x.shape) > 1 and x.shape[-1] for x in (*call.input_tensors, *call.outputs))


def _compares(operation):
    """Whether an activation looks at several channels at once."""
    name = getattr(getattr(operation, "activation", None), "__name__", "")
    return name in _ACROSS_CHANNELS


@functools.singledispatch
def _rule(operation, call, inputs, ties):
    name = type(operation).__name__
    if isinstance(operation, layers.Layer):
        last = getattr(operation, "data_format", "channels_last") == "channels_last"
        return inputs[0] if type(operation) in _CHANNELWISE and last else None
    if name in _OPERATOR_MERGES:
        return _merged(call, inputs, ties)
    if name == "Concatenate":
        return _concatenated(operation.axis, call, inputs, ties)
    if name in _REDUCTIONS:
        rank = len(call.input_tensors[0].shape)
        axes = range(rank) if operation.axis is None else np.ravel(operation.axis) % rank
        return None if rank - 1 in axes else inputs[0]
    return inputs[0] if name in _OPERATORS else None


@_rule.register(Shift2D)
@_rule.register(layers.Activation)
def _channelwise(operation, call, inputs, ties):
    return inputs[0]


@_rule.register(layers.Conv1D)
@_rule.register(layers.Conv2D)
def _convolution(layer, call, inputs, ties):
    if layer.data_format != "channels_last":
        return None
    count, filters = len(inputs[0]), layer.filters
    if 1 < layer.groups == count:
        return np.repeat(inputs[0], filters // count)
    if layer.groups > 1:
        ties.place(inputs[0], [(layer.name, "input", i * layer.groups // count) for i in range(count)])
    places = [(layer.name, i * layer.groups // filters) for i in range(filters)]
    return ties.new(_norms(layer.kernel, -1), places)


@_rule.register(layers.SeparableConv2D)
def _separable(layer, call, inputs, ties):
    if layer.data_format != "channels_last":
        return None
    return ties.new(_norms(layer.pointwise_kernel, -1), [layer.name] * layer.filters)


@_rule.register(layers.Conv2DTranspose)
def _transposed(layer, call, inputs, ties):
    if layer.data_format != "channels_last":
        return None
    return ties.new(_norms(layer.kernel, -2), [layer.name] * layer.filters)


@_rule.register(layers.Dense)
def _dense(layer, call, inputs, ties):
    return ties.new(_norms(layer.kernel, -1), [layer.name] * layer.units)


@_rule.register(layers.DepthwiseConv1D)
@_rule.register(layers.DepthwiseConv2D)
def _depthwise(layer, call, inputs, ties):
    return np.repeat(inputs[0], layer.depth_multiplier) if layer.data_format == "channels_last" else None


@_rule.register(layers.BatchNormalization)
@_rule.register(layers.Normalization)
def _normalization(layer, call, inputs, ties):
    axes = layer.axis if isinstance(layer.axis, (tuple, list)) else (layer.axis,)
    if isinstance(layer, layers.Normalization) and ties.reason(inputs[0]) is None:
        return None  # Pixels have it; further on it would have to be cut.
    return inputs[0] if set(axes) <= {-1, len(call.outputs[0].shape) - 1} else None


@_rule.register(layers.Rescaling)
def _rescaling(layer, call, inputs, ties):
    return inputs[0] if np.ndim(layer.scale) == np.ndim(layer.offset) == 0 or ties.reason(inputs[0]) else None


@_rule.register(layers.Concatenate)
def _concatenation(layer, call, inputs, ties):
    return _concatenated(layer.axis, call, inputs, ties)


@_rule.register(layers.Flatten)
@_rule.register(layers.Reshape)
def _reshaped(layer, call, inputs, ties):
    """Where the last axis is the same, or has been joined with those before it, its channels repeat."""
    count, before = call.outputs[0].shape[-1], call.input_tensors[0].shape[1:]
    if count % len(inputs[0]) or getattr(layer, "data_format", "channels_last") != "channels_last":
        return None
    # Whether the axes that the last one was joined with are whole: otherwise channels lie across rows.
    joined = np.cumprod(before[::-1]) if None not in before else [len(inputs[0])]
    return np.tile(inputs[0], count // len(inputs[0])) if count in joined else None


@_rule.register(layers.ZeroPadding2D)
def _padded(layer, call, inputs, ties):
    if layer.data_format == "channels_last":
        return inputs[0]
    _, (before, after) = layer.padding
    zeros = ties.new(np.zeros(before + after), [layer.name] * (before + after))
    return np.concatenate([zeros[:before], inputs[0], zeros[before:]])


@_rule.register(layers.Cropping2D)
def _cropped(layer, call, inputs, ties):
    if layer.data_format == "channels_last":
        return inputs[0]
    _, (before, after) = layer.cropping
    return inputs[0][before : len(inputs[0]) - after]


@_rule.register(ChannelShuffle)
def _shuffled(layer, call, inputs, ties):
    """One channel of each group stays or goes with those of its place in the others, so that their order holds."""
    by_group = inputs[0].reshape(layer.groups, -1)
    for group in by_group[1:]:
        ties.join(by_group[0], group)
    return by_group.T.reshape(-1)


@_rule.register(GhostModule)
def _ghosts(layer, call, inputs, ties):
    """A ghost goes with the channel that it is computed from; what has fewer ghosts than others competes with none."""
    count, ghosts = layer.primary.filters, layer.filters - layer.primary.filters
    full = ghosts // (layer.ratio - 1)
    places = [layer.name if index < full else (layer.name, index) for index in range(count)]
    primary = ties.new(_norms(layer.primary.kernel, -1), places)
    return np.concatenate([primary, np.repeat(primary, layer.ratio - 1)])[: layer.filters]


def _merged(call, inputs, ties):
    """The channels of tensors that are combined one by one, a single channel serving all."""
    count = call.outputs[0].shape[-1]
    whole = [channels for channels in inputs if len(channels) == count]
    for channels in whole[1:]:
        ties.join(whole[0], channels)
    return whole[0] if whole else None


def _concatenated(axis, call, inputs, ties):
    if axis in (-1, len(call.outputs[0].shape) - 1):
        return np.concatenate(inputs)
    return _merged(call, inputs, ties)


def _norms(kernel, axis):
    """L1 norms of the parts of a kernel along an axis."""
    values = np.abs(keras.ops.convert_to_numpy(kernel))
    return np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1).sum(1)


for _kind in _MERGES:
    _rule.register(_kind, lambda layer, call, inputs, ties: _merged(call, inputs, ties))
