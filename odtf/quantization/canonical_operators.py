"""Rules of the canonical form for operators on tensors, `x + y` and `keras.ops`, and layers that models define.

They are found by the name of their class, since Keras exports functions alone.
"""

import keras
import numpy as np
from keras import activations, layers

from odtf.models.graph import call_of
from odtf.quantization.canonical_activations import TanhGelu, activated
from odtf.quantization.channel_affine import affine_channels, constant, is_constant_affine


def _binary(layer_class, affine):
    """The rule of an operator of two tensors, or of a tensor and constants."""

    def rule(rewriting, operation, first, second):
        name, constants = rewriting.name(operation), (constant(first), constant(second))
        if any(isinstance(x, keras.Variable) for x in (first, second)):
            rewriting.refuse(name, "a variable outside of layers has none here")
        if constants == (None, None):
            if len(first.shape) != len(second.shape) or layer_class is None:
                rewriting.refuse(name, "an operator of two tensors is a sum, difference or product of as many axes")
            return layer_class(name=name)([first, second])
        x, number = (first, constants[1]) if constants[0] is None else (second, constants[0])
        if (numbers := affine(*constants)) is None:
            rewriting.refuse(name, "a division by a tensor has none here")
        if number.ndim > len(x.shape) or number.size not in (1, x.shape[-1]):
            rewriting.refuse(name, "constants are added and multiplied by channel")
        return affine_channels(rewriting, x, *numbers, name)

    return rule


def _plus(a, b):
    return 1.0, b if a is None else a


def _minus(a, b):
    return (1.0, -b) if a is None else (-1.0, a)


def _times(a, b):
    return (b if a is None else a), 0.0


def _over(a, b):
    return (1.0 / b, 0.0) if a is None else None


def _multiply(rewriting, operation, first, second):
    """A product; `relu6(x + 3) / 6`, as MobileNetV3 writes it, is a hard sigmoid."""
    for x, number in ((first, constant(second)), (second, constant(first))):
        if number is not None and number.size == 1 and np.isclose(number, 1.0 / 6.0):
            source = _before_relu6(x)
            if source is not None:
                return activated(rewriting, activations.hard_sigmoid, rewriting.name(operation), source)
    return _binary(layers.Multiply, _times)(rewriting, operation, first, second)


def _divide(rewriting, operation, first, second):
    divisor = constant(second)
    return (
        _multiply(rewriting, operation, first, 1.0 / divisor)
        if divisor is not None
        else _binary(None, _over)(rewriting, operation, first, second)
    )


def _before_relu6(x):
    """Returns the tensor `y` where `x` is `relu6(y + 3)`, or None."""
    layer = x._keras_history.operation if isinstance(x, keras.KerasTensor) else None
    clips = isinstance(layer, layers.ReLU) and layer.max_value == 6
    if not clips and getattr(layer, "activation", None) is not activations.relu6:
        return None
    inner = call_of(x).input_tensors[0]
    if not is_constant_affine(inner):
        return None
    node = call_of(inner)
    factor, offset = node.operation.get_weights()
    return node.input_tensors[0] if np.all(factor == 1.0) and np.all(offset == 3.0) else None


def _activation(function):
    def rule(rewriting, operation, x):
        return activated(rewriting, function, rewriting.name(operation), x)

    return rule


def _leaky(rewriting, operation, x):
    return layers.LeakyReLU(float(operation.negative_slope), name=rewriting.name(operation))(x)


def _gelu(rewriting, operation, x):
    name = rewriting.name(operation)
    return TanhGelu(name=name)(x) if operation.approximate else activated(rewriting, activations.gelu, name, x)


def _softmax(rewriting, operation, x):
    if operation.axis not in (-1, len(x.shape) - 1):
        rewriting.refuse(operation, "a softmax is over the last axis")
    return activated(rewriting, activations.softmax, rewriting.name(operation), x)


def _negative(rewriting, operation, x):
    return affine_channels(rewriting, x, -1.0, 0.0, rewriting.name(operation))


def _reshaped(rewriting, operation, x):
    shape = node_shape(operation)
    return layers.Reshape(shape, name=rewriting.name(operation))(x)


def node_shape(operation):
    """The shape of what an operation made when the model was built, without the batch."""
    return tuple(operation._inbound_nodes[0].outputs[0].shape[1:])


def _transposed(rewriting, operation, x):
    if not operation.axes or operation.axes[0] != 0:
        rewriting.refuse(operation, "a transposition leaves the batch where it is")
    return layers.Permute(tuple(operation.axes[1:]), name=rewriting.name(operation))(x)


def _concatenated(rewriting, operation, tensors):
    if operation.axis not in (-1, len(tensors[0].shape) - 1):
        rewriting.refuse(operation, "a concatenation is of channels")
    return layers.Concatenate(name=rewriting.name(operation))(tensors)


def _axes(operation, x):
    """The axes that an operator reduces, counted from the first, sorted."""
    return sorted(np.atleast_1d(operation.axis if operation.axis is not None else ()) % len(x.shape))


def _mean(rewriting, operation, x):
    axes = _axes(operation, x)
    if len(x.shape) == 4 and axes == [1, 2]:
        return layers.GlobalAveragePooling2D(keepdims=operation.keepdims, name=rewriting.name(operation))(x)
    if len(x.shape) == 3 and axes == [1]:
        return layers.GlobalAveragePooling1D(keepdims=operation.keepdims, name=rewriting.name(operation))(x)
    return rewriting.refuse(operation, "a mean is over the places of a map or sequence")


def _maximum(rewriting, operation, x):
    if len(x.shape) != 4 or _axes(operation, x) != [1, 2]:
        rewriting.refuse(operation, "a maximum is over the places of a map")
    name, pool = rewriting.name(operation), layers.MaxPooling2D(x.shape[1:3])
    return layers.Reshape(node_shape(operation), name=name)(pool(x))


def _padded(rewriting, operation, x, constant_values=None):
    width = operation.pad_width
    if operation.mode != "constant" or constant_values or len(width) != 4 or any(width[0]) or any(width[3]):
        rewriting.refuse(operation, "a padding is of zeros around maps")
    return layers.ZeroPadding2D(tuple(map(tuple, width[1:3])), name=rewriting.name(operation))(x)


def _layer_scale(rewriting, layer, x):
    """A factor for each channel, which is trained."""
    return affine_channels(rewriting, x, layer.get_weights()[0], 0.0, rewriting.name(layer), trainable=layer.trainable)


def _kept(rewriting, layer, x, **kwargs):
    return rewriting.keep(layer)(x)


OPERATORS = {
    "Add": _binary(layers.Add, _plus),
    "Subtract": _binary(layers.Subtract, _minus),
    "Multiply": _multiply,
    "Divide": _divide,
    "TrueDivide": _divide,
    "Negative": _negative,
    "Relu": _activation(activations.relu),
    "Relu6": _activation(activations.relu6),
    "Sigmoid": _activation(activations.sigmoid),
    "Tanh": _activation(activations.tanh),
    "Silu": _activation(activations.silu),
    "HardSigmoid": _activation(activations.hard_sigmoid),
    "HardSilu": _activation(activations.hard_silu),
    "LeakyRelu": _leaky,
    "Gelu": _gelu,
    "Softmax": _softmax,
    "Reshape": _reshaped,
    "Squeeze": _reshaped,
    "ExpandDims": _reshaped,
    "Transpose": _transposed,
    "Concatenate": _concatenated,
    "Mean": _mean,
    "Max": _maximum,
    "Pad": _padded,
    "LayerScale": _layer_scale,
    "StochasticDepth": _kept,
}
