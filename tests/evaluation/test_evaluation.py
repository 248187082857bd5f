"""Evaluation of files that odtf has not made: how they are fed, what is counted, what is written."""

import csv
import json

import keras
import numpy as np
import pytest
from PIL import Image

from odtf import data
from odtf.data import Info
from odtf.errors import UserError
from odtf.evaluation import evaluator, pixels, presentation
from odtf.evaluation.image_file import ImageFile
from odtf.tasks import Classification
from odtf.tflite import metadata as metadata_writer
from odtf.tflite import metadata_reader
from tests.converting import convert

# Neither the size nor the number of channels of the digits.
SIZE = (12, 10)


def resized(images):
    return np.stack(
        [np.asarray(Image.fromarray(image[..., 0]).convert("RGB").resize(SIZE[::-1], 2)) for image in images]
    )


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture(scope="module")
def foreign(digits):
    """A plain Keras classifier of colour images scaled to [-1, 1]: a dense layer fitted by least squares."""
    images, labels = digits.splits["train"].take(np.arange(1000))
    flat = (resized(images) / 127.5 - 1.0).reshape(len(images), -1)
    flat = np.concatenate([flat, np.ones((len(flat), 1))], axis=1)
    wanted = 8.0 * np.eye(10)[labels] - 4.0
    weights = np.linalg.solve(flat.T @ flat + 10.0 * np.eye(flat.shape[1]), flat.T @ wanted)
    image = keras.Input((*SIZE, 3))
    dense = keras.layers.Dense(10)
    model = keras.Model(image, keras.layers.Softmax()(dense(keras.layers.Flatten()(image))))
    dense.set_weights([weights[:-1], weights[-1]])
    return model


@pytest.fixture(scope="module")
def float_file(foreign, tmp_path_factory):
    return convert(foreign, tmp_path_factory.mktemp("float"))


@pytest.fixture(scope="module")
def int8_file(foreign, digits, tmp_path_factory):
    images = (resized(digits.splits["train"].take(np.arange(50))[0]) / 127.5 - 1.0).astype("float32")
    return convert(foreign, tmp_path_factory.mktemp("int8"), images)


@pytest.fixture(scope="module")
def expected(foreign, digits):
    """The probabilities of Keras on the test split, and the labels."""
    images, labels = digits.splits["test"].take(np.arange(len(digits.splits["test"])))
    return foreign.predict((resized(images) / 127.5 - 1.0).astype("float32"), verbose=0), labels


DIGITS = Info("digits", (8, 8, 1), tuple("0123456789"))
MINUS_ONE = pixels.from_flags("-1..1")


def evaluate(file, name="digits", **kwargs):
    """Returns the result and the confusion matrix."""
    result, study = evaluator.evaluate(file, name, Classification(), **kwargs)
    return result, study.confusion()


