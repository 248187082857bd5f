"""Evaluation of files that odtf has not made: how they are fed, what is counted, what is written."""

import csv
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from odtf import data
from odtf.errors import UserError
from odtf.evaluation import evaluator, figures, pixels, presentation
from odtf.evaluation.classifier import Classifier
from odtf.quiet import quiet
from odtf.tflite import metadata as metadata_writer
from odtf.tflite import metadata_reader
from tests import processes

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


def convert(model, folder, calibration=None):
    """The converter as anybody would use it; the batch is left open, and the tensors keep Keras' names."""
    with quiet():
        model.export(folder / "saved", verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved"))
        if calibration is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([image[np.newaxis]] for image in calibration)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
        path = folder / "model.tflite"
        path.write_bytes(converter.convert())
    return path


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


MINUS_ONE = pixels.from_flags("-1..1")


def test_a_foreign_float_file_answers_as_keras_does(float_file, int8_file, expected, tmp_path):
    probabilities, labels = expected
    answers = probabilities.argmax(axis=1)
    first, second = Classifier(float_file, given=MINUS_ONE), Classifier(int8_file, num_threads=2)
    assert (first.image_size, first.channels, first.scores) == (SIZE, 3, "probabilities")
    assert not first.says_pixels
    assert second.pixels.source == "int8 input of the range -1..1"
    result, matrix = evaluator.evaluate(first, "digits", against=second)
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

    assert "agreement" in presentation.render(result)
    assert "x.csv" in presentation.write(result, matrix, tmp_path / "new" / "x.json")
    assert json.loads((tmp_path / "new" / "x.json").read_text()) == result
    with open(tmp_path / "new" / "x.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0][1:] == list("0123456789")
    assert np.array_equal(np.array(rows[1:], int)[:, 1:], matrix)
    assert (tmp_path / "new" / "x.png").stat().st_size > 5000


def test_the_command_line_says_the_same(int8_file, float_file, tmp_path):
    flags = (str(int8_file), "--data=digits", "--max_examples=50", f"--json={tmp_path / 'x.json'}")
    status, out, err = processes.run(*flags, f"--against={float_file}", "--pixels=-1..1", program="evaluate")
    assert status == 0, err
    expected, _ = evaluator.evaluate(Classifier(int8_file), "digits", max_examples=50)
    written = json.loads((tmp_path / "x.json").read_text())
    assert written.pop("against")["file"]["pixels"] == "--pixels=-1..1"
    assert written == expected
    assert f"{expected['top1']:.2%} ± " in out
    assert f"{tmp_path / 'x.csv'}" in out


def test_a_part_of_a_split_is_a_choice_of_its_own_size(int8_file):
    result, matrix = evaluator.evaluate(Classifier(int8_file), "digits", split="validation", max_examples=40)
    assert result["examples"] == matrix.sum() == 40


def test_wrong_pixels_are_worse_and_nothing_is_guessed(float_file, expected):
    with pytest.raises(UserError, match=r"--pixels=0\.\.255, 0\.\.1, -1\.\.1, or --mean and --std.*a float32 input"):
        Classifier(float_file)
    wrong, _ = evaluator.evaluate(Classifier(float_file, given=pixels.from_flags("0..255")), "digits", max_examples=100)
    right, _ = evaluator.evaluate(
        Classifier(float_file, given=pixels.from_flags(None, ["0.5"] * 3, ["0.5"] * 3)), "digits", max_examples=100
    )
    assert right["calibration"]["nll"] < wrong["calibration"]["nll"]
    with pytest.raises(UserError, match=r"takes images of 3 channels\. Received: --mean=0\.5,0\.5"):
        Classifier(float_file, given=pixels.from_flags(None, ["0.5"] * 2, ["0.5"] * 2))


def attached(path, folder, labels, monkeypatch, numbers=None):
    """The file with metadata that name its classes, and other normalisation options where `numbers` maps them."""
    write = metadata_writer._floats
    if numbers:
        monkeypatch.setattr(metadata_writer, "_floats", lambda b, v: write(b, [numbers.get(x, x) for x in v]))
    content = metadata_writer.attach(path.read_bytes(), labels, name="x", description="x", version="1")
    (folder / "named.tflite").write_bytes(content)
    return folder / "named.tflite"


def test_metadata_say_how_pixels_enter_and_which_output_is_which_class(
    float_file, foreign, expected, tmp_path, monkeypatch
):
    order = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]
    path = attached(float_file, tmp_path, [str(i) for i in order], monkeypatch, {0.0: 127.5, 1.0: 127.5})
    assert metadata_reader.read(path.read_bytes()) == (([127.5], [127.5]), [str(i) for i in order])
    classifier = Classifier(path)
    assert classifier.says_pixels
    assert classifier.pixels(np.array([0, 255], np.uint8)) == pytest.approx([-1.0, 1.0])
    assert [order[i] for i in classifier.columns([str(i) for i in range(10)])] == list(range(10))
    # Names that are none of the data's say nothing.
    assert classifier.columns([f"n{i}" for i in range(10)]).tolist() == list(range(10))
    plain = Classifier(float_file, given=MINUS_ONE)
    images = np.random.default_rng(0).integers(0, 256, (2, *SIZE, 3)).astype(np.uint8)
    assert classifier.probabilities(images) == pytest.approx(plain.probabilities(images))


def test_metadata_of_a_uint8_input_are_not_for_its_pixels():
    said = ([127.5], [127.5])
    details = {"dtype": np.uint8, "quantization": (1.0, 0)}
    corners = np.array([0, 255], np.uint8)
    assert pixels.from_file(said, details)(corners) == pytest.approx([0.0, 255.0])
    scaled = pixels.from_file(said, {"dtype": np.uint8, "quantization": (2 / 255, 128)})(corners)
    assert scaled / (2 / 255) + 128 == pytest.approx([0.0, 255.0])  # What the runner stores.
    assert pixels.from_file(said, {"dtype": np.float32, "quantization": (0.0, 0)})(corners) == pytest.approx([-1, 1])


def test_other_numbers_of_classes_are_refused_or_shifted(int8_file):
    classifier = Classifier(int8_file)
    assert classifier.columns(list("abcdefghi"), label_offset=1).tolist() == list(range(1, 10))
    with pytest.raises(UserError, match=r"tells 9 classes apart\. One more may be a background.*with 10"):
        classifier.columns(list("abcdefghi"))
    with pytest.raises(UserError, match=r"tells 2 classes apart\. Received: .*with 10"):
        classifier.columns(["ash", "birch"])


@pytest.mark.parametrize("activation", ["sigmoid", None])
def test_one_score_is_the_second_class(activation, tmp_path):
    image = keras.Input((4, 4, 1))
    output = keras.layers.Dense(1, activation=activation)(keras.layers.Flatten()(image))
    model = keras.Model(image, output)
    classifier = Classifier(convert(model, tmp_path), given=pixels.from_flags("0..1"))
    assert (classifier.num_outputs, classifier.scores) == (2, "probabilities" if activation else "logits")
    colour = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3)).astype(np.uint8)
    grey = [Image.fromarray(one).convert("L").resize((4, 4), Image.Resampling.BILINEAR) for one in colour]
    score = np.asarray(model(np.stack([np.asarray(one) for one in grey])[..., None] / np.float32(255)))[:, 0]
    wanted = score if activation else 1 / (1 + np.exp(-score))
    assert classifier.probabilities(colour)[:, 1] == pytest.approx(wanted, abs=1e-5)

    # Two folders, one for each class, of images of any size.
    for name, size in (("ash", 8), ("birch", 9)):
        (tmp_path / "photos" / "test" / name).mkdir(parents=True)
        (tmp_path / "photos" / "train" / name).mkdir(parents=True)
        for split in ("train", "test"):
            for i in range(4):
                Image.fromarray(colour[i % 3, :, ::-1]).resize((size, 7)).save(
                    tmp_path / "photos" / split / name / f"{i}.png"
                )
    result, matrix = evaluator.evaluate(classifier, f"folder:{tmp_path / 'photos'}")
    assert matrix.sum(axis=1).tolist() == [4, 4]
    assert [row["name"] for row in result["classes"]] == ["ash", "birch"]
    assert "top5" not in result


