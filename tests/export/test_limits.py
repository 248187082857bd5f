"""Limits of what a file may lose: by the size of the set, for every task, quantisation and target."""

import contextlib
import dataclasses
import os
from pathlib import Path

import keras
import numpy as np
import pytest

from odtf import data, isolated
from odtf.errors import UserError
from odtf.export import VerificationError, export_student, int8_file
from odtf.export.limits import Difference, check_answers, largest_share, margin, wanted
from odtf.export.rules import check_scales
from odtf.metrics import Accuracy
from odtf.quantization import quantization_aware
from odtf.quiet import quiet
from odtf.targets import QUANTIZATIONS
from odtf.tasks import Classification, Retrieval, Segmentation, Translation
from odtf.tflite import flatbuffer
from tests.export.conftest import fit, normalized

INFO = data.Info("shapes", (8, 8, 1), tuple("abcdefghij"))


def figures(**changes):
    usual = {"count": 360, "agreement": 1.0, "max_error": 0.1, "error": 0.01, "relative_error": 0.0, "noise": 0.0}
    return {**usual, "metrics": {"top1": 0.95}, "student_metrics": {"top1": 0.95}, **changes}


def judge(quantization="int8", max_drop=0.02, task=None, **changes):
    check_answers(figures(**changes), task or Classification(), INFO, quantization, max_drop)


def test_a_set_shows_a_share_within_a_margin():
    """Wilson's bound is the largest share p with share = p - z sqrt(p (1 - p) / n)."""
    for share, count in ((0.5, 100), (0.9, 16), (1.0, 360), (0.0, 7)):
        p = largest_share(share, count)
        assert share == pytest.approx(p - 2.326 * np.sqrt(p * (1 - p) / count), abs=1e-6)
    assert largest_share(0.9, 10) > largest_share(0.9, 1000) > 0.9


def test_the_margin_of_a_loss_is_that_of_paired_answers():
    """On 2,000 draws of 360 images the mean of the changes stays within the margin, one-sided, in 99 % of them."""
    rng = np.random.default_rng(0)
    chances = [0.02, 0.95, 0.03]  # One in fifty images gets worse, three in a hundred better.
    draws = rng.choice([-1.0, 0.0, 1.0], p=chances, size=(2000, 360))
    missed = np.mean([draw.mean() + margin(draw) < 0.01 for draw in draws])
    assert 0.001 < missed < 0.02
    assert margin(np.zeros(360)) < 0.01 < margin(np.zeros(16)) < 0.25
    assert margin(np.zeros(0)) == 0.0


def test_points_that_a_split_of_digits_shows_are_lost():
    noise = margin(np.repeat([-1.0, 0.0], [18, 342]))
    loss = {"metrics": {"top1": 0.885}, "student_metrics": {"top1": 0.95}, "agreement": 0.93, "noise": noise}
    with pytest.raises(VerificationError, match=r"worse than its student, whose top-1 is 0\.9500.*Received: 0\.8850"):
        judge(**loss)  # 6.5 points of 360 images; 0.02 + 1 / sqrt(360) was 7.3.
    few = margin(np.repeat([-1.0, 0.0], [1, 15]))
    judge(**{**loss, "metrics": {"top1": 0.8875}, "count": 16, "noise": few})  # One of 16 shows nothing.


@pytest.mark.parametrize(
    ("quantization", "changes", "message"),
    [
        ("int16x8", {"agreement": 0.67, "error": 0.04}, r"agreement is 67\.00%; at least 95\.00%"),
        ("int16x8", {"agreement": 0.99, "error": 1.5, "max_error": 7.0}, r"off by 1\.5 of .* at most by 7; no more"),
        ("int8", {"agreement": 0.64}, r"on 360 images agreement is 64\.00%; at least 85\.00%"),
        ("float16", {"agreement": 0.9}, r"at least 98\.00%"),
        ("dynamic", {"error": 0.9}, r"no more than 0\.3"),
        (
            "float32",
            {"relative_error": 0.01, "max_error": 0.2, "error": 0.0},
            r"differs from its student by 0\.2; at most 0\.02",
        ),
    ],
)
def test_answers_of_another_kind_are_refused(quantization, changes, message):
    with pytest.raises(VerificationError, match=message):
        judge(quantization, **changes)
    judge(quantization, **{key: {"agreement": 1.0}.get(key, 0.0) for key in changes})


