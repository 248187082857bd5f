"""A task that the export has never heard of: how bright a picture is, one number with its absolute error."""

import dataclasses
import json
import typing

import keras
import numpy as np
import pytest
from keras import ops

from odtf.data import Target
from odtf.errors import UserError
from odtf.export import (
    Runner,
    VerificationError,
    convert,
    export_student,
    find_target,
    fold_preprocessing,
    save_student,
    verify,
)
from odtf.export.proofs import Circumstances, kernels
from odtf.metrics import MeanAbsoluteError, Metric
from odtf.targets import TARGETS
from odtf.tasks import Answer, Task
from odtf.tasks.clients import Client
from odtf.tflite import flatbuffer, metadata, metadata_reader
from tests.export.conftest import normalized


class Brightness(Task):
    """The share of light in a picture, in per cent."""

    name = "brightness"
    output = "value"
    targets: typing.ClassVar[dict] = {"value": Target((1,), "float32")}
    metrics: typing.ClassVar[dict] = {"mae": MeanAbsoluteError(), "percent": MeanAbsoluteError()}
    agreement = MeanAbsoluteError()

    def answer(self, info, target, quantization):
        return Answer("light" if target.finished else "value", (1, 1))

    def fold(self, output, target):
        return keras.layers.ReLU(name="no_less_than_dark")(output) if target.finished else output

    def folded(self, output, target):
        return np.maximum(output, 0.0) if target.finished else output

    def allowed_loss(self, metric, count, max_drop):
        return 1.0 + max_drop

    def check(self, info, shape):
        if shape[-1] != 1:
            raise UserError(f"A network for brightness has one output. Received: {shape[-1]}")


@dataclasses.dataclass
class _Split:
    inner: object

    def __len__(self):
        return len(self.inner)

    def part(self, size):
        return self if size is None else _Split(self.inner.part(size))

    def take(self, indices):
        images = self.inner.take(indices)[0]
        return images, (100.0 / 255.0 * images.mean((1, 2, 3))).astype(np.float32)[:, np.newaxis]


@pytest.fixture(scope="module")
def pictures(digits):
    splits = {name: _Split(split) for name, split in digits.splits.items()}
    return dataclasses.replace(digits, name="pictures", names=(), splits=splits)


def _network(dataset, units=1):
    """A network with a head of one unit, made right: the mean of its features is that of the pixels."""
    image = keras.Input((8, 8, 1))
    features = keras.layers.ReLU()(keras.layers.Conv2D(4, 3, padding="same", name="convolution")(image))
    pooled = keras.layers.GlobalAveragePooling2D()(features)
    network = keras.Model(image, {"value": keras.layers.Dense(units, name="head")(pooled)}, name="peer")
    images, targets = dataset.splits["train"].take(np.arange(512))
    inner = keras.Model(image, pooled)
    x = np.concatenate([inner(normalized(images, dataset)), np.ones((512, 1))], axis=1)
    weights = np.linalg.lstsq(x, np.repeat(targets, units, axis=1), rcond=None)[0]
    network.get_layer("head").set_weights([weights[:-1], weights[-1]])
    return network


@pytest.fixture(scope="module")
def network(pictures):
    keras.utils.set_random_seed(3)
    return _network(pictures)


def test_int8_file_of_a_regression(network, pictures, tmp_path):
    about = {"name": "peer", "training": {"method": "least squares"}, "cost": ""}
    row = export_student(network, pictures, tmp_path, task=Brightness(), about=about, max_drop=0.0)
    content = (tmp_path / "student_int8.tflite").read_bytes()
    image, value = flatbuffer.interface(content)
    assert (image["name"], value["name"], value["shape"], value["type"]) == ("image", "value", (1, 1), "int8")

    images, targets = pictures.splits["test"].take(np.arange(len(pictures.splits["test"])))
    given = Runner(content).predict(images)
    student = np.asarray(network(normalized(images, pictures), training=False)["value"])
    assert np.ptp(targets) > 10
    assert row["test_mae"] == pytest.approx(np.abs(given - targets).mean(), rel=1e-5)
    assert row["student_test_mae"] == pytest.approx(np.abs(student - targets).mean(), rel=1e-5)
    assert row["agreement"] == pytest.approx(np.abs(given - student).mean(), rel=1e-5)
    assert row["max_error"] == pytest.approx(np.abs(given - student).max(), rel=1e-5)
    assert {"val_mae", "student_val_mae", "test_percent"} <= set(row)
    assert not any("top1" in key for key in row)

    checks = {check["check"]: check for check in json.loads((tmp_path / "verification.json").read_text())["checks"]}
    assert set(checks) == {"interface", "operators", "limits", "accuracy", "micro"}
    assert checks["accuracy"]["allowed_drop"] == 1.0
    assert {"mae", "mae_without_xnnpack", "agreement"} <= set(checks["micro"])


def test_what_goes_beside_it_speaks_of_the_task(network, pictures, tmp_path):
    about = {"name": "peer", "training": {"method": "least squares"}, "cost": ""}
    row = export_student(network, pictures, tmp_path, task=Brightness(), about=about, max_examples=64)
    card = (tmp_path / "MODEL_CARD.md").read_text()
    assert card.startswith("# peer: brightness of pictures, int8, for a system-on-chip")
    assert f"| test | mean absolute error | 64 | {row['student_test_mae']:.4g} | {row['test_mae']:.4g} |" in card
    assert "const int8_t* run(const uint8_t* pixels) {" in card
    assert "!= kTfLiteOk) return nullptr;\n  return interpreter->typed_output_tensor<int8_t>(0);\n}" in card
    assert '#include <cstdint>\n\n#include "student_int8.h"\n#include "tensorflow/' in card
    for word in ("class", "top-1", "labels", "probabilities", "score per"):
        assert word not in card.lower(), word
    assert not (tmp_path / "labels.txt").exists()
    assert "labels" not in (tmp_path / "student_int8.h").read_text() + (tmp_path / "student_int8.cc").read_text()[-200:]
    assert "// student_int8: brightness of pictures." in (tmp_path / "student_int8.h").read_text()


