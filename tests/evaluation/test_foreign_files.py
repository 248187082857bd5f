"""Classifiers made with plain TensorFlow, judged exactly as LiteRT's own interpreter answers."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

from odtf import data
from odtf.data import Info
from odtf.errors import UserError
from odtf.evaluation import evaluator, pixels
from odtf.evaluation.image_file import ImageFile
from odtf.quiet import quiet
from odtf.tasks import Classification
from odtf.tflite import metadata

NAMES = tuple("0123456789")


@pytest.fixture(scope="module")
def digits():
    dataset = data.load("digits")
    images, labels = dataset.splits["test"].take(np.arange(len(dataset.splits["test"])))
    return dataset, images, labels


@pytest.fixture(scope="module")
def weights(digits):
    """Of a linear classifier of pixels in [0, 1], by least squares; sure of itself as one that was trained."""
    images, labels = digits[0].splits["train"].take(np.arange(1000))
    flat = np.concatenate([images.reshape(len(images), -1) / 255.0, np.ones((len(images), 1))], axis=1)
    wanted = 12.0 * np.eye(10)[labels] - 6.0
    return np.linalg.solve(flat.T @ flat + np.eye(65), flat.T @ wanted).astype(np.float32)


def softmax_in_pieces(logits):
    raised = tf.exp(logits - tf.reduce_max(logits, -1, keepdims=True))
    return raised / tf.reduce_sum(raised, -1, keepdims=True)


def with_background(logits):
    """Probabilities whose first, a class that no image is of, is sliced away."""
    return tf.nn.softmax(tf.concat([logits[:, :1] - 3.0, logits], -1))[:, 1:]


ENDS = {
    "logits": tf.identity,
    "softmax": tf.nn.softmax,
    "pieces": softmax_in_pieces,
    "slice": with_background,
}


def made(weights, end="softmax", kind="float32", flat=False, order=None):
    """The bytes of a file: `kind` is what it takes, float32 in [0, 1] or what quantisation makes of that."""
    shape = (1, 8, 8) if flat else (1, 8, 8, 1)
    order = np.arange(10) if order is None else order

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32)])
    def serve(image):
        return ENDS[end](tf.reshape(image, (1, 64)) @ weights[:-1][:, order] + weights[-1][order])

    with quiet():
        converter = tf.lite.TFLiteConverter.from_concrete_functions([serve.get_concrete_function()])
        if kind != "float32":
            images = data.load("digits").splits["train"].take(np.arange(64))[0] / np.float32(255.0)
            images[0].flat[:2] = 0.0, 1.0
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([image.reshape(shape)] for image in images)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.as_dtype(kind)
        return converter.convert()


def by_litert(content, images):
    """The outputs of LiteRT's interpreter as a user would call it, and the details of its tensors."""
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    (image,), (output,) = interpreter.get_input_details(), interpreter.get_output_details()
    answers = []
    for one in images:
        values = one.astype(np.float32) * np.float32(1.0 / 255.0)
        if image["dtype"] != np.float32:
            scale, zero_point = image["quantization"]
            limits = np.iinfo(image["dtype"])
            values = np.clip(np.round(values / np.float32(scale)) + zero_point, limits.min, limits.max)
        interpreter.set_tensor(image["index"], values.astype(image["dtype"]).reshape(image["shape"]))
        interpreter.invoke()
        answers.append(interpreter.get_tensor(output["index"])[0].astype(np.float32))
    scale, zero_point = output["quantization"]
    return (np.stack(answers) - zero_point) * np.float32(scale) if scale else np.stack(answers)