def test_a_foreign_float_file_answers_as_keras_does(float_file, int8_file, expected, tmp_path):
    probabilities, labels = expected
    answers = probabilities.argmax(axis=1)
    first, second = ImageFile(float_file, MINUS_ONE), ImageFile(int8_file, num_threads=2)
    assert (first.image_size, first.channels, first.bytes) == (SIZE, 3, float_file.stat().st_size)
    assert not first.says_pixels
    assert second.pixels.source == "int8 input of the range -1..1"
    result, study = evaluator.evaluate(first, "digits", Classification(), against=second)
    matrix = study.confusion()
    assert (result["file"]["classes"], result["file"]["scores"]) == (10, "probabilities")
    assert result["examples"] == len(labels) == matrix.sum()
    assert result["top1"] == pytest.approx(np.mean(answers == labels)) and result["top1"] > 0.85
    ranks = (-probabilities).argsort(axis=1)
    assert result["top5"] == pytest.approx(np.mean((ranks[:, :5] == labels[:, None]).any(axis=1)))
    true = probabilities[np.arange(len(labels)), labels]
    assert result["calibration"]["nll"] == pytest.approx(-np.mean(np.log(true)), rel=1e-3)
    assert np.array_equal(matrix[3], np.bincount(answers[labels == 3], minlength=10))
    assert result["classes"][3]["recall"] == pytest.approx(np.mean(answers[labels == 3] == 3))
    assert result["against"]["agreement"] > 0.95
    assert abs(result["against"]["top1"] - result["top1"]) < 0.03
    difference = result["against"]["only_file_right"] - result["against"]["only_other_right"]
    assert difference == round((result["top1"] - result["against"]["top1"]) * len(labels))

    assert "agreement" in presentation.render(result, study)
    assert "x.csv" in presentation.write(result, study, tmp_path / "new" / "x.json")
    assert json.loads((tmp_path / "new" / "x.json").read_text()) == result
    with open(tmp_path / "new" / "x.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0][1:] == list("0123456789")
    assert np.array_equal(np.array(rows[1:], int)[:, 1:], matrix)
    assert (tmp_path / "new" / "x.png").stat().st_size > 5000


def test_the_command_line_says_the_same(int8_file, float_file, zygote, tmp_path):
    flags = (str(int8_file), "--data=digits", "--max_examples=50", f"--json={tmp_path / 'x.json'}")
    status, out, err = zygote.run("odtf-evaluate", *flags, f"--against={float_file}", "--pixels=-1..1")
    assert status == 0, err
    expected, _ = evaluate(ImageFile(int8_file), max_examples=50)
    written = json.loads((tmp_path / "x.json").read_text())
    assert written.pop("against")["file"]["pixels"] == "--pixels=-1..1"
    assert written == expected
    assert f"{expected['top1']:.2%} ± " in out
    assert f"{tmp_path / 'x.csv'}" in out


def test_a_part_of_a_split_is_a_choice_of_its_own_size(int8_file):
    result, matrix = evaluate(ImageFile(int8_file), split="validation", max_examples=40)
    assert result["examples"] == matrix.sum() == 40


def test_wrong_pixels_are_worse_and_nothing_is_guessed(float_file, expected):
    with pytest.raises(UserError, match=r"--pixels=0\.\.255, 0\.\.1, -1\.\.1, or --mean and --std.*a float32 input"):
        ImageFile(float_file)
    wrong, _ = evaluate(ImageFile(float_file, pixels.from_flags("0..255")), max_examples=100)
    right, _ = evaluate(ImageFile(float_file, pixels.from_flags(None, ["0.5"] * 3, ["0.5"] * 3)), max_examples=100)
    assert right["calibration"]["nll"] < wrong["calibration"]["nll"]
    with pytest.raises(UserError, match=r"takes images of 3 channels\. Received: --mean=0\.5,0\.5"):
        ImageFile(float_file, pixels.from_flags(None, ["0.5"] * 2, ["0.5"] * 2))


def attached(path, folder, labels, monkeypatch, numbers=None):
    """The file with metadata that name its classes, and other normalisation options where `numbers` maps them."""
    write = metadata_writer._floats
    if numbers:
        monkeypatch.setattr(metadata_writer, "_floats", lambda b, v: write(b, [numbers.get(x, x) for x in v]))
    content = metadata_writer.attach(path.read_bytes(), labels, name="x", description="x", version="1")
    (folder / "named.tflite").write_bytes(content)
    return folder / "named.tflite"


@pytest.mark.parametrize("numbers", [{1.0: np.inf}, {1.0: 1e30}, {1.0: 1e-30}, {0.0: np.nan}, {0.0: -1e30}])
def test_metadata_of_no_sense_say_nothing_of_pixels(float_file, numbers, tmp_path, monkeypatch):
    """A deviation of inf would make every pixel 0."""
    path = attached(float_file, tmp_path, [str(i) for i in range(10)], monkeypatch, numbers)
    assert metadata_reader.read(path.read_bytes())[0] is None
    with pytest.raises(UserError, match="does not say how it takes pixels: give --pixels"):
        ImageFile(path)
    assert not ImageFile(path, pixels.from_flags("0..255")).says_pixels


def test_metadata_say_how_pixels_enter_and_which_output_is_which_class(
    float_file, foreign, expected, tmp_path, monkeypatch
):
    order = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]
    path = attached(float_file, tmp_path, [str(i) for i in order], monkeypatch, {0.0: 127.5, 1.0: 127.5})
    assert metadata_reader.read(path.read_bytes()) == (([127.5], [127.5]), [str(i) for i in order])
    file = ImageFile(path)
    assert file.says_pixels
    assert file.pixels(np.array([0, 255], np.uint8)) == pytest.approx([-1.0, 1.0])
    assert file.names == [str(i) for i in order]
    assert [order[i] for i in Classification().reader(file, DIGITS).columns] == list(range(10))
    plain = ImageFile(float_file, MINUS_ONE)
    images = np.random.default_rng(0).integers(0, 256, (2, *SIZE, 3)).astype(np.uint8)
    assert np.array_equal(file.answers(images), plain.answers(images))