def test_few_images_refuse_nothing_that_they_do_not_show():
    judge(count=16, agreement=0.75)
    with pytest.raises(VerificationError):
        judge(count=360, agreement=0.75)
    judge(count=360, agreement=0.75, max_drop=0.2)  # Who takes a larger drop takes other answers as well.


def test_a_student_that_is_barely_trained_is_called_so():
    barely = {"metrics": {"top1": 0.2}, "student_metrics": {"top1": 0.2}, "agreement": 0.5}
    with pytest.raises(VerificationError, match=r"barely trained \(top-1 20\.00%\).*Train it longer"):
        judge(**barely)
    with pytest.raises(VerificationError, match=r"config\.quantization\.aware=True"):
        judge(agreement=0.5)


def test_embeddings_have_limits_too():
    task = Retrieval()
    limits = wanted(task, "int8", 100, 0.02, 0.0)
    assert limits == {"allowed_drop": 0.005, "least_agreement": 0.9, "largest_error": 0.5}


TASKS = (Classification(), Retrieval(), Segmentation(), Segmentation(answers="classes"), Translation())


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_every_task_judges_agreement_in_every_quantisation(task, quantization):
    """A file as good as its student that answers otherwise; and one whose answers are those, but far off."""
    even = {"metrics": {task.choice: 0.9}, "student_metrics": {task.choice: 0.9}}
    judge(quantization, task=task, agreement=100.0 if task.name == "translation" else 1.0, error=0.0, **even)
    other = 10.0 if task.name == "translation" else 0.5
    with pytest.raises(VerificationError, match=r"does not answer as its student: on 360 images .* was expected"):
        judge(quantization, task=task, agreement=other, error=0.0, **even)
    if task.name != "translation":  # Decibels are of the error itself.
        with pytest.raises(VerificationError, match=r"does not answer as its student: its answers are off by 0\.9"):
            judge(quantization, task=task, error=0.9, **even)


def test_errors_are_measured_against_the_spread_of_the_answers():
    rng = np.random.default_rng(1)
    expected = rng.normal(5.0, 2.0, (400, 10))
    given = expected + rng.normal(0.0, 0.4, expected.shape)
    difference = Difference(Accuracy("top-1"), False, 0.0)
    for start in range(0, 400, 160):
        difference.add(given[start : start + 160], expected[start : start + 160])
    labels = rng.integers(0, 10, 400)
    difference.compare(labels, given, expected)
    found = difference.figures
    assert found["error"] == pytest.approx(np.sqrt(np.mean((given - expected) ** 2)) / expected.std(), rel=1e-9)
    assert found["max_error"] == np.abs(given - expected).max()
    changes = (given.argmax(-1) == labels) * 1.0 - (expected.argmax(-1) == labels)
    assert found["noise"] == pytest.approx(margin(changes))
    assert found["noise"] > margin(np.zeros(400))


def _broken(digits, name, position, value):
    image = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(4, 3, name="convolution")(image)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(name="norm")(x))
    features = keras.layers.GlobalAveragePooling2D()(x)
    logits = keras.layers.Dense(10, name="head")(features)
    network = fit(keras.Model(image, {"logits": logits, "embedding": features}, name="peer"), digits)
    layer = network.get_layer(name)
    weights = layer.get_weights()
    weights[position].flat[0] = value
    layer.set_weights(weights)
    return network


@pytest.mark.parametrize(
    ("name", "position", "value", "message"),
    [
        ("convolution", 0, np.inf, r"Inf in .*convolution/kernel of peer"),  # It crashed the converter.
        ("head", 1, np.nan, r"NaN in .*head/bias of peer"),  # It was published, with an agreement of 1.
        ("norm", 0, np.inf, r"Inf in .*norm/gamma"),
        ("norm", 2, np.nan, r"NaN in .*norm/moving_mean"),
        ("norm", 3, -1.0, r"a variance of -0\.999 in norm"),
    ],
)
def test_what_is_no_finite_number_is_refused_before_the_conversion(name, position, value, message, digits, tmp_path):
    network = _broken(digits, name, position, value)
    for target, quantization in (("soc", "int8"), ("phone", "float32")):
        with pytest.raises(UserError, match=message):
            export_student(network, digits, tmp_path / "out", target=target, quantization=quantization)
    assert not (tmp_path / "out").exists()


