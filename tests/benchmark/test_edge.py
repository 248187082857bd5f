"""The benchmark of TFLite files."""

import warnings

import numpy as np
import pytest
import tensorflow as tf

from odtf.benchmark import edge
from odtf.errors import UserError
from odtf.export import vela


@pytest.fixture(scope="module")
def int8_file(tmp_path_factory):
    """A convolution and a mean, in int8."""
    kernel = np.random.default_rng(0).normal(size=(3, 3, 1, 4)).astype("float32")

    @tf.function(input_signature=[tf.TensorSpec((1, 8, 8, 1))])
    def network(x):
        return tf.reduce_mean(tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME")), axis=(1, 2))

    converter = tf.lite.TFLiteConverter.from_concrete_functions([network.get_concrete_function()])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([np.ones((1, 8, 8, 1), np.float32) * i] for i in range(4))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    path = tmp_path_factory.mktemp("edge") / "int8.tflite"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path.write_bytes(converter.convert())
    return path


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
    assert "1 CONV_2D, 1 MEAN" in lines[-1]


def test_without_vela(int8_file, monkeypatch):
    monkeypatch.setattr(vela, "available", lambda: False)
    assert edge.run([int8_file], repeats=1, log=lambda line: None)["files"][0]["vela"] is None


def test_what_vela_refuses_does_not_stop_the_others(int8_file, monkeypatch):
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
