"""A task that odtf does not know, one number for an image, evaluates without a further line."""

import json

import keras
import numpy as np
import pytest

from odtf import data
from odtf.errors import UserError
from odtf.evaluation import evaluator, pixels, presentation
from odtf.evaluation.image_file import ImageFile
from tests.converting import convert
from tests.evaluation.toy import DigitValue, RelativeDigitValue

DATA = "tests.evaluation.toy:digit_values"


@pytest.fixture(scope="module")
def digits():
    return data.load(DATA, targets=DigitValue.targets)


def scaled(split):
    images, labels = split.take(np.arange(len(split)))
    return (images / 255).astype("float32"), labels


@pytest.fixture(scope="module")
def model(digits):
    """A dense layer from pixels to the digit's value, fitted by least squares."""
    images, labels = scaled(digits.splits["train"])
    flat = np.concatenate([images.reshape(len(images), -1), np.ones((len(images), 1))], axis=1)
    weights = np.linalg.solve(flat.T @ flat + 0.1 * np.eye(flat.shape[1]), flat.T @ labels)
    image, dense = keras.Input((8, 8, 1)), keras.layers.Dense(1)
    model = keras.Model(image, dense(keras.layers.Flatten()(image)))
    dense.set_weights([weights[:-1, np.newaxis], weights[-1:]])
    return model


@pytest.fixture(scope="module")
def errors(model, digits):
    """Function from the name of a split to the errors of Keras' answers."""

    def of(split):
        images, labels = scaled(digits.splits[split])
        return np.abs(model.predict(images, verbose=0)[:, 0] - labels)

    return of


@pytest.fixture(scope="module")
def float_file(model, tmp_path_factory):
    return convert(model, tmp_path_factory.mktemp("float"))


@pytest.fixture(scope="module")
def int8_file(model, digits, tmp_path_factory):
    return convert(model, tmp_path_factory.mktemp("int8"), scaled(digits.splits["train"])[0][:100])


def open_file(path):
    return ImageFile(path, pixels.from_flags("0..1"))


def test_the_metrics_of_the_task_are_all_there_is_to_say(float_file, int8_file, errors):
    file, other = open_file(float_file), open_file(int8_file)
    assert file.answers(np.zeros((3, 8, 8, 1), np.uint8)).shape == (3, 1)
    result, study = evaluator.evaluate(file, DATA, DigitValue(), against=other)
    assert set(result) == {"task", "file", "data", "split", "examples", "mae", "against"}
    assert result["mae"] == pytest.approx(np.mean(errors("test")), abs=1e-5) and result["mae"] < 2.0
    assert set(result["against"]) == {"file", "mae", "agreement"}
    assert 0.0 < result["against"]["agreement"] < 0.2
    assert abs(result["against"]["mae"] - result["mae"]) <= result["against"]["agreement"]
    lines = presentation.render(result, study).splitlines()
    assert lines[0] == f"{float_file}: 8x8x1, pixels by --pixels=0..1"
    assert lines[3].split("  ")[0] == "mean absolute error" and lines[3].endswith(f"{result['mae']:.4g}")
    assert lines[4].startswith(f"agreement with {int8_file}  ")


def test_a_metric_may_need_all_answers_and_another_split(float_file, errors):
    result, _ = evaluator.evaluate(open_file(float_file), DATA, RelativeDigitValue())
    wanted = np.median(errors("test")) / np.median(errors("validation"))
    assert result["relative_median"] == pytest.approx(wanted, rel=1e-4)


def test_the_command_line_takes_the_task_by_its_name(float_file, zygote, tmp_path, errors):
    flags = (str(float_file), f"--data={DATA}", "--pixels=0..1", "--task=tests.evaluation.toy:DigitValue")
    status, out, err = zygote.run("odtf-evaluate", *flags, f"--json={tmp_path / 'x.json'}")
    assert status == 0, err
    written = json.loads((tmp_path / "x.json").read_text())
    assert written["task"] == "digit_value"
    assert written["mae"] == pytest.approx(np.mean(errors("test")), abs=1e-5)
    assert out.endswith(f"All of it: {tmp_path / 'x.json'}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


@pytest.mark.parametrize("option", [{"scores": "logits"}, {"label_offset": 1}])
def test_options_of_other_tasks_are_refused(float_file, option):
    (name, value), *_ = option.items()
    with pytest.raises(UserError, match=f"'digit_value' has no flag --{name}. Received: --{name}={value}"):
        evaluator.evaluate(open_file(float_file), DATA, DigitValue(), options=option)