def test_flags_of_the_task_are_for_the_first_file(float_file, expected):
    """Its probabilities taken for logits are nearly uniform; the other file's are not taken for that."""
    file = ImageFile(float_file, MINUS_ONE)
    result, _ = evaluate(file, against=ImageFile(float_file, MINUS_ONE), options={"scores": "logits"})
    assert (result["file"]["scores"], result["against"]["file"]["scores"]) == ("logits", "probabilities")
    assert result["calibration"]["mean_confidence"] < 0.25
    assert result["against"]["agreement"] == 1.0
    with pytest.raises(UserError, match="tells 11 classes apart"):
        evaluate(file, options={"label_offset": 1})


@pytest.mark.parametrize("activation", ["sigmoid", None])
def test_one_score_is_the_second_class(activation, tmp_path):
    image = keras.Input((4, 4, 1))
    output = keras.layers.Dense(1, activation=activation)(keras.layers.Flatten()(image))
    model = keras.Model(image, output)
    file = ImageFile(convert(model, tmp_path), pixels.from_flags("0..1"))
    reader = Classification().reader(file, Info("x", (4, 4, 1), ("ash", "birch")))
    assert reader.facts == {"classes": 2, "scores": "probabilities" if activation else "logits"}
    colour = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3)).astype(np.uint8)
    grey = [Image.fromarray(one).convert("L").resize((4, 4), Image.Resampling.BILINEAR) for one in colour]
    score = np.asarray(model(np.stack([np.asarray(one) for one in grey])[..., None] / np.float32(255)))[:, 0]
    wanted = score if activation else 1 / (1 + np.exp(-score))
    assert reader(file.answers(colour))[:, 1] == pytest.approx(wanted, abs=1e-5)

    # Two folders, one for each class, of images of any size.
    for name, size in (("ash", 8), ("birch", 9)):
        (tmp_path / "photos" / "test" / name).mkdir(parents=True)
        (tmp_path / "photos" / "train" / name).mkdir(parents=True)
        for split in ("train", "test"):
            for i in range(4):
                Image.fromarray(colour[i % 3, :, ::-1]).resize((size, 7)).save(
                    tmp_path / "photos" / split / name / f"{i}.png"
                )
    result, matrix = evaluate(file, f"folder:{tmp_path / 'photos'}")
    assert matrix.sum(axis=1).tolist() == [4, 4]
    assert [row["name"] for row in result["classes"]] == ["ash", "birch"]
    assert "top5" not in result


def test_files_that_take_no_image_or_answer_nothing_finite(tmp_path):
    image = keras.Input((3, 6, 5))
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(image)))
    with pytest.raises(UserError, match=r"\[1, height, width, 1 or 3\].*float32 \[-1, 3, 6, 5\]"):
        ImageFile(convert(model, tmp_path), MINUS_ONE)
    (tmp_path / "text.tflite").write_text("no model")
    with pytest.raises(UserError, match="A TFLite file is needed, one image input and one output"):
        ImageFile(tmp_path / "text.tflite")
    image = keras.Input((2, 2, 1))
    model = keras.Model(image, keras.ops.log(keras.layers.Flatten()(image)))
    with pytest.raises(UserError, match=r"answers finite numbers\. Received: NaN or Inf from .*model\.tflite"):
        ImageFile(convert(model, tmp_path), pixels.from_flags("0..1")).answers(np.zeros((1, 2, 2, 1), np.uint8))
