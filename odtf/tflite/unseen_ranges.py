"""Scales for tensors of a file that were zero on every image that calibrated it."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from odtf.tflite import flatbuffer
from odtf.tflite.lost_weights import PLACES, has_lost_weights, restore
from odtf.tflite.weight_scales import store, stored

# The converter takes a range of 1e-6 or less where it saw nothing: 4e-9 a step of int8, 2e-11 of int16. XNNPACK has no
# kernel from usual scales to such a one, and the int16 sum of LiteRT ends the process.
_LARGEST_STEPS = {schema.TensorType.INT8: 1e-8, schema.TensorType.INT16: 4e-11}
_BIASES = {schema.TensorType.INT32: np.int32, schema.TensorType.INT64: np.int64}


def scale_unseen(model, in_float):
    """Gives integer tensors that were always zero, as behind a dead ReLU, a scale like that of their neighbours.

    Any scale holds a zero. All of them get one, so that operators whose tensors must have equal scales keep them; the
    weights and biases that count in it are stored anew.

    Args:
        model: `schema.ModelT`, which is changed.
        in_float: function without arguments that returns the same network as a `schema.ModelT` in float32, where the
            weights are that the converter lost; called if there is such a tensor.

    Returns:
        int, how many tensors there were.
    """
    graph = model.subgraphs[0]
    makers = {int(output): op for op in graph.operators for output in op.outputs}
    unseen = {index for index in makers if _is_unseen(graph.tensors[index])}
    sources = {int(x) for index in unseen for x in makers[index].inputs if int(x) >= 0} - unseen
    scales = [_step(graph.tensors[x]) for x in sources if x in makers or x in map(int, graph.inputs)]
    scale = max(scales, default=0.0)
    unseen = unseen if scale else set()
    for index in unseen:
        graph.tensors[index].quantization.scale = [scale]
    lost = [op for op in graph.operators if _image_of(model, op) in unseen or has_lost_weights(model, op)]
    if lost and not restore(model, lost, in_float()):
        for op in lost:
            if _image_of(model, op) in unseen:
                _recount(model, op, scale)
    return len(unseen)


def _image_of(model, op):
    """The number of the tensor that an operator with weights reads; None for others."""
    places = PLACES.get(flatbuffer.operator_name(model, op))
    return None if places is None else int(op.inputs[places[0]])


def _is_unseen(tensor):
    return 0.0 < _step(tensor) <= _LARGEST_STEPS.get(tensor.type, 0.0)


def _step(tensor):
    """The scale of a tensor that has one, else 0."""
    quantization = tensor.quantization
    known = quantization is not None and quantization.scale is not None and len(quantization.scale) == 1
    return float(quantization.scale[0]) if known else 0.0


def _recount(model, op, scale):
    """Stores the biases of an operator in units of its input's new scale times that of the weights."""
    biases = PLACES[flatbuffer.operator_name(model, op)][2]
    if len(op.inputs) <= biases or op.inputs[biases] < 0:
        return
    tensors = model.subgraphs[0].tensors
    bias, weight = tensors[op.inputs[biases]], tensors[op.inputs[1]]
    old = np.asarray(bias.quantization.scale, np.float64)
    new = np.float32(scale) * np.asarray(weight.quantization.scale, np.float32)
    # Coarser than before: nothing overflows.
    dtype = _BIASES[bias.type]
    store(model, bias, np.round(stored(model, bias, dtype) * old / new.astype(np.float64)).astype(dtype))
    bias.quantization.scale = new.tolist()