def test_phone_file_ends_in_what_the_task_puts_behind(network, pictures, tmp_path):
    """It has metadata without labels, and a proof by the task's own library; apps read it by LiteRT alone."""
    given = {}

    class Library(Client):
        name, title, install, examples = "odtf", "Library", "pip install it", 5

        def prove(self, content, images, targets, info):
            given.update(images=images, targets=targets, info=info)
            return {"right": 5}

    task = Brightness()
    task.client = Library()
    about = {"name": "peer", "training": {}, "cost": ""}
    row = export_student(network, pictures, tmp_path, task=task, target="phone", about=about, max_examples=64)
    content = (tmp_path / "student_int8.tflite").read_bytes()
    assert flatbuffer.interface(content)[1]["name"] == "light"
    stored = flatbuffer.read_metadata(flatbuffer.unpack(content), metadata.ENTRY)
    assert b"brightness of pictures, int8" in stored
    assert b"labels" not in stored
    assert metadata_reader.read(content) == (([0.0], [1.0]), None)
    checks = {check["check"]: check for check in json.loads((tmp_path / "verification.json").read_text())["checks"]}
    assert checks["odtf"] == {"check": "odtf", "passed": True, "examples": 5, "right": 5}
    assert (len(given["images"]), given["targets"].shape, given["info"]) == (5, (5, 1), pictures.info)
    assert "notes" not in row
    card = (tmp_path / "MODEL_CARD.md").read_text()
    assert "CompiledModel.create(" in card and "outputs[0].readInt8()" in card
    assert "```swift" in card and "com.google.mediapipe" not in card


def test_less_error_is_better(network, pictures, tmp_path):
    """A file that is worse by more than the task allows is refused; a better one is not, where answers may differ."""
    wrong = keras.models.clone_model(network)
    _, bias = network.get_layer("head").get_weights()
    wrong.set_weights([*network.get_weights()[:-1], bias + 5.0])
    content = _converted(wrong, pictures)
    options = {"task": Brightness(), "max_examples": 64}
    with pytest.raises(VerificationError, match=r"worse than its .* mean absolute error is .* by more than 1\.02"):
        verify(content, network, pictures, TARGETS["soc"], "int8", **options)
    better = _converted(network, pictures)
    with pytest.raises(VerificationError, match=r"does not answer as its student: its answers are off by 1\.\d+ of"):
        verify(better, wrong, pictures, TARGETS["soc"], "int8", **options)
    row = verify(better, wrong, pictures, TARGETS["soc"], "int8", max_drop=5.0, **options)
    assert row["test_mae"] < row["student_test_mae"] - 3.0


class RelativeMedian(Metric):
    """The median error in units of that of another split."""

    better = min
    share = False
    joined = True

    def __init__(self, reference, examples=None):
        self.reference = reference
        self.reference_examples = examples

    def sums(self, targets, output, weights):
        return {"errors": ops.abs(output[:, 0] - targets[:, 0])}

    def result(self, sums, reference=None):
        return float(np.median(sums["errors"]) / np.median(reference["errors"]))


def test_metrics_may_refer_to_several_splits(network, pictures):
    """Each to all of its own, or to a part; the proof of kernels, which has one split, says no metric then."""
    task, content = Brightness(), _converted(network, pictures)
    task.metrics = {"train": RelativeMedian("train", 100), "validation": RelativeMedian("validation")}
    row = verify(content, network, pictures, TARGETS["soc"], "int8", task=task, max_examples=64)

    def errors(split):
        images, targets = split.take(np.arange(len(split)))
        return np.abs(Runner(content).predict(images) - targets)[:, 0]

    median = np.median(errors(pictures.splits["test"])[:64])
    for name, size in (("train", 100), ("validation", None)):
        expected = median / np.median(errors(pictures.splits[name].part(size)))
        assert row[f"test_{name}"] == pytest.approx(expected, rel=1e-5)
    figures = kernels(content, Circumstances(task, TARGETS["soc"], pictures, "test", 32, 0.02))
    assert figures["passed"] and figures["examples"] == 32 and not {"train", "validation"} & set(figures)


def _converted(network, dataset):
    task, target = Brightness(), find_target("soc", "int8")
    student = keras.Model(network.input, network.output["value"])
    model = fold_preprocessing(student, dataset.mean, dataset.std, target, "int8", task)
    images = dataset.splits["train"].take(np.arange(32))[0]
    return convert(model, images, target, "int8", task.answer(dataset.info, target, "int8"))


def test_data_that_do_not_fit_the_task(pictures, digits, network, tmp_path):
    with pytest.raises(UserError, match=r"has one output\. Received: 2"):
        export_student(_network(pictures, units=2), pictures, tmp_path, task=Brightness())
    with pytest.raises(UserError, match=r"network for classification has a tap 'logits'\. Received: the taps value"):
        export_student(network, digits, tmp_path)


def test_saved_student_ends_in_the_answer(network, pictures, tmp_path):
    loaded = keras.models.load_model(save_student(network, tmp_path / "student.keras", task=Brightness()))
    images = normalized(pictures.splits["test"].take(np.arange(8))[0], pictures)
    np.testing.assert_allclose(loaded(images), network(images, training=False)["value"], rtol=1e-5)
