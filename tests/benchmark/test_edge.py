"""The benchmark of TFLite files."""

import pytest

from odtf.benchmark import edge
from odtf.errors import UserError
from odtf.export import vela


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
    # The image, and what the convolution makes of it.
    assert row["arena"] == {"bytes": 64 + 256, "at_least_bytes": 64 + 256}
    assert [operator["name"] for operator in row["operators"]] == ["CONV_2D", "MEAN"]
    assert all(word in lines[-1] for word in (str(int8_file), "CONV_2D", "MEAN", "320"))


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


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "damaged.tflite"
    path.write_bytes(b"no model")
    with pytest.raises(UserError, match=r"damaged\.tflite"):
        edge.run([path])
    with pytest.raises(UserError, match=r"absent\.tflite"):
        edge.run([tmp_path / "absent.tflite"])
