"""Time per operator of a TFLite file: each operator alone, in a file of its own.

Neither the interpreter's Python interface nor `litert-benchmark` tells what happens inside an inference, and XNNPACK
runs all its operators in one call. So each operator is cut out of the file with its weights and timed by itself, on
noise, with the kernel that LiteRT chooses for it: XNNPACK's where it takes the operator alone, else LiteRT's own. What
an inference costs that does nothing is taken off. Caches are kinder to an operator that runs alone: the sum is near the
time of the file, not equal to it.

Weights stored as float16 reach their operator through a DEQUANTIZE. Every kernel does that work once, before the first
timed inference, so such a DEQUANTIZE is no operator with a time of its own but part of the one that it feeds: without
it the weights would be an input like any other, and XNNPACK, which wants them constant, would decline.
"""

import copy
import statistics
import time

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from odtf.quiet import quiet
from odtf.tflite import flatbuffer

RUNS, WARMUP = 30, 5


def operator_times(content, repeats=5):
    """Times every operator of a file by itself, on one thread.

    Args:
        content: bytes of a TFLite file; of its first subgraph the operators are timed.
        repeats: int, rounds in which the operators take turns; the figure is the median of the rounds' medians.

    Returns:
        list of dicts in the order of execution, one for each operator that works in every inference: `"name"` (as in
        the schema), `"output"` (shape), `"us"` (microseconds, null where LiteRT does not run the operator alone),
        `"kernel"` ("XNNPACK" or "LiteRT"). A DEQUANTIZE of constants has none, its work is done before the first.
    """
    model = flatbuffer.unpack(content)
    graph, made = model.subgraphs[0], _dequantized_constants(model)
    timed = {number: op for number, op in enumerate(graph.operators) if int(op.outputs[0]) not in made}
    alone = [_prepare(cut_out(model, number)) for number in timed]
    empty = _prepare(_empty())
    rounds = [[_time(interpreter) for interpreter in (empty, *alone)] for _ in range(repeats)]
    nothing, *times = (None if None in column else statistics.median(column) for column in zip(*rounds, strict=True))
    rows = []
    for operator, interpreter, duration in zip(timed.values(), alone, times, strict=True):
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

    Where a DEQUANTIZE makes one of the constants, the file holds it too.

    Args:
        model: `schema.ModelT`; its first subgraph is read.
        number: int, position of the operator.
    """
    graph, made = model.subgraphs[0], _dequantized_constants(model)
    operator = graph.operators[number]
    # Once each, also where an operator reads a tensor twice.
    before = dict.fromkeys(made[int(i)] for i in operator.inputs if int(i) in made)
    ops = [copy.copy(op) for op in (*before, operator)]
    used = list(dict.fromkeys(int(i) for op in ops for i in (*op.inputs, *op.outputs) if i >= 0))
    written = {int(i) for op in ops for i in op.outputs}
    place = {index: position for position, index in enumerate(used)} | {-1: -1}
    part, piece = schema.ModelT(), schema.SubGraphT()
    part.version, part.buffers, part.operatorCodes = model.version, [schema.BufferT()], model.operatorCodes
    piece.tensors, piece.inputs = [], []
    for index in used:
        tensor = copy.copy(graph.tensors[index])
        tensor.buffer = 0
        if _is_constant(model, index):
            tensor.buffer = len(part.buffers)
            part.buffers.append(model.buffers[graph.tensors[index].buffer])
        elif index not in written:
            piece.inputs.append(place[index])
        piece.tensors.append(tensor)
    for op in ops:
        op.inputs, op.outputs = ([place[int(i)] for i in indices] for indices in (op.inputs, op.outputs))
    piece.outputs, piece.operators, part.subgraphs = ops[-1].outputs, ops, [piece]
    return flatbuffer.pack(part)


def _dequantized_constants(model):
    """Returns, by the tensor that it writes, each DEQUANTIZE of a constant in a model's first subgraph."""
    return {
        int(op.outputs[0]): op
        for op in model.subgraphs[0].operators
        if flatbuffer.operator_name(model, op) == "DEQUANTIZE" and _is_constant(model, op.inputs[0])
    }


def _is_constant(model, index):
    data = model.buffers[model.subgraphs[0].tensors[index].buffer].data
    return data is not None and len(data) > 0


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
