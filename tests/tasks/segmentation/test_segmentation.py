"""The task: its terms, weights from data, what a file gives, and the study of each class."""

import csv
import types

import keras
import numpy as np
import pytest

from odtf import data, losses, tasks
from odtf.data import Info
from odtf.errors import UserError
from odtf.targets import TARGETS
from odtf.tasks.segmentation import VOID, Segmentation, frequencies
from odtf.tasks.study import Study
from tests.tasks.segmentation.test_overlap import random_maps

INFO = Info("scenes", (9, 7, 3), tuple("abcdef"))


@pytest.fixture(scope="module")
def maps():
    return random_maps(0)


@pytest.fixture(scope="module")
def dataset():
    masks = np.zeros((6, 4, 4), np.uint8)
    masks[:2, 0] = 1
    masks[:2, 1] = VOID
    masks[0, 3, 3] = 2
    store = data.MemoryStore(np.zeros((6, 4, 4, 3), np.uint8), {"mask": masks}, Segmentation.targets)
    return data.ImageDataset("made", tuple("abcd"), (4, 4, 3), (0,) * 3, (1,) * 3, {"train": data.Split(store)})


def test_it_is_found():
    assert tasks.find("segmentation") is Segmentation is tasks.Segmentation
    assert Segmentation().choice == "miou"


def test_the_supervised_term_is_a_sum_of_losses(maps):
    masks, scores = maps
    terms = {
        "cross_entropy": losses.pixel_cross_entropy(masks, scores, VOID),
        "dice": losses.dice(masks, scores, VOID),
        "focal": losses.focal(masks, scores, VOID, 1.5),
        "hard_pixels": losses.hard_pixels(masks, scores, VOID, 0.1),
    }
    for names in ("cross_entropy", "dice", "focal+dice", "hard_pixels+cross_entropy"):
        found = Segmentation(names, gamma=1.5, hard_share=0.1).supervised(masks, scores)
        np.testing.assert_allclose(found, sum(terms[name] for name in names.split("+")), rtol=1e-6)


def test_distillation_is_of_pixels_or_of_channels(maps):
    one, other = maps[1], random_maps(1)[1]
    for name, loss in (("pixel", losses.pixel_kl), ("channel", losses.channel_kl)):
        np.testing.assert_array_equal(Segmentation(distillation=name).distil(one, other, 3.0), loss(one, other, 3.0))


def test_weights_follow_from_the_training_masks(dataset):
    """By hand: 79 pixels of a, 8 of b in two images of 12 that count, 1 of c in one of them, none of d."""
    counts = np.array([6 * 16 - 2 * 8 - 1, 8, 1])
    total = counts.sum()
    inverse = frequencies.class_weights(dataset, "inverse", VOID)
    np.testing.assert_allclose(inverse[:3], total / (3 * counts))
    assert inverse[3] == 1.0
    shares = counts / np.array([total, 24, 12])
    median = frequencies.class_weights(dataset, "median_frequency", VOID)
    np.testing.assert_allclose(median[:3], np.median(shares) / shares)


def test_the_task_weighs_once_it_has_seen_the_data(dataset):
    masks, scores = random_maps(2, classes=4)
    task = Segmentation(class_weights="inverse")
    with pytest.raises(ValueError, match=r"call task\.observe.*'inverse'"):
        task.supervised(masks, scores)
    task.observe(dataset)
    weights = frequencies.class_weights(dataset, "inverse", VOID)
    wanted = losses.pixel_cross_entropy(masks, scores, VOID, weights)
    np.testing.assert_allclose(task.supervised(masks, scores), wanted, rtol=1e-6)
    given = Segmentation(class_weights=list(weights))
    given.observe(dataset)
    np.testing.assert_allclose(given.supervised(masks, scores), wanted, rtol=1e-6)
    with pytest.raises(UserError, match=r"one number for each of 4 classes. Received: 3"):
        Segmentation(class_weights=[1.0, 2.0, 3.0]).observe(dataset)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"loss": "huber"}, "loss is one of.*'huber'"),
        ({"loss": "dice+dice"}, "loss is one of"),
        ({"distillation": "image"}, "'pixel' or 'channel'.*'image'"),
        ({"answers": "mask"}, "answers is None or one of.*'mask'"),
        ({"gamma": -1.0}, "gamma must not be negative"),
        ({"hard_share": 0.0}, r"hard_share must lie in \(0, 1\]"),
        ({"class_weights": "square"}, "class_weights is None, one of inverse, median_frequency.*'square'"),
        ({"class_weights": [1, -1]}, "class_weights is None"),
        ({"class_weights": "inverse", "loss": "dice"}, "are of the cross-entropy.*'dice'"),
    ],
)
def test_what_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Segmentation(**arguments)


