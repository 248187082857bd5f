"""The estimate of the tensor arena: TFLite Micro's own test cases and graphs made by hand."""

import struct

import pytest
from ai_edge_litert import schema_py_generated as schema

from odtf.lifetimes import Lifetime, peak
from odtf.tflite import flatbuffer
from odtf.tflite.arena import activations, arena, estimate, plan


@pytest.mark.parametrize(
    ("tensors", "offsets", "size"),
    [
        ([(10, 0, 1), (20, 2, 3)], [0, 0], 20),
        # TestGreedyMedium and TestOverlapCase of tflite-micro's greedy_memory_planner_test.cc.
        ([(10, 0, 1), (20, 1, 2), (30, 2, 3), (40, 3, 4), (50, 0, 1)], [50, 70, 40, 0, 0], 90),
        ([(100, 0, 1), (50, 2, 3), (20, 1, 2)], [0, 0, 100], 120),
        # Of equal sizes the later one is placed first.
        ([(10, 0, 2), (10, 1, 3)], [10, 0], 20),
        # The small one fits into the gap that opens under the middle one.
        ([(30, 0, 1), (20, 1, 2), (10, 2, 3)], [0, 30, 0], 50),
        ([], [], 0),
    ],
)
def test_greedy_plan(tensors, offsets, size):
    assert plan([Lifetime(*tensor) for tensor in tensors]) == (offsets, size)


def test_peak_is_what_no_plan_goes_below():
    tensors = [Lifetime(30, 0, 1), Lifetime(20, 1, 2), Lifetime(10, 2, 3)]
    assert peak(tensors) == 50
    assert plan(tensors)[1] >= peak(tensors)


def graph(shapes, operators, inputs, outputs, constants=(), types=None):
    """A file of tensors `{name: shape}` and operators `[(inputs, outputs)]` by name; what they compute is ReLU."""
    names = list(shapes)
    model, part, code = schema.ModelT(), schema.SubGraphT(), schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.RELU
    full = schema.BufferT()
    full.data = b"0000"
    part.tensors, part.operators = [], []
    for name, shape in shapes.items():
        tensor = schema.TensorT()
        tensor.name, tensor.shape = name, list(shape)
        tensor.type = (types or {}).get(name, schema.TensorType.INT8)
        tensor.buffer = 1 if name in constants else 0
        part.tensors.append(tensor)
    for before, after in operators:
        operator = schema.OperatorT()
        operator.inputs = [names.index(name) if name else -1 for name in before]
        operator.outputs = [names.index(name) for name in after]
        part.operators.append(operator)
    part.inputs, part.outputs = ([names.index(name) for name in group] for group in (inputs, outputs))
    model.buffers, model.operatorCodes, model.subgraphs = [schema.BufferT(), full], [code], [part]
    return flatbuffer.pack(model)


def test_lifetimes_of_a_file():
    """A residual block: the input lives until it is added, the weights nowhere, a missing bias does not matter."""
    content = graph(
        {"x": (1, 4, 4, 1), "weights": (3, 3), "y": (1, 3), "z": (1, 4, 4), "sum": (1, 4, 4)},
        [(("x", "weights", ""), ("y",)), (("y",), ("z",)), (("z", "x"), ("sum",))],
        inputs=["x"],
        outputs=["sum"],
        constants=["weights"],
        types={"y": schema.TensorType.FLOAT32},
    )
    # Operators count from 1; 3 float32 take 12 bytes, rounded up to 16.
    assert activations(content) == [
        Lifetime(16, 0, 3),
        Lifetime(16, 1, 2),
        Lifetime(16, 2, 3),
        Lifetime(16, 3, 3),
    ]
    found = estimate(content)
    assert (found["head_bytes"], found["at_least_bytes"], found["by"]) == (48, 48, "estimate")
    assert found["bytes"] >= 48 + found["tail_bytes"]


def test_memory_that_an_operator_works_in_lies_where_the_file_says():
    """As in Vela's files: the scratch tensor has no content, and image and scores lie within it."""
    content = graph(
        {"scratch": (100,), "x": (1, 20), "weights": (3,), "y": (1, 10)},
        [(("weights", "scratch", "x"), ("y",))],
        inputs=["x"],
        outputs=["y"],
        constants=["weights"],
    )
    assert activations(content) == [Lifetime(112, 1, 1), Lifetime(32, 0, 1), Lifetime(16, 1, 1)]
    assert estimate(content)["head_bytes"] == 112 + 32 + 16
    model = flatbuffer.unpack(content)
    flatbuffer.add_metadata(model, "OfflineMemoryAllocation", struct.pack("<7i", 0, 1, 4, 0, 16, -1, 0))
    assert estimate(flatbuffer.pack(model))["head_bytes"] == 112


def test_scratch_buffers_of_kernels_are_planned():
    """TFLite Micro's transposed convolution sums in 32 bits, beside its output."""
    content = graph({"x": (1, 4, 4, 1), "y": (1, 8, 8, 1)}, [(("x",), ("y",))], ["x"], ["y"])
    before = estimate(content)
    model = flatbuffer.unpack(content)
    code = model.operatorCodes[0]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.TRANSPOSE_CONV
    found = estimate(flatbuffer.pack(model))
    assert (before["head_bytes"], found["head_bytes"]) == (16 + 64, 16 + 64 + 4 * 64)
    assert found["tail_bytes"] > before["tail_bytes"]


def test_what_has_no_fixed_size_is_refused():
    with pytest.raises(ValueError, match="fixed size"):
        arena(graph({"x": (1, -1), "y": (1, 2)}, [(("x",), ("y",))], ["x"], ["y"]))
