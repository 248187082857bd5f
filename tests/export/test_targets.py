"""The tensors that each target promises, for every quantisation that it takes."""

import dataclasses
import hashlib
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from PIL import Image

from odtf.export import PHONE, SOC, Runner, export_student, measure, operators
from odtf.export import student as student_module
from odtf.export.conversion import fold_preprocessing
from odtf.targets import TARGETS
from odtf.tasks import Classification
from odtf.tflite import flatbuffer
from odtf.tflite.lean import lean
from tests.export.conftest import normalized

PHONE_GPU = TARGETS["phone-gpu"]
KIND = "od_cheap depthwise"
# The others convert as soc does.
CASES = [(target, quantization) for target in (SOC, PHONE, PHONE_GPU) for quantization in target.tensors]
PIXELS = {"int8": (1.0, -128), "int16": (0.0078125, 0), "uint8": (1.0, 0), "float32": (0.0, 0)}


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0].name}-{case[1]}")
def case(request, exported):
    target, quantization = request.param
    return target, quantization, exported(KIND, target.name, quantization)


def test_file(case):
    target, quantization, row = case
    content = Path(row["path"]).read_bytes()
    assert Path(row["path"]).name == f"student_{quantization}.tflite"
    assert row["bytes"] == len(content)
    assert row["sha256"] == hashlib.sha256(content).hexdigest()
    assert row["ops"] == operators(content)
    assert set(row["ops"]) <= target.operators
    assert (row["target"], row["quantization"]) == (target.name, quantization)
    assert row["latency_us_p50"] > 0
    beside = {path.name for path in Path(row["path"]).parent.iterdir()} - {Path(row["path"]).name}
    sources = {f"student_{quantization}.h", f"student_{quantization}.cc"}
    assert beside == {"labels.txt"} | (sources if target is SOC else set())


def test_tensors(case):
    target, quantization, row = case
    runner = Runner(row["path"])
    wanted = {
        ("soc", "int8"): ("int8", "int8"),
        ("soc", "int16x8"): ("int16", "int16"),
        ("phone-gpu", "float16"): ("float32", "float32"),
    }.get((target.name, quantization), ("uint8", "float32"))
    assert (runner.input["dtype"].__name__, runner.output["dtype"].__name__) == wanted
    # Both the shape in use and the declared one: a dynamic batch would declare -1.
    for shape in ("shape", "shape_signature"):
        assert list(runner.input[shape]) == [1, 8, 8, 1 if target is SOC else 3]
        assert list(runner.output[shape]) == [1, 10]
    assert runner.input["quantization"] == PIXELS[wanted[0]]
    assert runner.input["name"] == "image"
    assert runner.output["name"] == ("logits" if target is SOC else "scores")


def test_scores(case, digits):
    target, _, row = case
    images, _ = digits.splits["test"].take(np.arange(32))
    scores = Runner(row["path"]).predict(images)
    if target.finished:
        np.testing.assert_allclose(scores.sum(-1), 1.0, atol=0.02)
        assert scores.min() >= 0.0
    else:
        assert scores.min() < -0.5
        assert scores.max() > 1.5


# Weights of four bytes leave little else to save; where each channel has a zero point of eight, there is much.
_SAVED = {"int8": 0.3, "int16x8": 0.35, "float16": 0.25, "dynamic": 0.2, "float32": 0.1}


def test_lean_file(case, converted, digits, monkeypatch):
    """Smaller than what the converter made, made from it again and again, and bit-equal with all kernels."""
    target, quantization, row = case
    content = converted(KIND, target.name, quantization)
    small = lean(content)
    assert lean(content) == lean(small) == small
    images, _ = digits.splits["test"].take(np.arange(len(digits.splits["test"])))
    for kernels in ("xnnpack", "own"):
        expected = Runner(content, kernels=kernels).predict(images)
        assert len(np.unique(expected)) > 50
        np.testing.assert_array_equal(Runner(small, kernels=kernels).predict(images), expected)
        np.testing.assert_array_equal(Runner(row["path"], kernels=kernels).predict(images), expected)
    monkeypatch.setattr(flatbuffer, "SharingBuilder", flatbuffers.Builder)
    assert len(small) < len(flatbuffer.pack(flatbuffer.unpack(content))) * (1.0 - _SAVED[quantization])


def test_a_lean_file_keeps_all_metadata_but_the_converters_notes(converted):
    def entries(model):
        return {entry.name.decode(): flatbuffer.read_metadata(model, entry.name.decode()) for entry in model.metadata}

    model = flatbuffer.unpack(converted(KIND, "soc", "int8"))
    before = entries(model)
    assert before.keys() == {"min_runtime_version", "CONVERSION_METADATA"}
    flatbuffer.add_metadata(model, "owl", b"hoot")
    after = entries(flatbuffer.unpack(lean(flatbuffer.pack(model))))
    assert after == {"min_runtime_version": before["min_runtime_version"], "owl": b"hoot"}
    assert after["min_runtime_version"].rstrip(b"\0")
    model.metadata = None
    assert flatbuffer.unpack(lean(flatbuffer.pack(model))).metadata is None


