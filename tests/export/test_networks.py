"""Every kind of network as a file: the float one equals the student, the int8 one nearly."""

import dataclasses
import pathlib
import re

import numpy as np
import pytest

from odtf import models
from odtf.export import PHONE, SOC, Runner, export_student
from odtf.tflite.arena import arena, estimate, plenty
from odtf.tflite.micro_interpreter import MicroRunner
from tests.export.conftest import KINDS, normalized

# A phone file that ends in logits, to be compared where differences show.
_LOGITS = dataclasses.replace(PHONE, finished=False)


# All are deployed to these layers: that a deployed one computes the same is shown for every kind in tests/models.
@pytest.mark.parametrize("kind", ["od_cheap group", "resnet8 ghost"])
def test_float_file_equals_the_student(kind, student, digits, tmp_path):
    row = export_student(student(kind), digits, tmp_path, target=_LOGITS, quantization="float32", max_examples=64)
    images, _ = digits.splits["validation"].take(np.arange(64))
    expected = student(kind)(normalized(images, digits), training=False)["logits"]
    scores = Runner(row["path"]).predict(images)
    assert np.ptp(expected) > 5  # a comparison of zeros would prove nothing
    np.testing.assert_allclose(scores, expected, atol=1e-4)
    assert row["agreement"] == 1.0
    assert row["max_error"] < 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_int8_file_agrees_with_the_student(kind, student, digits, exported):
    row = exported(kind, "soc", "int8")
    images, labels = digits.splits["test"].take(np.arange(len(digits.splits["test"])))
    answers = np.argmax(student(kind)(normalized(images, digits), training=False)["logits"], -1)
    top1 = np.mean(answers == labels)
    assert top1 > 0.7
    assert row["test_top1"] == pytest.approx(top1, abs=0.02)
    assert row["agreement"] >= 0.96
    assert np.mean(Runner(row["path"]).predict(images).argmax(-1) == answers) == row["agreement"]


@pytest.mark.parametrize("kind", KINDS)
def test_operators(kind, exported):
    """What batch norm, padding and shift become: nothing but the convolutions."""
    ops = exported(kind, "soc", "int8")["ops"]
    assert set(ops) <= SOC.operators
    expected = {"ADD": 3, "FULLY_CONNECTED": 1, "MEAN": 1}
    expected |= {
        "od_cheap depthwise": {"CONV_2D": 9, "DEPTHWISE_CONV_2D": 7},
        "od_cheap group": {"CONV_2D": 15, "DEPTHWISE_CONV_2D": 1},
        "od_cheap shift": {"CONV_2D": 9, "DEPTHWISE_CONV_2D": 7},
        "resnet8 standard": {"CONV_2D": 9, "DEPTHWISE_CONV_2D": 1, "PAD": 2},
        "resnet8 line": {"CONV_2D": 9, "DEPTHWISE_CONV_2D": 1, "PAD": 2},
        "resnet8 ghost": {"CONV_2D": 9, "DEPTHWISE_CONV_2D": 7, "PAD": 2, "CONCATENATION": 6},
    }[kind]
    assert ops == expected


def test_network_trained_in_mixed_precision(digits, tmp_path):
    import keras

    from odtf import models

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = models.build(KINDS["resnet8 line"], (8, 8, 1), 10, seed=0, name="peer")
        row = export_student(network, digits, tmp_path, target="soc", max_examples=16, max_drop=1.0)
    finally:
        keras.config.set_dtype_policy(before)
    assert set(row["ops"]) <= SOC.operators


def test_the_arena_of_a_student_is_what_its_cost_says(exported, student):
    """One byte a value: the file and the deployed layers have the same peak, where they have the same order."""
    case = "resnet8 standard"
    found = arena(pathlib.Path(exported(case, "soc", "int8")["path"]).read_bytes())
    assert found["at_least_bytes"] == models.cost(student(case)).activation_bytes
    assert found["at_least_bytes"] <= found["head_bytes"] <= 1.2 * found["at_least_bytes"]


def _refused(content, arena_bytes):
    from tflite_micro import runtime

    with pytest.raises(RuntimeError, match="failed to allocate"):
        runtime.Interpreter.from_bytes(content, arena_size=arena_bytes)


@pytest.mark.needs(package="tflite_micro")
@pytest.mark.parametrize("kind", KINDS)
def test_the_arena_is_what_tflite_micro_says(kind, exported, capfd):
    """Its recording allocator's head and tail; and not a boundary less than is said prepares the file."""
    from tflite_micro import runtime

    content = pathlib.Path(exported(kind, "soc", "int8")["path"]).read_bytes()
    found, estimated = arena(content), estimate(content)
    capfd.readouterr()
    interpreter = runtime.Interpreter.from_bytes(content, arena_size=found["bytes"])
    interpreter.print_allocations()
    printed = dict(re.findall(r"allocation (total|head|tail) (\d+) bytes", capfd.readouterr().err))
    assert (int(printed["head"]), int(printed["tail"])) == (found["head_bytes"], found["tail_bytes"])
    assert int(printed["total"]) == found["head_bytes"] + found["tail_bytes"] <= found["bytes"]
    _refused(content, found["bytes"] - 16)
    # Without the package the figure is a little more, and never less.
    assert estimated["head_bytes"] == found["head_bytes"]
    assert found["tail_bytes"] <= estimated["tail_bytes"] <= 1.1 * found["tail_bytes"]
    assert found["bytes"] <= estimated["bytes"] <= 1.1 * found["bytes"]


@pytest.mark.needs(package="tflite_micro")
@pytest.mark.parametrize("quantization", ["int8", "int16x8"])
def test_400_digits_by_tflite_micro(quantization, exported, digits):
    content = pathlib.Path(exported("od_cheap depthwise", "soc", quantization)["path"]).read_bytes()
    images, _ = digits.splits["train"].take(np.arange(400))
    reference = Runner(content, kernels="reference")
    expected, scale = reference.predict(images), reference.output["quantization"][0]
    found = MicroRunner(content, plenty(estimate(content))).predict(images)
    np.testing.assert_array_equal(found.argmax(-1), expected.argmax(-1))
    assert np.abs(found - expected).max() < 1.5 * scale
    assert np.mean(found == expected) >= (0.99 if quantization == "int8" else 0.9)
    # By XNNPACK int8 values are others, so that it proves nothing for a microcontroller.
    assert quantization != "int8" or np.mean(Runner(content).predict(images) == expected) < 0.9
