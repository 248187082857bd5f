"""Memory that a microcontroller needs for a file's activations: an estimate of TFLite Micro's tensor arena.

The planning is that of TFLite Micro's GreedyMemoryPlanner (tflite-micro, memory_planner/greedy_memory_planner.cc): the
largest tensors first, each at the lowest offset that is free for as long as it lives, on 16-byte boundaries.

What the arena holds beside activations is left out, since it depends on the version and on the kernels linked: the
persistent structures of tensors and operators, 8 bytes of multiplier and shift for each output channel of a
convolution, and the scratch buffers of optimised kernels such as CMSIS-NN's.
"""

import math

from ai_edge_litert import schema_py_generated as schema

from odtf.lifetimes import Lifetime, peak
from odtf.tflite import flatbuffer

ALIGNMENT = 16

_BITS = {
    "INT4": 4,
    **dict.fromkeys(("INT8", "UINT8", "BOOL"), 8),
    **dict.fromkeys(("INT16", "UINT16", "FLOAT16", "BFLOAT16"), 16),
    **dict.fromkeys(("INT32", "UINT32", "FLOAT32"), 32),
    **dict.fromkeys(("INT64", "UINT64", "FLOAT64", "COMPLEX64"), 64),
}
_TYPE_BITS = {
    getattr(schema.TensorType, name): bits for name, bits in _BITS.items() if hasattr(schema.TensorType, name)
}


def arena(content):
    """Estimates the arena of a TFLite file.

    Args:
        content: bytes of a file with one subgraph.

    Returns:
        dict with `"bytes"`, what the greedy plan takes, and `"at_least_bytes"`, the most that is alive at once: no plan
        takes less.

    Raises:
        ValueError: if the file has several subgraphs, or a tensor without a fixed size.
    """
    tensors = activations(content)
    return {"bytes": plan(tensors)[1], "at_least_bytes": peak(tensors)}


def activations(content):
    """Lists the tensors of a TFLite file that live in the arena.

    Args:
        content: as for `arena`.

    Returns:
        List of `Lifetime` in the order of the file's tensors. Sizes are multiples of the alignment; operators count
        from 1, and inputs of the graph are written by number 0.

    Raises:
        ValueError: as `arena`.
    """
    model = flatbuffer.unpack(content)
    if len(model.subgraphs) != 1:
        raise ValueError(f"An arena is planned for one subgraph. Received: {len(model.subgraphs)} subgraphs")
    graph = model.subgraphs[0]
    first = dict.fromkeys((int(index) for index in graph.inputs), 0)
    last = dict(first)
    for number, operator in enumerate(graph.operators, start=1):
        for index in operator.outputs:
            first.setdefault(int(index), number)
            last[int(index)] = number
        # An input that is left out has the index -1; one that nothing has written is a constant of the file.
        last.update((int(index), number) for index in operator.inputs if int(index) in first)
    last.update((int(index), len(graph.operators)) for index in graph.outputs if int(index) in first)
    return [Lifetime(_aligned(_bytes(graph.tensors[index])), first[index], last[index]) for index in sorted(first)]


def plan(tensors):
    """Places tensors as TFLite Micro's GreedyMemoryPlanner does.

    Args:
        tensors: list of `Lifetime`.

    Returns:
        (offsets, size): the offset of each tensor, and the bytes that all of them take.
    """
    offsets, placed = [0] * len(tensors), []
    # Of equal sizes the later tensor comes first: theirs is a stable sort of the reversed list.
    for index in sorted(range(len(tensors)), key=lambda i: (-tensors[i].size, -i)):
        tensor, offset = tensors[index], 0
        for other in sorted(placed, key=lambda i: offsets[i]):
            if tensors[other].first > tensor.last or tensors[other].last < tensor.first:
                continue
            if offsets[other] - offset >= tensor.size:
                break
            offset = max(offset, offsets[other] + tensors[other].size)
        offsets[index] = offset
        placed.append(index)
    return offsets, max((offsets[i] + tensors[i].size for i in placed), default=0)


def _aligned(size):
    return -(-size // ALIGNMENT) * ALIGNMENT


def _bytes(tensor):
    # As for TFLite Micro: what a signature leaves open, such as the batch, has the size 1 here.
    shape = [] if tensor.shape is None else [int(n) for n in tensor.shape]
    if min(shape, default=1) < 0 or tensor.type not in _TYPE_BITS:
        raise ValueError(f"An arena is planned for tensors of a fixed size. Received: {tensor.name!r}, {shape}")
    return -(-math.prod(shape) * _TYPE_BITS[tensor.type] // 8)
