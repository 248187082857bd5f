"""Terms of a sum that lie far outside of what it gives, cut to where the sum stays the same.

A branch whose values are ten thousand times those of the sum, of which a ReLU leaves nothing, has steps so much coarser
that XNNPACK takes no such sum, and LiteRT's own kernel on x86 wraps around. Reference kernels are right.
"""

import collections

from ai_edge_litert import schema_py_generated as schema

from odtf.tflite import flatbuffer

# Steps of the sum to one of a term: XNNPACK takes fewer.
_MOST_STEPS = 256.0
# What may be given another range without a loss: what it computes is rounded to that at last.
_MAKERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_LIMITS = {schema.TensorType.INT8: (-128, 127), schema.TensorType.INT16: (-32768, 32767)}


def cut_far_terms(model):
    """Gives terms of sums whose steps are too coarse for the sum the range that matters to it.

    Below the least value of the sum minus the largest of the other term, the sum is its least value anyway; above it is
    alike. Nothing else may read the term.

    Args:
        model: `schema.ModelT`, which is changed.

    Returns:
        int, how many terms there were.
    """
    graph = model.subgraphs[0]
    readers = collections.Counter(int(x) for op in graph.operators for x in op.inputs)
    readers.update(map(int, graph.outputs))
    makers = {int(x): flatbuffer.operator_name(model, op) for op in graph.operators for x in op.outputs}
    count = 0
    for op in graph.operators:
        if flatbuffer.operator_name(model, op) != "ADD":
            continue
        for term, other in ((op.inputs[0], op.inputs[1]), (op.inputs[1], op.inputs[0])):
            if readers[int(term)] == 1 and makers.get(int(term)) in _MAKERS:
                count += _cut(*(graph.tensors[x] for x in (term, other, op.outputs[0])))
    return count


def _cut(term, other, total):
    """Cuts one term; returns whether that was needed."""
    if not all(map(_is_scaled, (term, other, total))) or _step(term) < _MOST_STEPS * _step(total):
        return False
    (low, high), (least, most), (own_low, own_high) = map(_range, (total, other, term))
    room = (high - low + most - least) / 64  # Rounding moves the ends.
    # The coarse range of its own ends within a step of what calibration saw.
    low = max(own_low - _step(term), min(0.0, low - most - room))
    high = min(own_high + _step(term), max(0.0, high - least + room))
    first, last = _LIMITS[term.type]
    if term.type == schema.TensorType.INT16:
        scale, zero = max(-low, high) / last, 0
    else:
        scale = (high - low) / (last - first)
        zero = round(first - low / scale)
    if scale > _step(term) / 2:  # The other term is as large: it is their difference that counts.
        return False
    term.quantization.scale, term.quantization.zeroPoint = [scale], [zero]
    return True


def _is_scaled(tensor):
    known = tensor.quantization is not None and tensor.quantization.scale is not None
    return tensor.type in _LIMITS and known and len(tensor.quantization.scale) == 1


def _step(tensor):
    return float(tensor.quantization.scale[0])


def _range(tensor):
    first, last = _LIMITS[tensor.type]
    zero = int(tensor.quantization.zeroPoint[0])
    return _step(tensor) * (first - zero), _step(tensor) * (last - zero)
