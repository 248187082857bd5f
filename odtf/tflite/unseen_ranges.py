"""Scales for tensors of a file that were zero on every image that calibrated it."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from odtf.tflite import flatbuffer
from odtf.tflite.weight_scales import store, stored

# The converter takes a range of 1e-6 where it saw nothing: 4e-9 a step of int8, 2e-11 of int16. XNNPACK has no kernel
# from usual scales to such a one, and the int16 sum of LiteRT ends the process.
_LARGEST_STEPS = {schema.TensorType.INT8: 1e-8, schema.TensorType.INT16: 4e-11}
_BIASES = {schema.TensorType.INT32: np.int32, schema.TensorType.INT64: np.int64}
# The places of the image and the biases among an operator's inputs; the weights are always at 1.
_PLACES = {"CONV_2D": (0, 2), "DEPTHWISE_CONV_2D": (0, 2), "FULLY_CONNECTED": (0, 2), "TRANSPOSE_CONV": (2, 3)}


def scale_unseen(model):
    """Gives integer tensors that were always zero, as behind a dead ReLU, a scale like that of their neighbours.

    Any scale holds a zero. All of them get one, so that operators whose tensors must have equal scales keep them; the
    biases that count in it are stored anew.

    Args:
        model: `schema.ModelT`, which is changed.

    Returns:
        int, how many tensors there were.
    """
    graph = model.subgraphs[0]
    makers = {int(output): op for op in graph.operators for output in op.outputs}
    unseen = {index for index in makers if _is_unseen(graph.tensors[index])}
    sources = {int(x) for index in unseen for x in makers[index].inputs if int(x) >= 0} - unseen
    scales = [_step(graph.tensors[x]) for x in sources if x in makers or x in map(int, graph.inputs)]
    if not unseen or not (scale := max(scales, default=0.0)):
        return 0
    for index in unseen:
        graph.tensors[index].quantization.scale = [scale]
    for op in graph.operators:
        image, biases = _PLACES.get(flatbuffer.operator_name(model, op), (None, None))
        if image is not None and int(op.inputs[image]) in unseen and len(op.inputs) > biases and op.inputs[biases] >= 0:
            _recount(model, graph.tensors[op.inputs[biases]], scale, graph.tensors[op.inputs[1]])
    return len(unseen)


def _is_unseen(tensor):
    return 0.0 < _step(tensor) <= _LARGEST_STEPS.get(tensor.type, 0.0)


def _step(tensor):
    """The scale of a tensor that has one, else 0."""
    quantization = tensor.quantization
    known = quantization is not None and quantization.scale is not None and len(quantization.scale) == 1
    return float(quantization.scale[0]) if known else 0.0


def _recount(model, bias, scale, weight):
    """Stores biases in units of an input's new scale times that of the weights."""
    old = np.asarray(bias.quantization.scale, np.float64)
    new = np.float32(scale) * np.asarray(weight.quantization.scale, np.float32)
    # Coarser than before: nothing overflows.
    dtype = _BIASES[bias.type]
    store(model, bias, np.round(stored(model, bias, dtype) * old / new.astype(np.float64)).astype(dtype))
    bias.quantization.scale = new.tolist()
