"""Operators cut out of a file, and LiteRT's own benchmark."""

import subprocess

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from odtf import export
from odtf.benchmark import litert_tool, operators
from odtf.tflite import flatbuffer


def run(content, *inputs):
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    for details, value in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(details["index"], value)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def test_parts_after_one_another_compute_what_the_file_computes(int8_file):
    content = int8_file.read_bytes()
    model = flatbuffer.unpack(content)
    parts = [operators.cut_out(model, number) for number in range(2)]
    assert [export.operators(part) for part in parts] == [{"CONV_2D": 1}, {"MEAN": 1}]
    image = np.random.default_rng(1).integers(-128, 128, (1, 8, 8, 1), np.int8)
    np.testing.assert_array_equal(run(parts[1], run(parts[0], image)), run(content, image))


def test_float16_weights_stay_constants_of_their_operator(float16_file):
    content = float16_file.read_bytes()
    model = flatbuffer.unpack(content)
    names = [flatbuffer.operator_name(model, op) for op in model.subgraphs[0].operators]
    part = operators.cut_out(model, names.index("CONV_2D"))
    assert export.operators(part) == {"CONV_2D": 1, "DEQUANTIZE": names.count("DEQUANTIZE")}
    image = np.random.default_rng(1).normal(size=(1, 8, 8, 1)).astype("float32")
    # Only the image is an input.
    rest = operators.cut_out(model, names.index("MEAN"))
    np.testing.assert_allclose(run(rest, run(part, image)), run(content, image), rtol=1e-5)
    rows = operators.operator_times(content, repeats=1)
    assert [(row["name"], row["kernel"]) for row in rows] == [("CONV_2D", "XNNPACK"), ("MEAN", "XNNPACK")]


def test_every_operator_is_timed(int8_file):
    rows = operators.operator_times(int8_file.read_bytes(), repeats=1)
    assert [(row["name"], row["output"]) for row in rows] == [("CONV_2D", [1, 8, 8, 4]), ("MEAN", [1, 4])]
    assert all(row["us"] >= 0 and row["kernel"] in ("XNNPACK", "LiteRT") for row in rows)


def test_an_operator_that_does_not_run_alone_has_no_time(int8_file, monkeypatch):
    prepare = operators._prepare
    monkeypatch.setattr(operators, "_prepare", lambda content: None if b"MEAN" in content else prepare(content))
    monkeypatch.setattr(operators, "cut_out", lambda model, number: b"MEAN" if number else int8_file.read_bytes())
    assert [row["kernel"] is None for row in operators.operator_times(int8_file.read_bytes(), 1)] == [False, True]


def test_operators_are_summed_by_name():
    rows = [{"name": name, "us": us} for name, us in (("ADD", 1.0), ("CONV_2D", 5.0), ("ADD", 2.0), ("CUSTOM:x", None))]
    assert operators.summarize(rows) == [("CONV_2D", 1, 5.0), ("ADD", 2, 3.0), ("CUSTOM:x", 1, 0.0)]


def test_litert_benchmark(int8_file):
    figures = litert_tool.litert_benchmark(int8_file, threads=[1], runs=5, warmup=1)
    assert set(figures) == {"1", "resolution_us"}
    assert set(figures["1"]) == {"p50_us", "p95_us", "init_us"}
    assert 0 <= figures["1"]["p50_us"] <= figures["1"]["p95_us"]


# As Python prints it where a line of the program was `error: {error}`, and LiteRT's chatter goes on.
TRACE = """Traceback (most recent call last):
  File "tool.py", line 3, in main
    raise ValueError(f"error: {{error}}")
          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
{}
INFO: [registry.cc:43] gone
"""


@pytest.mark.parametrize(
    ("stderr", "said"),
    [
        ("INFO: a\nValueError: no\nINFO: b\n", "ValueError: no"),
        ("WARNING: a\n", "it said nothing"),
        (TRACE.format("ValueError: no"), "ValueError: no"),
        (
            f"INFO: [x.cc:3] a\nERROR: Wrong identifier 'odel'\n\n{TRACE}".format(
                "RuntimeError: ERROR: [./litert/cc/model.h:19]\n└ ERROR: [litert/runtime/m.cc:9]\n└ No interpreter"
            ),
            "Wrong identifier 'odel'; RuntimeError: No interpreter",
        ),
    ],
)
def test_what_litert_benchmark_refuses(monkeypatch, stderr, said):
    finished = subprocess.CompletedProcess([], 1, stdout="", stderr=stderr)
    monkeypatch.setattr(litert_tool.subprocess, "run", lambda *args, **kwargs: finished)
    assert litert_tool.litert_benchmark("x.tflite", [1]) == {"refused": f"litert-benchmark: {said}"}


def test_without_the_program(monkeypatch):
    monkeypatch.setattr(litert_tool, "MODULE", "odtf.no_such_module")
    assert "No module named" in litert_tool.litert_benchmark("x.tflite", [1])["refused"]
