"""What the devices' own tools say of the files."""

import subprocess

import numpy as np
import pytest

from odtf.errors import UserError
from odtf.export import compile_with_vela
from odtf.tflite import vela
from tests.export.conftest import KINDS, normalized

needs_vela = pytest.mark.needs(package="ethosu")


@needs_vela
@pytest.mark.parametrize(
    ("kind", "quantization"), [*((kind, "int8") for kind in KINDS), ("od_cheap depthwise", "int16x8")]
)
def test_vela_leaves_nothing_on_the_cpu(kind, quantization, exported):
    figures = compile_with_vela(exported(kind, "soc", quantization)["path"])
    assert figures["cpu_operators"] == []
    assert figures["npu_operators"] > 10
    assert figures["cycles"] > 10_000
    assert figures["macs"] > 100_000
    assert figures["sram_bytes"] > 1_000
    assert figures["flash_bytes"] > 10_000
    assert figures["dram_bytes"] == 0


@needs_vela
def test_vela_sees_the_same_network_in_a_lean_file(converted, exported, tmp_path):
    case = ("od_cheap depthwise", "soc", "int8")
    (tmp_path / "before.tflite").write_bytes(converted(*case))
    assert compile_with_vela(tmp_path / "before.tflite") == compile_with_vela(exported(*case)["path"])


@needs_vela
def test_vela_names_what_the_cpu_would_do(exported):
    row = exported("od_cheap depthwise", "phone", "float32")
    figures = compile_with_vela(row["path"])
    assert {"CONV_2D", "SOFTMAX"} <= set(figures["cpu_operators"])


@needs_vela
def test_vela_on_something_else(tmp_path):
    (tmp_path / "no.tflite").write_bytes(b"no model")
    with pytest.raises(UserError, match=r"Vela cannot compile .*no\.tflite"):
        compile_with_vela(tmp_path / "no.tflite")


@pytest.mark.parametrize(
    ("status", "stderr", "said"),
    [
        (
            1,
            'Traceback (most recent call last):\n  File "v.py"\n    f"error: {error}"\nError: Bad tensor\n(x of 3).\n',
            r"Error: Bad tensor \(x of 3\)",
        ),
        (1, "Usage: vela\nvela: error: no such file\n", "vela: error: no such file"),
        (-6, "", "it ends by SIGABRT"),
    ],
)
def test_what_vela_says_is_said_whole(status, stderr, said, monkeypatch):
    finished = subprocess.CompletedProcess([], status, stdout="", stderr=stderr)
    monkeypatch.setattr(vela, "available", lambda: True)
    monkeypatch.setattr(vela.subprocess, "run", lambda *args, **kwargs: finished)
    with pytest.raises(UserError, match=rf"ethos-u55-128: {said}\. Received: x\.tflite$"):
        compile_with_vela("x.tflite")


def test_missing_vela_names_the_extra(monkeypatch):
    monkeypatch.setattr(vela, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install ethos-u-vela"):
        compile_with_vela("model.tflite")


@pytest.mark.needs(package="mediapipe")
@pytest.mark.parametrize("quantization", ["int8", "int16x8", "float16", "dynamic", "float32"])
def test_mediapipe_names_the_labels(quantization, exported, student, digits):
    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    path = exported("od_cheap depthwise", "phone", quantization)["path"]
    options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=path), max_results=10)
    images, _ = digits.splits["test"].take(np.arange(20))
    logits = np.asarray(student("od_cheap depthwise")(normalized(images, digits), training=False)["logits"])
    agreed = 0
    with vision.ImageClassifier.create_from_options(options) as classifier:
        for image, row in zip(images, logits, strict=True):
            picture = mediapipe.Image(
                image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(np.repeat(image, 3, -1))
            )
            found = classifier.classify(picture).classifications[0].categories
            assert {category.category_name for category in found} == set(digits.names)
            assert all(digits.names[category.index] == category.category_name for category in found)
            assert sum(category.score for category in found) == pytest.approx(1.0, abs=0.02)
            agreed += found[0].category_name == digits.names[row.argmax()]
    assert agreed >= 19