@pytest.mark.parametrize(
    ("kind", "scale", "zero_point", "wanted"),
    [
        ("int8", 1.0, -128, "0..255"),
        ("uint8", 1.0, 0, "0..255"),
        ("uint8", 0.0, 0, "0..255"),
        ("int16", 1 / 128, 0, "0..255"),
        ("int8", 1 / 255, -128, "0..1"),
        ("uint8", 1 / 128, 128, "-1..1"),
        ("uint8", 2 / 255, 127, "-1..1"),
        ("int16", 1 / 32767, 0, None),  # 0..1 or -1..1
        ("int8", 0.0186, -14, None),  # mean and deviation of a data set
        ("int8", 0.5, -128, None),  # calibrated on dark images
        ("int8", 0.0, 0, None),
        ("float32", 0.0, 0, None),
    ],
)
def test_what_an_input_tensor_says_of_pixels(kind, scale, zero_point, wanted):
    found = pixels.from_input({"dtype": np.dtype(kind).type, "quantization": (scale, zero_point)})
    if wanted is None:
        assert found is None
    else:
        assert found(np.array([0, 255], np.uint8)) == pytest.approx(pixels.RANGES[wanted])


def test_flags_say_the_same_in_two_ways():
    image = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    assert pixels.from_flags() is None
    assert pixels.from_flags("-1..1")(image) == pytest.approx(image / 127.5 - 1)
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    assert pixels.from_flags(None, mean, std)(image) == pytest.approx((image / 255 - mean) / std, abs=1e-6)


