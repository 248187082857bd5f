"""Structures that TensorFlow Lite Micro (TFLM) keeps in the tail of its arena, counted as on a 64-bit machine.

The sizes of what each tensor and channel takes are those of TFLM's own types (micro_allocator.h, kernels/conv.h); what
the operators of a kind keep besides was read off its recording allocator (tflite-micro of October 2026), rounded up.
"""

import math

from ai_edge_litert import schema_py_generated as schema

from odtf.lifetimes import Lifetime
from odtf.tflite import flatbuffer

# All that lies in an arena begins at a multiple of it.
ALIGNMENT = 16
# A TfLiteEvalTensor for each tensor, a NodeAndRegistration for each operator.
_PER_TENSOR, _PER_OPERATOR = 24, 64
# The allocator, the planner, the graph's input and output with their quantisation.
_INTERPRETER = 768
# What the kernels keep, multipliers of channels apart, and their parameters from the file.
_KERNELS = {
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D"), 112),
    "TRANSPOSE_CONV": 192,
    **dict.fromkeys(("FULLY_CONNECTED", "AVERAGE_POOL_2D", "SOFTMAX"), 128),
    **dict.fromkeys(("ADD", "CONCATENATION", "MAX_POOL_2D", "PAD"), 80),
    "MEAN": 64,
    **dict.fromkeys(("QUANTIZE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "RESHAPE"), 48),
    **dict.fromkeys(("RELU", "RELU6", "LEAKY_RELU", "TANH", "LOGISTIC"), 48),
}
_OTHER_KERNEL = 128
_WITH_CHANNELS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV")
# Bytes of a sum of products, by the type of the output.
_SUMS = {schema.TensorType.INT8: 4, schema.TensorType.INT16: 8}

# While activations are planned: requests for scratch buffers, an AllocationInfo for each tensor, and the planner's own
# records of each that is placed.
_REQUESTS, _PLANNED_TENSOR, _PLACED = 160, 32, 48


def aligned(size):
    """Returns the bytes that something of `size` bytes takes of an arena."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def tail(model):
    """Estimates the bytes of the tail of the arena for a `schema.ModelT` with one subgraph."""
    graph = model.subgraphs[0]
    kept = sum(_kernel(model, operator) for operator in graph.operators)
    return aligned(_INTERPRETER + _PER_TENSOR * len(graph.tensors) + _PER_OPERATOR * len(graph.operators) + kept)


def planning(model, placed):
    """Estimates what TFLM needs beside the tail while it plans the head, in bytes.

    Args:
        model: `schema.ModelT` with one subgraph.
        placed: number of tensors and scratch buffers that live in the head.
    """
    return _REQUESTS + aligned(_PLANNED_TENSOR * len(model.subgraphs[0].tensors) + _PLACED * placed)


def scratch(model):
    """Lists the scratch buffers that the reference kernels ask for in the head.

    Returns:
        list of `Lifetime`, each for the time of its operator; operators count from 1.
    """
    graph, buffers = model.subgraphs[0], []
    for number, operator in enumerate(graph.operators, start=1):
        name, output = flatbuffer.operator_name(model, operator), graph.tensors[operator.outputs[0]]
        sizes = [ALIGNMENT] * 3 if name == "MEAN" else []
        if name == "TRANSPOSE_CONV" and output.type in _SUMS:
            # Sums before they are rescaled, one for each output.
            sizes = [_SUMS[output.type] * math.prod(map(int, output.shape))]
        buffers += [Lifetime(aligned(size), number, number) for size in sizes]
    return buffers


def _kernel(model, operator):
    name = flatbuffer.operator_name(model, operator)
    return _KERNELS.get(name, _OTHER_KERNEL) + (_multipliers(model, operator) if name in _WITH_CHANNELS else 0)


def _multipliers(model, operator):
    """Bytes of the multipliers and the shifts, int32 for each output channel."""
    channels = int(model.subgraphs[0].tensors[operator.outputs[0]].shape[-1])
    return 2 * aligned(4 * channels)
