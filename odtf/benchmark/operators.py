"""Time per operator of a TFLite file: each operator alone, in a file of its own.

Neither the interpreter's Python interface nor `litert-benchmark` tells what happens inside an inference, and XNNPACK
runs all its operators in one call. So each operator is cut out of the file with its weights and timed by itself, on
noise, with the kernel that LiteRT chooses for it: XNNPACK's where it takes the operator alone, else LiteRT's own. What
an inference costs that does nothing is taken off. Caches are kinder to an operator that runs alone: the sum is near the
time of the file, not equal to it.
"""

import copy
import statistics
import time

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from odtf.export import flatbuffer
from odtf.quiet import quiet

RUNS, WARMUP = 30, 5


def operator_times(content, repeats=5):
    """Times every operator of a file by itself, on one thread.

    Args:
        content: bytes of a TFLite file; of its first subgraph the operators are timed.
        repeats: int, rounds in which the operators take turns; the figure is the median of the rounds' medians.

    Returns:
        list of dicts in the order of execution: `"name"` (as in the schema), `"output"` (shape), `"us"` (microseconds,
        null where LiteRT does not run the operator alone), `"kernel"` ("XNNPACK" or "LiteRT").
    """
    model = flatbuffer.unpack(content)
    graph = model.subgraphs[0]
    alone = [_prepare(cut_out(model, number)) for number in range(len(graph.operators))]
    empty = _prepare(_empty())
    rounds = [[_time(interpreter) for interpreter in (empty, *alone)] for _ in range(repeats)]
    nothing, *times = (None if None in column else statistics.median(column) for column in zip(*rounds, strict=True))
    rows = []
    for operator, interpreter, duration in zip(graph.operators, alone, times, strict=True):
        row = {
            "name": flatbuffer.operator_name(model, operator),
            "output": [int(n) for n in graph.tensors[operator.outputs[0]].shape],
            "us": None if duration is None else round(max(duration - nothing, 0.0), 2),
            "kernel": None if interpreter is None else _kernel(interpreter),
        }
        rows.append(row)
    return rows


def summarize(rows):
    """Returns (name, count, microseconds) by operator, the slowest first; what was not timed counts nothing."""
    names = dict.fromkeys(row["name"] for row in rows)
    groups = [(name, [row["us"] or 0.0 for row in rows if row["name"] == name]) for name in names]
    return sorted(((name, len(times), sum(times)) for name, times in groups), key=lambda row: -row[2])


def cut_out(model, number):
    """Returns the bytes of a file that holds one operator of a `schema.ModelT`, with its constants, and nothing else.

    Args:
        model: `schema.ModelT`; its first subgraph is read.
        number: int, position of the operator.
    """
    graph, part = model.subgraphs[0], schema.ModelT()
    operator = copy.copy(graph.operators[number])
    used = list(dict.fromkeys(int(i) for i in (*operator.inputs, *operator.outputs) if i >= 0))
    place = {index: position for position, index in enumerate(used)} | {-1: -1}
    part.version, part.buffers, piece = model.version, [schema.BufferT()], schema.SubGraphT()
    piece.tensors = []
    for index in used:
        tensor = copy.copy(graph.tensors[index])
        data = model.buffers[tensor.buffer].data
        tensor.buffer = 0
        if data is not None and len(data):
            tensor.buffer = len(part.buffers)
            part.buffers.append(model.buffers[graph.tensors[index].buffer])
        piece.tensors.append(tensor)
    piece.inputs = [place[i] for i in used if i not in operator.outputs and not piece.tensors[place[i]].buffer]
    piece.outputs = [place[int(i)] for i in operator.outputs]
    part.operatorCodes = [model.operatorCodes[operator.opcodeIndex]]
    operator.inputs = [place[int(i)] for i in operator.inputs]
    operator.outputs, operator.opcodeIndex = piece.outputs, 0
    piece.operators, part.subgraphs = [operator], [piece]
    return flatbuffer.pack(part)


def _empty():
    """A file that does next to nothing: ReLU of one number."""
    model, graph, operator, code = schema.ModelT(), schema.SubGraphT(), schema.OperatorT(), schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.RELU
    code.version = 1
    operator.inputs, operator.outputs, operator.opcodeIndex = [0], [1], 0
    graph.tensors = []
    for name in ("input", "output"):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, [1], schema.TensorType.FLOAT32, 0
        graph.tensors.append(tensor)
    graph.inputs, graph.outputs, graph.operators = [0], [1], [operator]
    model.version, model.buffers, model.operatorCodes, model.subgraphs = 3, [schema.BufferT()], [code], [graph]
    return flatbuffer.pack(model)


def _prepare(content):
    """Returns an interpreter whose inputs are noise, or None where LiteRT does not take the file."""
    random = np.random.default_rng(0)
    try:
        with quiet():
            interpreter = Interpreter(model_content=content, num_threads=1)
            interpreter.allocate_tensors()
            for details in interpreter.get_input_details():
                noise = random.integers(0, 100, details["shape"]).astype(details["dtype"])
                interpreter.set_tensor(details["index"], noise)
            interpreter.invoke()
    except (RuntimeError, ValueError):
        return None
    return interpreter


def _time(interpreter):
    if interpreter is None:
        return None
    times = []
    for run in range(WARMUP + RUNS):
        started = time.perf_counter_ns()
        interpreter.invoke()
        if run >= WARMUP:
            times.append((time.perf_counter_ns() - started) / 1e3)
    return statistics.median(times)


def _kernel(interpreter):
    """XNNPACK's part of the graph shows as one more operator, which replaces those it runs."""
    return "XNNPACK" if any(op["op_name"] == "DELEGATE" for op in interpreter._get_ops_details()) else "LiteRT"