@pytest.mark.parametrize(
    ("answers", "target", "name", "kind", "rank"),
    [
        (None, "soc", "logits", None, 4),
        (None, "phone", "scores", "float32", 4),
        ("classes", "soc", "classes", "int32", 3),
        ("classes", "phone", "classes", "uint8", 3),
        ("probabilities", "soc", "scores", None, 4),
        ("logits", "phone", "logits", None, 4),
    ],
)
def test_what_a_file_gives(answers, target, name, kind, rank, maps):
    task, target = Segmentation(answers=answers), TARGETS[target]
    answer = task.answer(INFO, target, "int8")
    assert (answer.name, answer.dtype, len(answer.shape)) == (name, kind, rank)
    logits = 3 * maps[1] - 1
    image = keras.Input((9, 7, 6))
    folded = keras.Model(image, task.fold(image, target))(logits)
    folded = keras.ops.softmax(folded) if answer.softmax else folded
    assert answer.softmax == (name == "scores" and target.name == "phone")
    assert tuple(folded.shape[1:]) == answer.shape[1:] and (kind is None or folded.dtype == kind)
    np.testing.assert_allclose(folded, task.folded(logits, target), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(task.comparable(folded, INFO).argmax(-1), logits.argmax(-1))
    assert task.card(INFO, target)["end"] in ("logits", "probabilities", "classes")
    assert "Image segmenter, 6 classes of scenes" in task.card(INFO, target)["title"] + task.describe(INFO)


def test_data_that_do_not_fit_are_refused_before_the_export():
    task = Segmentation()
    task.check(INFO, (None, 9, 7, 6))
    for shape in ((None, 9, 7, 5), (None, 9, 8, 6)):
        with pytest.raises(UserError, match="answers"):
            task.check(INFO, shape)
    with pytest.raises(UserError, match=r"one line of .* blank"):
        task.check(Info("x", (9, 7, 3), ("a", " ")), (None, 9, 7, 2))


def file_of(shape):
    return types.SimpleNamespace(output={"shape": shape}, image_size=(9, 7), path="x.tflite")


def test_files_of_scores_and_of_classes_are_read_alike(maps):
    task, scores = Segmentation(), maps[1]
    of_scores, of_classes = (task.reader(file_of(shape), INFO) for shape in ((1, 9, 7, 6), (1, 9, 7)))
    assert of_classes.facts["answers"] == "classes"
    np.testing.assert_array_equal(of_scores(scores).argmax(-1), of_classes(scores.argmax(-1)).argmax(-1))
    with pytest.raises(UserError, match=r"scores, or .*classes\. Received: \(1, 9, 7, 5\) in x\.tflite"):
        task.reader(file_of((1, 9, 7, 5)), INFO)


def test_the_study_tells_of_every_class(maps, tmp_path):
    masks, scores = maps
    task = Segmentation()
    study, plain = task.study(INFO), Study(task, INFO)
    for part in (slice(0, 5), slice(5, 12)):
        study.add(masks[part], scores[part], scores[part][::-1])
        plain.add(masks[part], scores[part], scores[part][::-1])
    result, base = study.result(), plain.result()
    assert {key: result[key] for key in base if key != "against"} == {k: v for k, v in base.items() if k != "against"}
    rows = result["classes"]
    assert np.mean([row["iou"] for row in rows]) == pytest.approx(result["miou"])
    assert sum(row["pixels"] for row in rows) == (masks != VOID).sum()
    worst = min(rows, key=lambda row: row["recall"])
    own = masks == "abcdef".index(worst["name"])
    assert worst["recall"] == pytest.approx(np.mean(scores.argmax(-1)[own] == masks[own]))
    assert result["against"]["classes"] != rows and result["against"]["agreement"] < 1.0
    assert [line.split()[0] for line in study.details(result).splitlines()[-6:]] == list("abcdef")
    (path,) = study.write(result, tmp_path / "x.json")
    with open(path, newline="") as file:
        table = np.array(list(csv.reader(file)))[1:, 1:].astype(int)
    np.testing.assert_array_equal(table, study.confusion())