def test_a_model_of_keras_own_loop_is_asked_too(digits):
    aware = quantization_aware(_broken(digits, "head", 1, 0.1), input_range=(-1.0, 2.0))
    aware(normalized(digits.splits["train"].take(np.arange(8))[0], digits), training=True)
    assert int8_file(aware, "logits")
    head = aware.get_layer("head")
    head.set_weights([np.full_like(head.get_weights()[0], np.inf), *head.get_weights()[1:]])
    with pytest.raises(UserError, match=r"Inf in .*head"):
        int8_file(aware, "logits")


def test_a_crash_of_the_converter_is_a_line(student, digits, tmp_path, monkeypatch):
    """It would end the process from C++ while standard error is swallowed: somebody else has a line ready."""
    said = []
    monkeypatch.setattr(isolated, "last_words", lambda *given: contextlib.nullcontext(said.append(given)))
    seen = os.fstat(2)
    with quiet():
        export_student(student("resnet8 line"), digits, tmp_path, target="phone", max_examples=16)
        ((line, descriptor),) = said
    assert line.startswith("error: TensorFlow's converter has ended the process at int8 for phone, and nothing of that")
    assert "\n" not in line and os.fstat(2).st_ino == seen.st_ino and descriptor not in (0, 1, 2)


def test_weights_whose_answers_overflow_are_refused(digits, tmp_path):
    network = _broken(digits, "head", 1, 0.0)
    for name in ("convolution", "norm"):
        layer = network.get_layer(name)
        layer.set_weights([layer.get_weights()[0] * 1e30, *layer.get_weights()[1:]])
    with pytest.raises(UserError, match=r"NaN or Inf behind norm of peer"):
        export_student(network, digits, tmp_path / "out")


@pytest.mark.parametrize("scale", [0.0, np.inf, np.nan])
def test_scales_are_positive_numbers(scale, exported):
    content = Path(exported("resnet8 line", "soc", "int8")["path"]).read_bytes()
    check_scales(content)
    model = flatbuffer.unpack(content)
    convolution = next(op for op in model.subgraphs[0].operators if flatbuffer.operator_name(model, op) == "CONV_2D")
    model.subgraphs[0].tensors[convolution.outputs[0]].quantization.scale = [scale]
    with pytest.raises(VerificationError, match=rf"Received: {scale:g} of CONV_2D"):
        check_scales(flatbuffer.pack(model))


def test_constants_of_the_pixels_are_finite(student, digits, tmp_path):
    with pytest.raises(UserError, match=r"finite numbers.*std \(0\.0,\) of digits"):
        export_student(student("resnet8 line"), dataclasses.replace(digits, std=(0.0,)), tmp_path / "out")


def test_scores_of_many_classes_agree_as_logits_do(digits, tmp_path):
    """A hundred classes whose probabilities are nearly equal: in steps of 1/256 most of them shared the first place."""
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 1))
    x = keras.layers.ReLU()(keras.layers.Conv2D(16, 3)(image))
    features = keras.layers.GlobalAveragePooling2D()(x)
    logits = keras.layers.Dense(100, kernel_initializer=keras.initializers.RandomNormal(0.0, 0.3))(features)
    network = keras.Model(image, {"logits": logits}, name="peer")
    many = dataclasses.replace(digits, names=tuple(f"class {i}" for i in range(100)))
    rows = {
        target: export_student(network, many, tmp_path / target, target=target, max_drop=1.0)
        for target in ("soc", "phone")
    }
    assert rows["phone"]["ops"]["SOFTMAX"] == rows["phone"]["ops"]["DEQUANTIZE"] == 1
    assert rows["soc"]["agreement"] > 0.8
    assert rows["phone"]["agreement"] > rows["soc"]["agreement"] - 0.05
