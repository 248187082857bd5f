"""The benchmark of TFLite files."""

import pytest
from ai_edge_litert import schema_py_generated as schema

from odtf.benchmark import edge
from odtf.benchmark.edge_tables import render
from odtf.errors import UserError
from odtf.tflite import flatbuffer, micro_interpreter, vela


def test_figures_of_a_file(int8_file):
    lines = []
    report = edge.run([int8_file], repeats=1, log=lines.append)
    assert set(report) == {"benchmark", "environment", "files"}
    (row,) = report["files"]
    assert row["path"] == str(int8_file)
    assert row["bytes"] == int8_file.stat().st_size
    assert row["input"] == {"dtype": "int8", "shape": [1, 8, 8, 1]}
    assert row["ops"] == {"CONV_2D": 1, "MEAN": 1}
    for threads in ("1", "2"):
        assert 0 < row["latency"][threads]["p50_us"] <= row["latency"][threads]["p95_us"]
    if vela.available():
        assert row["vela"]["cycles"] > 0
        assert row["vela"]["cpu_operators"] == []
        assert f"{row['vela']['cycles']:,}" in lines[-1]
    else:
        assert row["vela"] is None
    assert set(row["litert_benchmark"]) == {"1", "2", "resolution_us"}
    # The image, and what the convolution makes of it; beside them the structures of TFLite Micro.
    assert row["arena"]["head_bytes"] == row["arena"]["at_least_bytes"] == 64 + 256
    assert row["arena"]["bytes"] >= row["arena"]["head_bytes"] + row["arena"]["tail_bytes"] > 1_000
    measured = micro_interpreter.available()
    assert row["arena"]["by"] == (micro_interpreter.title() if measured else "estimate")
    assert f"{row['arena']['bytes']:,}{'' if measured else ' (estimate)'} " in lines[-1]
    assert [operator["name"] for operator in row["operators"]] == ["CONV_2D", "MEAN"]
    assert all(word in lines[-1] for word in (str(int8_file), "CONV_2D", "MEAN"))


@pytest.fixture
def no_tools(monkeypatch):
    """Without the programs that take seconds."""
    monkeypatch.setattr(vela, "available", lambda: False)
    monkeypatch.setattr(edge, "litert_benchmark", lambda *args, **kwargs: {"refused": "litert-benchmark: no"})


def test_numbers_of_threads(int8_file, no_tools):
    lines = []
    (row,) = edge.run([int8_file], repeats=1, threads=(3,), log=lines.append)["files"]
    assert list(row["latency"]) == ["3"]
    assert "p50 / p95, 3 thr." in lines[-1]
    assert "[1]: litert-benchmark: no" in lines[-1]


def test_without_vela(int8_file, no_tools):
    assert edge.run([int8_file], repeats=1, log=lambda line: None)["files"][0]["vela"] is None


def test_what_vela_refuses_does_not_stop_the_others(int8_file, no_tools, monkeypatch):
    def refuse(path, accelerator):
        raise UserError("Vela cannot compile the file")

    monkeypatch.setattr(vela, "available", lambda: True)
    monkeypatch.setattr(edge.export, "compile_with_vela", refuse)
    lines = []
    row = edge.run([int8_file], repeats=1, log=lines.append)["files"][0]
    assert row["vela"] == {"refused": "Vela cannot compile the file"}
    assert "Vela cannot compile" in "".join(lines)


@pytest.fixture
def with_custom_operator(int8_file, tmp_path):
    """Function from the name of a custom operator to a file that holds it where the convolution was."""

    def write(name):
        model = flatbuffer.unpack(int8_file.read_bytes())
        code = model.operatorCodes[model.subgraphs[0].operators[0].opcodeIndex]
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
        code.customCode = name
        path = tmp_path / f"{name}.tflite"
        path.write_bytes(flatbuffer.pack(model))
        return path

    return write


def test_what_was_compiled_for_an_npu_is_passed_over(int8_file, with_custom_operator, no_tools):
    lines, compiled = [], with_custom_operator("ethos-u")
    rows = edge.run([compiled, int8_file], repeats=1, threads=(1,), log=lines.append)["files"]
    assert [row["path"] for row in rows] == [str(int8_file)]
    assert [line for line in lines if str(compiled) in line] == [lines[0]]
    assert "passed over" in lines[0] and "Ethos-U" in lines[0]
    with pytest.raises(UserError, match=r"Files that LiteRT runs are needed.*ethos-u\.tflite"):
        edge.run([compiled], log=lines.append)


def test_a_file_that_cannot_be_prepared_is_named(int8_file, with_custom_operator):
    with pytest.raises(UserError, match=r"unknown\.tflite: .*unknown"):
        edge.run([int8_file, with_custom_operator("unknown")])


def test_rows_of_an_earlier_version_are_rendered():
    npu = {"sram_bytes": 5_344, "flash_bytes": 20_288, "cycles": 32_504, "cpu_operators": []}
    row = {"path": "a.tflite", "bytes": 1_000, "latency": {}, "litert_benchmark": {}, "arena": None, "operators": []}
    table = render([{**row, "vela": npu}, {**row, "path": "b.tflite", "vela": {**npu, "dram_bytes": 58_800}}])
    assert [line.split()[-3] for line in table.splitlines() if "20,288" in line] == ["-", "58,800"]


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "damaged.tflite"
    path.write_bytes(b"no model")
    with pytest.raises(UserError, match=r"damaged\.tflite"):
        edge.run([path])
    with pytest.raises(UserError, match=r"absent\.tflite"):
        edge.run([tmp_path / "absent.tflite"])
