"""The Fréchet distance against scipy on whole arrays, the networks that judge, and a segmenter's mIoU."""

import keras
import numpy as np
import pytest
import scipy.linalg
import tensorflow as tf
from sklearn.metrics import confusion_matrix

from odtf import zoo
from odtf.errors import UserError
from odtf.metrics import evaluate, joined_of, merged, results, sums_of
from odtf.models import file_record, keras_file
from odtf.tasks.translation.frechet import FrechetDistance, frechet_distance
from odtf.tasks.translation.judges import Judge
from odtf.tasks.translation.segmented import SegmentedOverlap


def features(images):
    """Five numbers of an image, as a network would give them."""
    flat = keras.ops.reshape(images, (-1, 12 * 10))
    return keras.ops.matmul(flat, np.random.RandomState(0).randn(120, 5).astype("float32"))


def batch(seed=0, count=40):
    random = np.random.default_rng(seed)
    pictures = random.integers(0, 256, (count, 12, 10, 1)).astype(np.uint8)
    return pictures, np.clip(0.3 + 0.5 * random.standard_normal((count, 12, 10, 1)), -1, 1).astype(np.float32)


def oracle(real, generated):
    (m, c), (n, d) = ((x.mean(0), np.cov(x, rowvar=False)) for x in (np.float64(real), np.float64(generated)))
    return (m - n) @ (m - n) + np.trace(c + d - 2 * scipy.linalg.sqrtm(c @ d).real)


METRIC = {"frechet": FrechetDistance(features, "five numbers")}


def test_it_equals_scipys_on_the_whole():
    pictures, images = batch()
    found = evaluate(lambda x: x, [(images, pictures)], METRIC)["frechet"]
    real = np.asarray(features(np.float32(pictures / 127.5 - 1.0)))
    assert found == pytest.approx(oracle(real, np.asarray(features(images))), rel=1e-5)
    assert METRIC["frechet"].title == "Fréchet distance by five numbers" and METRIC["frechet"].better is min


def test_batches_replicas_and_padding_merge(mirrored):
    pictures, images = batch()
    whole = evaluate(lambda x: x, [(images, pictures)], METRIC)["frechet"]
    weights = np.ones(42, np.float32)
    weights[40:] = 0.0
    padded = [np.concatenate([x, x[:2]]) for x in (pictures, images)]
    examples = tf.data.Dataset.from_tensor_slices((*padded, weights)).batch(14)
    totals = []
    for part in mirrored.experimental_distribute_dataset(examples):
        sums = mirrored.run(lambda p, i, w: sums_of(METRIC, p, i, w), part)
        totals.append({name: mirrored.reduce("SUM", value, axis=None) for name, value in sums.items()})
    assert results(merged(totals, joined_of(METRIC)), METRIC)["frechet"] == pytest.approx(whole, rel=1e-6)


def test_without_pairs_each_counts_once():
    pictures, images = batch()
    counted = np.ones((40, 2), np.float32)
    counted[25:, 0] = counted[33:, 1] = 0.0
    found = evaluate(lambda x: x, [(images, {"picture": pictures, "counted": counted})], METRIC)["frechet"]
    real = np.asarray(features(np.float32(pictures / 127.5 - 1.0)))[:33]
    assert found == pytest.approx(oracle(real, np.asarray(features(images))[:25]), rel=1e-5)