@pytest.mark.parametrize("described", [False, True], ids=["bare", "metadata"])
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("kind", ["float32", "uint8", "int8"])
def test_a_file_of_plain_tensorflow_is_judged_as_litert_answers(
    kind, end, described, weights, digits, tmp_path, monkeypatch
):
    _, images, labels = digits
    content = made(weights, end, kind)
    answers = by_litert(content, images)
    given = pixels.from_flags("0..1") if kind == "float32" else None
    if described:
        # A deviation of 255: pixels in [0, 1].
        write = metadata._floats
        monkeypatch.setattr(metadata, "_floats", lambda b, v: write(b, [255.0 if x == 1.0 else x for x in v]))
        content, given = metadata.attach(content, NAMES, name="foreign", description="digits", version="1"), None
    path = tmp_path / "foreign.tflite"
    path.write_bytes(content)
    file = ImageFile(path, given)
    assert (file.names == list(NAMES)) == described and ("metadata" in file.pixels.source) == described
    np.testing.assert_array_equal(file.answers(images), answers.astype(np.float64))
    result, study = evaluator.evaluate(file, "digits", Classification())
    assert result["file"]["scores"] == ("logits" if end == "logits" else "probabilities")
    assert result["top1"] == pytest.approx(np.mean(answers.argmax(-1) == labels)) and result["top1"] > 0.85
    matrix = np.zeros((10, 10), int)
    np.add.at(matrix, (labels, answers.argmax(-1)), 1)
    np.testing.assert_array_equal(study.confusion(), matrix)
    scores = answers.astype(np.float64)
    if end == "logits":
        scores = np.exp(scores - scores.max(-1, keepdims=True))
    scale = file.output["quantization"][0]
    scores = scores if end == "logits" else np.maximum(scores, scale / 2 if scale else 1e-7)
    true = (scores / scores.sum(-1, keepdims=True))[np.arange(len(labels)), labels]
    assert result["calibration"]["nll"] == pytest.approx(-np.mean(np.log(true)), rel=1e-9)


def test_grey_images_without_an_axis_of_channels(weights, digits, tmp_path):
    _, images, _ = digits
    for kind in ("float32", "uint8"):
        path = tmp_path / f"{kind}.tflite"
        path.write_bytes(made(weights, kind=kind, flat=True))
        file = ImageFile(path, pixels.from_flags("0..1") if kind == "float32" else None)
        assert (file.image_size, file.channels) == ((8, 8), 1)
        np.testing.assert_array_equal(file.answers(images), by_litert(path.read_bytes(), images))
        result, _ = evaluator.evaluate(file, "digits", Classification())
        assert result["top1"] > 0.85 and result["file"]["input"] == [8, 8, 1]


@pytest.fixture
def photos(digits, tmp_path):
    """A folder of two of the ten classes, in another order than the file's."""
    _, images, labels = digits
    counts = {}
    for word, label in (("nine", 9), ("two", 2)):
        (tmp_path / "photos" / word).mkdir(parents=True)
        found = images[labels == label]
        for index, image in enumerate(found):
            Image.fromarray(image[..., 0]).convert("RGB").save(tmp_path / "photos" / word / f"{index}.png")
        counts[word] = len(found)
    return tmp_path / "photos", counts


WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def test_some_of_the_classes_of_a_file_are_found_by_label(weights, digits, photos, tmp_path, zygote):
    folder, counts = photos
    _, images, labels = digits
    content = made(weights, "logits", "uint8")
    (tmp_path / "bare.tflite").write_bytes(content)
    (tmp_path / "named.tflite").write_bytes(
        metadata.attach(content, WORDS, name="foreign", description="digits", version="1")
    )
    # Names of classes that the data do not have may stand there twice, as "crane" does among those of ImageNet.
    (tmp_path / "labels.txt").write_text("\n".join("crane" if word in ("one", "five") else word for word in WORDS))
    file = ImageFile(tmp_path / "named.tflite")
    result, study = evaluator.evaluate(file, f"folder:{folder}", Classification(), split="all")
    # Every image of the folder, and of the outputs those of its two classes.
    assert result["examples"] == sum(counts.values()) and result["split"] == "all"
    assert (result["file"]["classes"], result["file"]["among"]) == (10, 2)
    chosen = np.concatenate([images[labels == 9], images[labels == 2]])
    answers = by_litert(content, chosen)[:, [9, 2]].argmax(-1)
    truth = np.repeat([0, 1], list(counts.values()))
    matrix = np.zeros((2, 2), int)
    np.add.at(matrix, (truth, answers), 1)
    np.testing.assert_array_equal(study.confusion(), matrix)
    assert result["top1"] == pytest.approx(np.mean(answers == truth)) and result["top1"] > 0.9

    with pytest.raises(UserError, match="tells 2 classes apart"):
        evaluator.evaluate(ImageFile(tmp_path / "bare.tflite"), f"folder:{folder}", Classification())
    flags = (f"{tmp_path}/bare.tflite", f"--data=folder:{folder}", "--split=all", f"--labels={tmp_path}/labels.txt")
    status, out, err = zygote.run("odtf-evaluate", *flags, f"--json={tmp_path}/x.json")
    assert status == 0, err
    assert f"{sum(counts.values())} images" in out and "among 2" in out and (tmp_path / "x.json").exists()
    status, _, err = zygote.run(
        "odtf-evaluate", f"{tmp_path}/named.tflite", *flags[1:3], "--labels=" + str(_other(tmp_path))
    )
    assert status == 2 and "The file names its outputs itself: zero, one" in err