@pytest.mark.parametrize(
    ("quantization", "store"),
    [
        ("int8", lambda pixels: (pixels.astype(int) - 128).astype(np.int8)),
        ("int16x8", lambda p: p.astype(np.int16) << 7),
    ],
)
def test_firmware_needs_no_arithmetic_but_this(quantization, store, exported, digits):
    from ai_edge_litert.interpreter import Interpreter

    row = exported(KIND, "soc", quantization)
    images, _ = digits.splits["test"].take(np.arange(8))
    interpreter = Interpreter(model_path=row["path"], num_threads=1)
    interpreter.allocate_tensors()
    details = interpreter.get_output_details()[0]
    answers = []
    for image in images:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], store(image[np.newaxis]))
        interpreter.invoke()
        answers.append(interpreter.get_tensor(details["index"])[0])
    scale, zero_point = details["quantization"]
    expected = Runner(row["path"]).predict(images)
    np.testing.assert_allclose((np.array(answers, np.float32) - zero_point) * scale, expected, rtol=1e-5)


def test_signature_has_names(exported):
    from ai_edge_litert.interpreter import Interpreter

    signatures = Interpreter(model_path=exported(KIND, "phone", "float16")["path"]).get_signature_list()
    assert signatures == {"serve": {"inputs": ["image"], "outputs": ["scores"]}}


def test_same_bytes_every_time(exported, student, digits, tmp_path):
    row = export_student(student(KIND), digits, tmp_path, target="phone", max_examples=1)
    assert row["sha256"] == exported(KIND, "phone", "int8")["sha256"]


def test_seed_chooses_calibration_images(exported, student, digits, tmp_path):
    row = export_student(student(KIND), digits, tmp_path, seed=1, calibration_examples=4, max_drop=1.0)
    assert row["sha256"] != exported(KIND, "soc", "int8")["sha256"]


def test_validation_split_has_its_own_key(student, digits, converted, tmp_path, monkeypatch):
    # The file is the same, whatever it is verified on.
    monkeypatch.setattr(student_module, "_convert", lambda *_: converted(KIND, "soc", "int8"))
    row = export_student(student(KIND), digits, tmp_path, split="validation")
    images, labels = digits.splits["validation"].take(np.arange(len(digits.splits["validation"])))
    assert row["val_top1"] == np.mean(Runner(row["path"]).predict(images).argmax(-1) == labels)
    assert "test_top1" not in row


@pytest.mark.parametrize(("quantization", "tolerance"), [("float32", 0.51), ("int8", 1.0)])
def test_grey_conversion_is_pillows(quantization, tolerance):
    """A student that shows its input: mean 0, std 1/255, so that it sees grey levels."""
    import keras

    image = keras.Input((1, 1, 1))
    student = keras.Model(image, keras.layers.Flatten()(image))
    linear = dataclasses.replace(PHONE, finished=False)
    model = fold_preprocessing(student, (0.0,), (1.0 / 255.0,), linear, quantization, Classification())
    colours = np.random.default_rng(0).integers(0, 256, (200, 3), np.uint8)
    ours = np.array([model(colour.reshape(1, 1, 1, 3).astype("float32"))[0, 0] for colour in colours])
    pillows = np.asarray(Image.fromarray(colours[np.newaxis]).convert("L"))[0]
    np.testing.assert_allclose(ours, pillows, atol=tolerance)
    greys = np.full((1, 1, 1, 3), 200.0, "float32")
    np.testing.assert_allclose(model(greys), 200.0, atol=1e-3)


def test_normalization_of_each_colour():
    import keras

    image = keras.Input((1, 1, 3))
    student = keras.Model(image, keras.layers.Flatten()(image))
    mean, std = (0.1, 0.5, 0.9), (0.2, 0.25, 0.3)
    model = fold_preprocessing(student, mean, std, SOC, "int8", Classification())
    pixels = np.array([10.0, 128.0, 250.0], "float32")
    expected = (pixels / 255.0 - mean) / std
    np.testing.assert_allclose(model(pixels.reshape(1, 1, 1, 3))[0], expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["image", "normalize", "softmax"])
def test_a_network_may_be_called_as_what_stands_beside_it(name):
    import keras

    image = keras.Input((1, 1, 3))
    student = keras.Model(image, keras.layers.Flatten()(image), name=name)
    model = fold_preprocessing(student, (0.5,) * 3, (0.25,) * 3, PHONE, "int8", Classification())
    expected = np.full((1, 3), (7.0 / 255.0 - 0.5) / 0.25)
    np.testing.assert_allclose(model(np.full((1, 1, 1, 3), 7.0, "float32")), expected, rtol=1e-5)


def test_measure(exported):
    figures = measure(exported(KIND, "soc", "int8")["path"], num_threads=2, runs=5)
    assert set(figures) == {"p50_us", "p95_us"}
    assert 0 < figures["p50_us"] <= figures["p95_us"]


def test_images_of_another_shape_are_refused(exported, digits):
    with pytest.raises(ValueError, match=r"images of shape \(8, 8, 1\).*Received: \(9, 8, 1\)"):
        Runner(exported(KIND, "soc", "int8")["path"]).predict(np.zeros((1, 9, 8, 1), np.uint8))


def test_calibration_images_are_not_changed(student, digits):
    """The corner pixels that pin the range are set in a copy."""
    assert normalized(np.zeros((1, 8, 8, 1), np.uint8), digits).max() < 0
    before = digits.splits["train"].images.copy()
    from odtf.export.conversion import _representative

    batches = list(_representative(before, "int8")())
    assert (batches[0]["image"].min(), batches[0]["image"].max()) == (0.0, 255.0)
    np.testing.assert_array_equal(before, digits.splits["train"].images)
