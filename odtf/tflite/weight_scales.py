"""Weights that were trained with one scale, stored with one."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from odtf.tflite import flatbuffer

# The places of the weights and the biases among an operator's inputs.
_PLACES = {"CONV_2D": (1, 2), "DEPTHWISE_CONV_2D": (1, 2), "TRANSPOSE_CONV": (1, 3)}


def join_scales(model):
    """Gives the weights of every int8 convolution one scale in place of one for each output channel.

    The converter has no option for it where a graph carries its own ranges. It finds a scale for each channel, and
    weights next to the levels of a common scale; they are less than half a level away, so that nothing is lost.

    Args:
        model: `schema.ModelT` whose weights and biases lie on the levels of one scale, which is changed.
    """
    for graph in model.subgraphs:
        for op in graph.operators:
            weights, biases = _PLACES.get(flatbuffer.operator_name(model, op), (None, None))
            if weights is None or graph.tensors[op.inputs[weights]].type != schema.TensorType.INT8:
                continue
            weight = graph.tensors[op.inputs[weights]]
            scales = np.asarray(weight.quantization.scale, np.float64)
            axis = weight.quantization.quantizedDimension
            shape = [-1 if each == axis else 1 for each in range(len(weight.shape))]
            values = stored(model, weight, np.int8).reshape(weight.shape) * scales.reshape(shape)
            scale = np.float32(np.abs(values).max() / 127.0)
            _store_with(model, weight, np.round(values / scale).astype(np.int8), scale)
            if len(op.inputs) > biases and op.inputs[biases] >= 0:
                bias = graph.tensors[op.inputs[biases]]
                steps = np.asarray(bias.quantization.scale, np.float64)
                step = np.float32(steps[0] / scales[0] * scale)
                _store_with(model, bias, np.round(stored(model, bias, np.int32) * steps / step).astype(np.int32), step)


def stored(model, tensor, dtype):
    """Returns the values of a constant tensor as they are stored, a flat array of a dtype."""
    return np.frombuffer(bytes(bytearray(model.buffers[tensor.buffer].data)), dtype)


def store(model, tensor, values):
    """Stores values in a buffer of the tensor's own: equal constants of other operators may share the old one."""
    buffer = schema.BufferT()
    buffer.data = values.tobytes()
    model.buffers.append(buffer)
    tensor.buffer = len(model.buffers) - 1


def _store_with(model, tensor, values, scale):
    store(model, tensor, values)
    tensor.quantization.scale, tensor.quantization.zeroPoint = [float(scale)], [0]
    tensor.quantization.quantizedDimension = 0
