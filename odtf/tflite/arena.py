"""Memory that a microcontroller needs for a file: the tensor arena of TensorFlow Lite Micro (TFLM), head and tail.

The head holds activations, planned as TFLM's GreedyMemoryPlanner does (tflite-micro, memory_planner/
greedy_memory_planner.cc): the largest tensors first, each at the lowest offset that is free for as long as it lives, on
16-byte boundaries, after those whose offsets stand in the file. The tail holds what the interpreter keeps: a structure
for each tensor and operator, and multiplier and shift for each output channel of a convolution.

Where the package tflite-micro is installed, TFLM itself is asked; else both are estimated, as on a 64-bit machine. On a
32-bit chip the tail is smaller, since pointers are. Scratch buffers of optimised kernels, such as CMSIS-NN's or
ESP-NN's, are left out, since they depend on what is linked.
"""

import functools
import math
import struct

from ai_edge_litert import schema_py_generated as schema

from odtf.errors import UserError
from odtf.lifetimes import Lifetime, peak
from odtf.tflite import flatbuffer, micro_interpreter, structures

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
    """Returns what a TFLite file takes of the arena.

    Args:
        content: bytes of a file with one subgraph.

    Returns:
        dict with `"bytes"`, the arena that the file needs; `"head_bytes"` and `"tail_bytes"`, of which it is the sum,
        or more where preparing the file takes more than running it; `"at_least_bytes"`, the most activations that are
        alive at once, less than which no plan takes; and `"by"`: the version of tflite-micro that was asked, or
        `"estimate"`.

    Raises:
        ValueError: if the file has several subgraphs, or a tensor without a fixed size.
    """
    found = estimate(content)
    if not micro_interpreter.available():
        return found
    try:
        return {**found, **_measured(content, plenty(found)), "by": micro_interpreter.title()}
    except UserError:  # It is no file for a microcontroller, or one for an NPU beside it.
        return found


def plenty(estimated):
    """Returns the bytes of an arena that is surely enough for a file with such an estimate."""
    return 4 * estimated["bytes"] + 2**16


@functools.lru_cache(maxsize=8)
def _measured(content, enough):
    return micro_interpreter.allocations(content, enough)


def estimate(content):
    """Estimates what `arena` returns, from the file alone.

    Args:
        content: as for `arena`.

    Raises:
        ValueError: as `arena`.
    """
    model = _model(content)
    lifetimes, offsets = _lifetimes(model), _offline_offsets(model)
    tensors, scratch = list(lifetimes.values()), structures.scratch(model)
    given = [offsets.get(index) for index in lifetimes] + [None] * len(scratch)
    head, tail = plan(tensors + scratch, given)[1], structures.tail(model)
    planning = tail + structures.planning(model, len(given))
    return {
        "bytes": max(head + tail, planning),
        "head_bytes": head,
        "tail_bytes": tail,
        "at_least_bytes": peak(tensors),
        "by": "estimate",
    }


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
    return list(_lifetimes(_model(content)).values())


def _model(content):
    model = flatbuffer.look(content)
    if len(model.subgraphs) != 1:
        raise ValueError(f"An arena is planned for one subgraph. Received: {len(model.subgraphs)} subgraphs")
    return model


def _lifetimes(model):
    """Returns a dict from the number of a tensor that lives in the arena to its `Lifetime`, in the file's order."""
    graph = model.subgraphs[0]
    first = dict.fromkeys((int(index) for index in graph.inputs), 0)
    last = dict(first)
    for number, operator in enumerate(graph.operators, start=1):
        for index in map(int, operator.outputs):
            first.setdefault(index, number)
            last[index] = number
        # An input that is left out has the index -1. One that nothing has written is a constant of the file, or memory
        # for the operator to work in.
        for index in (int(index) for index in operator.inputs if index >= 0):
            if index in first or not _is_constant(model, graph.tensors[index]):
                first.setdefault(index, number)
                last[index] = number
    last.update((int(index), len(graph.operators)) for index in graph.outputs if int(index) in first)
    return {i: Lifetime(structures.aligned(_bytes(graph.tensors[i])), first[i], last[i]) for i in sorted(first)}


def _is_constant(model, tensor):
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


def _offline_offsets(model):
    """Returns a dict from a tensor's number to the offset that the file gives it, as Vela's files do."""
    entry = flatbuffer.read_metadata(model, "OfflineMemoryAllocation")
    # int32: version, subgraph, number of tensors, and for each the offset, or -1.
    offsets = [] if entry is None else struct.unpack(f"<{len(entry) // 4}i", entry)[3:]
    return {index: offset for index, offset in enumerate(offsets) if offset >= 0}


def plan(tensors, given=None):
    """Places tensors as TFLM's GreedyMemoryPlanner does.

    Args:
        tensors: list of `Lifetime`.
        given: for each the offset where it must lie, or None; None: none must.

    Returns:
        (offsets, size): the offset of each tensor, and the bytes that all of them take.
    """
    offsets = [offset or 0 for offset in given or [None] * len(tensors)]
    placed = [index for index in range(len(tensors)) if given and given[index] is not None]
    # Of equal sizes the later tensor comes first: theirs is a stable sort of the reversed list.
    free = sorted(set(range(len(tensors))) - set(placed), key=lambda i: (-tensors[i].size, -i))
    for index in free:
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


def _bytes(tensor):
    # As for TFLM: what a signature leaves open, such as the batch, has the size 1 here.
    shape = [] if tensor.shape is None else [int(n) for n in tensor.shape]
    if min(shape, default=1) < 0 or tensor.type not in _TYPE_BITS:
        raise ValueError(f"An arena is planned for tensors of a fixed size. Received: {tensor.name!r}, {shape}")
    return -(-math.prod(shape) * _TYPE_BITS[tensor.type] // 8)
