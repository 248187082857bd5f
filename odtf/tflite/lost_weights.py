"""Weights of a quantised file that the converter lost, stored anew from the same file in float.

Where an input was zero on every image that calibrated it, its scale is next to nothing. A bias, in units of that scale
and the weights' own, would overflow; so the converter gives such weights huge scales, up to Inf, by which all of them
are stored as zeros, and with Inf the biases too. A kernel that is all zeros may get the scale 0.
"""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from odtf.tflite import flatbuffer
from odtf.tflite.weight_scales import store, stored

# The places of image, weights and biases among an operator's inputs.
PLACES = {
    "CONV_2D": (0, 1, 2),
    "DEPTHWISE_CONV_2D": (0, 1, 2),
    "FULLY_CONNECTED": (0, 1, 2),
    "TRANSPOSE_CONV": (2, 1, 3),
}
# Types of biases, and the largest value that leaves room for the sums of products: the converter's own for int32, and
# far below the 48 bits by which kernels scale int64.
_BIASES = {schema.TensorType.INT32: (np.int32, 2**30), schema.TensorType.INT64: (np.int64, 2**38)}
_LEVELS = 127


def has_lost_weights(model, op):
    """Whether an operator's weights have a scale that is no positive, finite number, as a kernel of zeros may."""
    if flatbuffer.operator_name(model, op) not in PLACES:
        return False
    weight = model.subgraphs[0].tensors[op.inputs[1]]
    known = weight.type == schema.TensorType.INT8 and weight.quantization.scale is not None
    scales = np.asarray(weight.quantization.scale if known else [], np.float64)
    return not np.all(np.isfinite(scales) & (scales > 0))


def restore(model, operators, floats):
    """Stores weights and biases of operators anew, in units of the scales that their inputs have now.

    Args:
        model: `schema.ModelT` of the quantised file, which is changed.
        operators: those of its operators whose weights are lost, of the kinds in `PLACES`.
        floats: `schema.ModelT` of the same network in float32.

    Returns:
        bool, whether that was possible: the weights of all other operators must be those of `floats`, rounded.
    """
    pairs = _paired(model, floats, operators)
    if pairs is None:
        return False
    for op, twin in pairs:
        if any(op is lost for lost in operators):
            _store_anew(model, op, floats, twin)
    return True


def _paired(model, floats, lost):
    """Pairs of equal operators of both files; None where they differ in more than rounding."""
    both = [
        [op for op in m.subgraphs[0].operators if flatbuffer.operator_name(m, op) in PLACES] for m in (model, floats)
    ]
    if len(both[0]) != len(both[1]):
        return None
    pairs = list(zip(*both, strict=True))
    return pairs if all(_are_equal(model, op, floats, twin, lost) for op, twin in pairs) else None


def _are_equal(model, op, floats, twin, lost):
    own, other = model.subgraphs[0].tensors[op.inputs[1]], floats.subgraphs[0].tensors[twin.inputs[1]]
    same_kind = flatbuffer.operator_name(model, op) == flatbuffer.operator_name(floats, twin)
    is_float = other.type == schema.TensorType.FLOAT32 and floats.buffers[other.buffer].data is not None
    if not same_kind or not is_float or own.type != schema.TensorType.INT8 or list(own.shape) != list(other.shape):
        return False
    if any(op is one for one in lost):
        return True
    step = np.asarray(own.quantization.scale, np.float64).reshape(_by_channel(own))
    values = stored(model, own, np.int8).reshape(own.shape) * step
    return bool(np.all(np.abs(values - _floats(floats, other)) <= step))


def _store_anew(model, op, floats, twin):
    image, _, biases = PLACES[flatbuffer.operator_name(model, op)]
    tensors = model.subgraphs[0].tensors
    weight = tensors[op.inputs[1]]
    values = _floats(floats, floats.subgraphs[0].tensors[twin.inputs[1]]).astype(np.float64)
    one = len(weight.quantization.scale) == 1
    axes = tuple(axis for axis in range(values.ndim) if one or axis != weight.quantization.quantizedDimension)
    most = np.abs(values).max(axes)
    # Any scale holds a channel of zeros.
    steps = np.where(most > 0, most, most.max() or 1.0) / _LEVELS
    bias = tensors[op.inputs[biases]] if len(op.inputs) > biases and op.inputs[biases] >= 0 else None
    if bias is not None and bias.type in _BIASES:  # Where activations are floats, biases are.
        scale = float(tensors[op.inputs[image]].quantization.scale[0])
        dtype, largest = _BIASES[bias.type]
        wanted = np.zeros(bias.shape)
        if len(twin.inputs) > biases and twin.inputs[biases] >= 0:
            wanted = _floats(floats, floats.subgraphs[0].tensors[twin.inputs[biases]]).astype(np.float64)
        least = np.abs(wanted) / (scale * largest)
        steps = np.maximum(steps, least.max() if one else least)
    steps = np.atleast_1d(np.float32(steps))
    levels = np.round(values / steps.astype(np.float64).reshape(_by_channel(weight)))
    store(model, weight, np.clip(levels, -_LEVELS, _LEVELS).astype(np.int8))
    weight.quantization.scale = steps.tolist()
    if bias is not None and bias.type in _BIASES:
        units = np.float32(scale) * steps
        store(model, bias, np.round(wanted / units.astype(np.float64)).astype(dtype))
        bias.quantization.scale = units.tolist()


def _by_channel(weight):
    """The shape in which scales of weights are multiplied with them."""
    if len(weight.quantization.scale) == 1:
        return [1] * len(weight.shape)
    return [-1 if axis == weight.quantization.quantizedDimension else 1 for axis in range(len(weight.shape))]


def _floats(model, tensor):
    return stored(model, tensor, np.float32).reshape(tensor.shape)