def test_normal_distributions_that_are_known():
    """Of commuting covariances: the squared distance of the roots; the root of a singular product exists too."""
    one, other = np.diag([1.0, 4.0, 9.0]), np.diag([4.0, 4.0, 0.25])
    expected = 3 * 0.25 + (1 - 2) ** 2 + 0 + (3 - 0.5) ** 2
    assert frechet_distance(np.zeros(3), one, np.full(3, 0.5), other) == pytest.approx(expected)
    few = np.outer([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert frechet_distance(np.zeros(3), few, np.zeros(3), few) == pytest.approx(0.0, abs=1e-4)


# Networks that judge --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A file as an export leaves it: 6x6 RGB, normalised by what it records."""
    image = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu", kernel_initializer=keras.initializers.HeNormal(seed=0))(image)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, keras.layers.Dense(3, kernel_initializer=keras.initializers.HeNormal(seed=1))(x))
    folder = tmp_path_factory.mktemp("run")
    model.save(folder / "student.keras")
    file_record.write(folder / "student.keras", list("abc"), (0.4, 0.5, 0.6), (0.2, 0.3, 0.4))
    return folder, keras.Model(image, x)


def test_a_run_gives_its_embedding_of_pixels_in_its_own_size(classifier):
    folder, embedding = classifier
    images = np.random.default_rng(0).uniform(-1, 1, (3, 12, 12, 1)).astype(np.float32)
    pixels = whole(images)
    small = pixels.reshape(3, 6, 2, 6, 2, 1).mean((2, 4))  # Half the size, from the centres: the mean of four.
    given = (np.repeat(small, 3, axis=-1) / 255.0 - (0.4, 0.5, 0.6)) / (0.2, 0.3, 0.4)
    for name in (folder, folder / "student.keras"):
        judge = Judge(str(name), "embedding")
        np.testing.assert_allclose(judge(images), embedding(np.float32(given)), rtol=1e-4, atol=1e-5)
    assert Judge(str(folder / "student.keras"), "embedding").title == "student"
    levels = np.arange(256, dtype=np.float32).reshape(1, 16, 16, 1)
    np.testing.assert_array_equal(Judge(f"{__file__}:as_they_are", "")(levels / np.float32(127.5) - 1.0), levels)


def test_a_network_of_the_zoo_judges_by_its_embedding():
    """It takes pixels as its card says, and its taps are its own."""
    card, network = zoo.card("standard"), keras_file.load(zoo.path("standard"))
    mean, std = (card["normalisation"][key] for key in ("mean", "std"))
    images = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    judge = Judge("zoo:standard", "embedding")
    expected = network(np.float32((whole(images) / 255.0 - mean) / std))["embedding"]
    np.testing.assert_allclose(judge(images), expected, rtol=1e-4, atol=1e-4)
    assert judge.title == "standard"


def test_a_run_gives_its_scores_of_every_pixel(tmp_path):
    image = keras.Input((6, 6, 3))
    segmenter = keras.Model(image, keras.layers.Conv2D(4, 3, padding="same")(image))
    segmenter.save(tmp_path / "student.keras")
    file_record.write(tmp_path / "student.keras", list("abcd"), (0.4, 0.5, 0.6), (0.2, 0.3, 0.4))
    images = np.random.default_rng(0).uniform(-1, 1, (2, 6, 6, 3)).astype(np.float32)
    expected = segmenter(np.float32((whole(images) / 255.0 - (0.4, 0.5, 0.6)) / (0.2, 0.3, 0.4)))
    np.testing.assert_allclose(Judge(str(tmp_path), "logits")(images), expected, rtol=1e-4, atol=1e-4)


def whole(images):
    """Truncated to pixels, which those within 1/256 of the next one are already."""
    return np.floor(np.float32(127.5) * (images + np.float32(1.0)) + np.float32(2**-8))


def as_they_are(pixels):
    return pixels


def test_a_file_judges_too(classifier, tmp_path):
    """Pixels in, embedding out, by LiteRT."""
    _, embedding = classifier
    image = keras.Input((6, 6, 3), batch_size=1)
    model = keras.Model(image, embedding(keras.layers.Rescaling(1 / 255)(image)))
    (tmp_path / "judge.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    judge = Judge(str(tmp_path / "judge.tflite"), "embedding")
    images = np.random.default_rng(0).uniform(-1, 1, (3, 6, 6, 3)).astype(np.float32)
    expected = embedding(whole(images) / np.float32(255.0))
    np.testing.assert_allclose(tf.function(judge)(images), expected, rtol=1e-4, atol=1e-5)


def test_what_is_no_judge(classifier, tmp_path):
    folder, _ = classifier
    with pytest.raises(ValueError, match=r"given by its path or name. Received: 3"):
        Judge(3, "embedding")
    with pytest.raises(UserError, match="or a run whose student was exported"):
        Judge(str(tmp_path), "embedding").open()
    with pytest.raises(UserError, match=r"takes 3 channels. Received: pictures of 2"):
        Judge(str(folder), "embedding")(np.zeros((1, 6, 6, 2), np.float32))
    with pytest.raises(UserError, match="scores for every pixel"):
        SegmentedOverlap(lambda x: np.zeros((1, 6, 6)), 255, "s").sums(
            {"labels": np.zeros((1, 6, 6))}, None, np.ones(1)
        )


def test_a_segmenters_overlap_is_that_of_its_classes():
    random = np.random.default_rng(0)
    labels, images = random.integers(0, 3, (4, 6, 8)).astype(np.uint8), random.random((4, 3, 4, 3)).astype(np.float32)
    labels[0, 0] = 255
    metric = {"miou": SegmentedOverlap(lambda x: x, 255, "colours")}
    found = evaluate(lambda x: x, [(images, {"picture": None, "labels": labels})], metric)["miou"]
    answers = np.asarray(tf.image.resize(images, (6, 8))).argmax(-1)
    matrix = confusion_matrix(labels[labels != 255], answers[labels != 255])
    hits = np.diag(matrix)
    assert found == pytest.approx(np.mean(hits / (matrix.sum(0) + matrix.sum(1) - hits)))
