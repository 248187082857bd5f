"""TensorFlow Lite Micro as a process of its own: what it refuses is one line, and a crash of it no crash of ours."""

import itertools
import sys

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from odtf import isolated
from odtf.errors import UserError
from odtf.tflite import flatbuffer, micro_interpreter
from odtf.tflite.arena import arena, estimate
from tests.tflite.test_arena import graph


@pytest.fixture
def custom():
    """A file with an operator that the library lacks."""
    model = flatbuffer.unpack(graph({"x": (1, 4, 4, 1), "y": (1, 4, 4, 1)}, [(("x",), ("y",))], ["x"], ["y"]))
    code = model.operatorCodes[0]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    code.customCode = "owl"
    return flatbuffer.pack(model)


@pytest.mark.needs(package="tflite_micro")
def test_what_it_refuses_is_one_line(custom):
    with pytest.raises(UserError, match=r"^TensorFlow Lite Micro does not run the file\. Received: .*CUSTOM") as error:
        micro_interpreter.allocations(custom, 10_000)
    assert "\n" not in str(error.value)
    # The arena of such a file, one for an NPU among them, is estimated.
    assert arena(custom) == estimate(custom)
    assert arena(custom)["by"] == "estimate"


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import os; os.abort()", r"Received: a crash \(SIGABRT\)"),
        ("raise ValueError('owl')", "Received: ValueError: owl"),
    ],
    ids=["crash", "error"],
)
def test_a_crash_is_a_line(program, said, custom, monkeypatch):
    monkeypatch.setattr(isolated, "command", lambda *_: [sys.executable, "-c", program])
    monkeypatch.setattr(micro_interpreter, "available", lambda: True)
    with pytest.raises(UserError, match=said):
        micro_interpreter.allocations(custom, 10_000)


def test_without_it_the_package_is_named(custom, monkeypatch):
    monkeypatch.setattr(micro_interpreter, "available", lambda: False)
    with pytest.raises(UserError, match="not installed: pip install tflite-micro"):
        micro_interpreter.allocations(custom, 10_000)
    assert arena(custom)["by"] == "estimate"


@pytest.mark.needs(package="tflite_micro")
def test_small_activations_take_more_to_be_planned_than_to_be_kept():
    """A chain of 20 operators on 16 bytes each: head and tail alone would not prepare it."""
    names = [f"t{number}" for number in range(21)]
    operators = [((before,), (after,)) for before, after in itertools.pairwise(names)]
    model = flatbuffer.unpack(graph(dict.fromkeys(names, (1, 16)), operators, names[:1], names[-1:]))
    for tensor in model.subgraphs[0].tensors:
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = np.float32([1.0]), np.int64([0])
    content = flatbuffer.pack(model)
    found, estimated = arena(content), estimate(content)
    assert found["head_bytes"] == estimated["head_bytes"] == 32
    assert found["bytes"] > found["head_bytes"] + found["tail_bytes"]
    assert found["bytes"] <= estimated["bytes"]
