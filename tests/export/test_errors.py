"""Bad input, and files that are not what they should be: one clear line, and nothing left behind."""

import dataclasses
import pathlib
import shutil
import types

import keras
import numpy as np
import pytest

from odtf.errors import UserError
from odtf.export import SOC, Runner, VerificationError, export_student, find_target
from odtf.export import student as export
from odtf.export.rules import check_interface, check_operators
from odtf.tasks import Classification

KIND = "resnet8 line"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": "toaster"}, r"phone, phone-gpu, soc.*Received: target='toaster'"),
        ({"quantization": "int4"}, r"int8, int16x8, float16, dynamic, float32\. Received: quantization='int4'"),
        ({"quantization": "float16"}, r"soc target takes int8 or int16x8 .*Received: quantization='float16'"),
        ({"quantization": "float32"}, r"soc target takes int8 or int16x8 .*Received: quantization='float32'"),
        ({"quantization": "dynamic"}, r"soc target takes int8 or int16x8 .*Received: quantization='dynamic'"),
        ({"calibration_examples": 0}, r"at least 1\. Received: calibration_examples=0"),
        ({"max_examples": 0}, r"at least 1\. Received: max_examples=0"),
        ({"split": "holdout"}, r"train, validation, test\. Received: split='holdout'"),
    ],
)
def test_bad_argument(arguments, message, student, digits, tmp_path):
    with pytest.raises(UserError, match=message):
        export_student(student(KIND), digits, tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_shape": (9, 8, 1)}, r"images of shape \(8, 8, 1\)\. Received: images of shape \(9, 8, 1\)"),
        ({"names": ("a", "b", "c")}, r"10 classes apart\. Received: 3 classes"),
        ({"names": ("a\nb", *"cdefghijk")[:10]}, r"one line of .*Received: 'a\\nb' of digits, which is no line"),
        ({"names": (" ", *"cdefghijk")[:10]}, r"one line of .*Received: ' ' of digits, which is blank"),
    ],
)
def test_dataset_that_does_not_fit(changes, message, student, digits, tmp_path):
    with pytest.raises(UserError, match=message):
        export_student(student(KIND), dataclasses.replace(digits, **changes), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def _network(activation):
    image = keras.Input((8, 8, 1))
    features = activation(keras.layers.Conv2D(4, 3)(image))
    embedding = keras.layers.GlobalAveragePooling2D()(features)
    return keras.Model(image, {"embedding": embedding, "logits": keras.layers.Dense(10)(embedding)})


def test_operator_that_only_tensorflow_has(digits, tmp_path):
    network = _network(keras.layers.Resizing(4, 4, interpolation="bicubic"))
    with pytest.raises(UserError, match=r"no kernel for ResizeBicubic"):
        export_student(network, digits, tmp_path / "out", target="phone", quantization="float32")
    assert not (tmp_path / "out").exists()


def test_operator_that_the_target_lacks(digits, tmp_path):
    narrow = dataclasses.replace(SOC, operators=SOC.operators - {"CONV_2D"})
    with pytest.raises(VerificationError, match=r"soc target does not run.*Received: CONV_2D \(1\)"):
        export_student(_network(keras.layers.ReLU()), digits, tmp_path / "out", target=narrow)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["CUSTOM:FlexErf", "CUSTOM:TFLite_Detection_PostProcess", "GATHER", "VAR_HANDLE"])
def test_foreign_operators_are_named(name):
    with pytest.raises(VerificationError, match=f"Received: {name}"):
        check_operators({"CONV_2D": 3, name: 2}, SOC)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dtype": np.uint8}, "has a tensor image, int8"),
        ({"name": "serving_default_x:0"}, "Received: .*serving_default_x"),
        ({"shape_signature": np.array([-1, 8, 8, 1])}, r"Received: .*\(-1, 8, 8, 1\)"),
        ({"quantization": (0.99, -128)}, r"\(1\.0, -128\)\. Received: \(0\.99, -128\)"),
    ],
)
def test_input_tensor_of_another_kind(changes, message, exported, digits):
    runner = Runner(exported(KIND, "soc", "int8")["path"])
    check_interface(runner, digits.info, Classification(), SOC, "int8")
    other = types.SimpleNamespace(input={**runner.input, **changes}, output=runner.output)
    with pytest.raises(VerificationError, match=message):
        check_interface(other, digits.info, Classification(), SOC, "int8")


@pytest.mark.parametrize(
    ("target", "quantization", "message"),
    [
        ("soc", "int8", "answers worse than its student"),
        ("phone", "float32", "worse than its student|differs from its student by .*expected"),
    ],
)
def test_file_of_another_network_is_not_published(
    target, quantization, message, student, digits, exported, tmp_path, monkeypatch
):
    """The conversion is made to deliver an untrained network: an older export stays as it is."""
    folder = shutil.copytree(pathlib.Path(exported(KIND, target, quantization)["path"]).parent, tmp_path / "out")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    convert = export._convert
    untrained = _network(keras.layers.ReLU())
    monkeypatch.setattr(export, "_convert", lambda network, *rest: convert(untrained, *rest))
    with pytest.raises(VerificationError, match=message):
        export_student(student(KIND), digits, folder, target=target, quantization=quantization)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_phone_takes_grey_or_colour(digits, tmp_path):
    image = keras.Input((8, 8, 2))
    logits = keras.layers.Dense(10)(keras.layers.GlobalAveragePooling2D()(image))
    network = keras.Model(image, {"logits": logits})
    dataset = dataclasses.replace(digits, image_shape=(8, 8, 2))
    with pytest.raises(UserError, match=r"3 channels.*1 channel.*Received: channels=2"):
        export_student(network, dataset, tmp_path / "out", target="phone")


def test_a_target_may_be_a_description():
    assert find_target(SOC, "int8") is SOC


def test_file_that_is_no_model():
    with pytest.raises(ValueError):
        Runner(b"no model")