def test_a_folder_that_is_judged_whole_is_not_divided(weights, photos, tmp_path):
    folder, _ = photos
    for path in folder.glob("*/*"):
        if path.name != "0.png":
            path.unlink()
    path = tmp_path / "foreign.tflite"
    path.write_bytes(metadata.attach(made(weights, "logits", "uint8"), WORDS, name="x", description="x", version="1"))
    result, _ = evaluator.evaluate(ImageFile(path), f"folder:{folder}", Classification(), split="all")
    assert result["examples"] == 2
    with pytest.raises(UserError, match="too few images to be split"):
        evaluator.evaluate(ImageFile(path), f"folder:{folder}", Classification())


def test_an_image_that_cannot_be_decoded_is_named_or_passed_over(weights, photos, tmp_path, zygote):
    folder, counts = photos
    (folder / "two" / "broken.png").write_bytes((folder / "two" / "0.png").read_bytes()[:50])
    path = tmp_path / "foreign.tflite"
    path.write_bytes(metadata.attach(made(weights, "logits", "uint8"), WORDS, name="x", description="x", version="1"))
    flags = str(path), f"--data=folder:{folder}", "--split=all"
    status, out, err = zygote.run("odtf-evaluate", *flags)
    assert (status, out) == (2, "") and f"{folder}/two/broken.png" in err and err.count("\n") == 1
    status, out, err = zygote.run("odtf-evaluate", *flags, "--skip_corrupt")
    assert status == 0 and f"{sum(counts.values())} images" in out and "1 corrupt images skipped" in err


def _other(folder):
    path = pathlib.Path(folder, "other.txt")
    path.write_text("\n".join(f"n{i}" for i in range(10)))
    return path


def test_labels_that_stand_twice_or_lack_a_class_are_refused(weights, tmp_path):
    path = tmp_path / "foreign.tflite"
    path.write_bytes(made(weights, "logits", "uint8"))
    file = ImageFile(path)
    file.names = ["two", "two", *WORDS[2:]]
    with pytest.raises(UserError, match="Received: 3 outputs called 'two'"):
        Classification().reader(file, Info("x", (8, 8, 1), ("nine", "two")))
    file.names = list(WORDS)
    with pytest.raises(UserError, match="by their labels; 'owl' is none"):
        Classification().reader(file, Info("x", (8, 8, 1), ("nine", "owl")))


def test_a_part_of_all_splits_is_a_choice_of_its_own(weights, digits, tmp_path):
    path = tmp_path / "foreign.tflite"
    path.write_bytes(made(weights, "logits", "uint8"))
    whole = sum(map(len, digits[0].splits.values()))
    assert evaluator.evaluate(ImageFile(path), "digits", Classification(), split="all")[0]["examples"] == whole
    result, study = evaluator.evaluate(ImageFile(path), "digits", Classification(), split="all", max_examples=50)
    assert result["examples"] == study.confusion().sum() == 50


def test_answers_are_written_before_anybody_reads_them(weights, photos, tmp_path, zygote):
    """What cannot be written is said in place of a table, not after it."""
    path = tmp_path / "foreign.tflite"
    path.write_bytes(made(weights, "logits", "uint8"))
    status, out, err = zygote.run("odtf-predict", str(path), f"--images={photos[0]}", "--csv=/dev/full")
    assert (status, out) == (2, "") and "No space left on device" in err
    status, out, err = zygote.run("odtf-evaluate", str(path), "--data=digits", "--max_examples=9", "--json=/dev/full")
    assert (status, out) == (2, "") and "No space left on device" in err