def test_rank_counts_what_stands_before_the_true_class():
    scores = np.array([[0.1, 0.2, 0.4, 0.3], [0.25, 0.25, 0.25, 0.25], [0.0, 0.5, 0.5, 0.0]])
    assert figures.rank(scores, np.array([2, 3, 1])).tolist() == [0, 3, 0]
    assert figures.rank(scores, np.array([0, 0, 2])).tolist() == [3, 0, 1]


def test_calibration_error_by_hand():
    # Bins of 0.2: (0.6, 0.8] holds 0.7 and 0.8, (0.8, 1] holds 0.9; 0.8 belongs to the lower one.
    probabilities = np.array([[0.7, 0.3], [0.2, 0.8], [0.9, 0.1], [0.6, 0.4]])
    found = figures.calibration(probabilities, np.array([0, 0, 0, 1]), bins=5)
    assert [row["examples"] for row in found["bins"]] == [0, 0, 1, 2, 1]
    assert found["ece"] == pytest.approx((abs(0 - 0.6) + 2 * abs(0.5 - 0.75) + abs(1 - 0.9)) / 4)
    assert found["nll"] == pytest.approx(-np.mean(np.log([0.7, 0.2, 0.9, 0.4])))
    assert found["bins"][0]["accuracy"] is None
    assert found["mean_confidence"] == pytest.approx(0.75)


def test_calibrated_answers_have_no_calibration_error():
    random = np.random.default_rng(0)
    confidence = random.uniform(0.5, 1.0, 50_000)
    labels = (random.uniform(size=50_000) > confidence).astype(int)
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    assert figures.calibration(probabilities, labels)["ece"] < 0.01
    assert figures.calibration(probabilities, 1 - labels)["ece"] > 0.4


def test_confusion_of_a_class_without_images():
    matrix, rows = figures.confusion(np.array([0, 0, 1]), np.array([0, 2, 2]), ["a", "b", "c"])
    assert matrix.tolist() == [[1, 0, 1], [0, 0, 1], [0, 0, 0]]
    assert rows[0] == {"name": "a", "examples": 2, "recall": 0.5, "precision": 1.0, "taken_for": "c"}
    assert (rows[1]["precision"], rows[2]["recall"], rows[2]["precision"]) == (None, None, 0.0)


def test_files_that_are_no_classifiers_of_images(tmp_path):
    image = keras.Input((3, 6, 5))
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(image)))
    with pytest.raises(UserError, match=r"\[1, height, width, 1 or 3\].*float32 \[-1, 3, 6, 5\]"):
        Classifier(convert(model, tmp_path), given=MINUS_ONE)
    (tmp_path / "text.tflite").write_text("no model")
    with pytest.raises(UserError, match="A TFLite classifier is needed"):
        Classifier(tmp_path / "text.tflite")
