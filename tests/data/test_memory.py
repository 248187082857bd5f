"""Arrays of this process, and tf.data, as a data set."""

import numpy as np
import pytest
import tensorflow as tf

from odtf import data, run_exports, runs
from odtf.data import Target
from odtf.errors import UserError
from odtf.training import strategy
from tests.training.test_experiment import small

IMAGES = np.random.RandomState(0).randint(0, 256, (60, 8, 8, 1)).astype(np.uint8)
LABELS = np.arange(60) % 3
ONE_HOT = np.eye(3)[LABELS]


def content(dataset):
    """Images and targets of every split."""
    return {part: (split.images, split.targets) for part, split in dataset.splits.items()}


def assert_same(one, two):
    assert one.keys() == two.keys()
    for part in one:
        for a, b in zip(one[part], two[part], strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("labels", [LABELS, LABELS[:, None], ONE_HOT, ONE_HOT.astype(int), ONE_HOT > 0, LABELS * 1.0])
def test_labels_in_every_form_are_the_same_data(labels):
    loaded = data.load(data.from_arrays((IMAGES, labels)))
    assert loaded.names == ("0", "1", "2") and loaded.image_shape == (8, 8, 1)
    assert {part: len(split) for part, split in loaded.splits.items()} == {"train": 42, "validation": 6, "test": 12}
    assert_same(content(loaded), content(data.load(lambda: (("a", "b", "c"), {"train": (IMAGES, labels)}))))
    assert loaded.splits["train"].targets.dtype == np.int32


@pytest.mark.parametrize("batch", [None, 7])
def test_tf_data_is_read_once(batch):
    dataset = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS))
    dataset = dataset if batch is None else dataset.batch(batch)
    loaded = data.load(data.from_arrays(dataset, test=dataset.take(1), names=["ash", "birch", "cedar"]))
    assert loaded.names == ("ash", "birch", "cedar")
    assert len(loaded.splits["test"]) == (batch or 1)
    together = data.load(
        data.from_arrays((IMAGES, LABELS), (IMAGES[:5], LABELS[:5]), (IMAGES[: batch or 1], LABELS[: batch or 1]))
    )
    np.testing.assert_array_equal(loaded.splits["test"].images, together.splits["test"].images)
    np.testing.assert_array_equal(together.splits["train"].images, IMAGES)


def test_grey_images_may_lack_their_channel_and_targets_have_names():
    targets = {"value": Target(dtype="float32"), "index": Target()}
    name = data.from_arrays((IMAGES[..., 0], {"value": LABELS / 2, "index": LABELS[:, None]}))
    loaded = data.load(name, targets=targets)
    assert loaded.names == () and loaded.image_shape == (8, 8, 1)
    found = loaded.splits["train"].targets
    np.testing.assert_array_equal(found["value"], found["index"] / 2)


def test_the_name_is_that_of_the_data():
    name = data.from_arrays((IMAGES, LABELS), title="photos")
    assert name.startswith("memory:photos-") and name == data.from_arrays((IMAGES.copy(), LABELS), title="photos")
    others = [
        data.from_arrays((IMAGES + np.uint8(1), LABELS), title="photos"),
        data.from_arrays((IMAGES, LABELS[::-1]), title="photos"),
        data.from_arrays((IMAGES, LABELS), names=["a", "b", "c"], title="photos"),
        data.from_arrays((IMAGES, LABELS), (IMAGES, LABELS), title="photos"),
    ]
    assert len({name, *others}) == 5


def test_it_is_trained_and_exported_and_other_data_are_another_config(tmp_path):
    config = small(epochs=1)
    config.data.name = data.from_arrays((IMAGES, LABELS))
    config.batch_size = 16
    report = runs.train(config, tmp_path, strategy.make_placement())
    assert report["dataset"] == config.data.name
    run_exports.export_workdir(tmp_path, "soc", "int8")
    assert (tmp_path / "export" / "soc" / "labels.txt").read_text().split() == ["0", "1", "2"]
    config.data.name = data.from_arrays((IMAGES, LABELS[::-1]))
    with pytest.raises(UserError, match=r"another config.*data.name: memory:arrays-\w+ -> memory:arrays-\w+"):
        runs.train(config, tmp_path, strategy.make_placement())


def of_ones_own():
    return data.from_arrays((IMAGES, LABELS))


def test_a_function_that_returns_it_is_a_source_for_every_process():
    loaded = data.load("tests/data/test_memory.py:of_ones_own")
    assert_same(content(loaded), content(data.load(of_ones_own())))


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (IMAGES, r"'train' of a data source is \(images, values\), or a tf.data.Dataset.*Received: ndarray"),
        ((IMAGES, LABELS, LABELS), r"'train' of a data source is \(images, values\)"),
        ((IMAGES, ["ash", "birch"] * 30), r"position of its name among the names\. Received: for 'train' <U5"),
        (([np.zeros((4, 4, 1), np.uint8), np.zeros((5, 4, 1), np.uint8)], [0, 1]), "must have one shape"),
        ((IMAGES[:0], LABELS[:0]), r"needs an image\. Received: \(0, 8, 8, 1\)"),
        (tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).repeat(), "must end: leave repeat"),
        (tf.data.Dataset.from_tensor_slices({"image": IMAGES}), "gives pairs of images"),
        (tf.data.Dataset.from_tensor_slices((IMAGES, LABELS, LABELS)), "gives pairs of images"),
        (tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).take(0), "an empty tf.data.Dataset"),
        (
            tf.data.Dataset.from_generator(
                lambda: ((np.zeros((4 + i, 4, 1), np.uint8), 0) for i in range(2)),
                output_signature=(tf.TensorSpec((None, 4, 1), tf.uint8), tf.TensorSpec((), tf.int32)),
            ),
            "must have one shape",
        ),
    ],
)
def test_what_is_no_split_is_refused_in_one_line(split, message):
    with pytest.raises(UserError, match=message) as caught:
        data.from_arrays(split)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ((IMAGES / 255.0, LABELS), "Images must be a uint8 array"),
        ((IMAGES, LABELS[:5]), r"numbers of shape \(60,\)"),
        ((IMAGES, LABELS + 0.5), "must hold values of int32"),
        ((IMAGES, ONE_HOT * 0.5), r"one-hot \[n, classes\] with a single 1 in each row\. Received: float64 \(60, 3\)"),
        ((IMAGES, 1 - ONE_HOT), "single 1 in each row"),
        ((IMAGES, LABELS - 1), r"Labels must be positions in the 2 names, from 0\. Received: -1"),
        ((IMAGES, {"class": LABELS}), "values of its targets, label. Received: class"),
    ],
)
def test_what_does_not_fit_the_task_is_refused_in_one_line(split, message):
    with pytest.raises(UserError, match=message):
        data.load(data.from_arrays(split))


def test_another_process_is_told_what_to_do():
    with pytest.raises(UserError, match=r"live in the process .*FILE.py:FUNCTION.*Received: 'memory:photos-1234'"):
        data.load("memory:photos-1234")
