"""Splits, statistics, and what is the same whether images are in memory or streamed."""

import numpy as np
import pytest

from odtf import data
from odtf.data.dataset import channel_statistics
from odtf.data.stores import MemoryStore


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


def contents(dataset):
    return {name: split.images.tobytes() for name, split in dataset.splits.items()}


def test_digits(digits):
    assert digits.image_shape == (8, 8, 1) and len(digits.names) == 10
    assert digits.names == tuple("0123456789")
    assert sum(map(len, digits.splits.values())) == 1797
    assert list(digits.splits) == ["train", "validation", "test"]
    images, labels = digits.splits["test"].images, digits.splits["test"].targets
    assert images.dtype == np.uint8 and images.max() == 255 and images.min() == 0
    assert labels.dtype == np.int32
    # 20 % for the test, 10 % of the rest for validation, and of every class.
    assert len(labels) == pytest.approx(359, abs=5)
    assert np.bincount(labels).min() >= 34
    assert np.bincount(digits.splits["validation"].targets).min() >= 13


def test_splits_are_disjoint(digits):
    rows = np.concatenate([split.rows for split in digits.splits.values()])
    assert sorted(rows) == list(range(1797))


def test_the_test_split_does_not_depend_on_the_seed(digits):
    again, other = data.load("digits"), data.load("digits", seed=1)
    assert contents(again) == contents(digits)
    assert contents(other)["test"] == contents(digits)["test"]
    assert contents(other)["validation"] != contents(digits)["validation"]


def test_a_smaller_training_split_leaves_the_others_alone(digits):
    small, smaller = (data.load("digits", max_train_examples=n) for n in (100, 50))
    assert len(small.splits["train"]) == 100
    assert set(smaller.splits["train"].rows) < set(small.splits["train"].rows) < set(digits.splits["train"].rows)
    assert contents(small)["validation"] == contents(digits)["validation"]
    assert contents(small)["test"] == contents(digits)["test"]


def test_statistics_are_those_of_the_training_split(digits):
    pixels = digits.splits["train"].images / 255.0
    np.testing.assert_allclose(digits.mean, pixels.mean(axis=(0, 1, 2)), atol=1e-9)
    np.testing.assert_allclose(digits.std, pixels.std(axis=(0, 1, 2)), atol=1e-9)


def test_a_channel_that_never_varies_is_divided_by_one():
    images = np.random.RandomState(0).randint(0, 256, (20, 4, 4, 3)).astype(np.uint8)
    images[..., 1] = 77
    mean, std = channel_statistics(data.Split(MemoryStore(images, {"label": np.zeros(20, int)})), 0)
    np.testing.assert_allclose(mean, images.mean((0, 1, 2)) / 255.0, rtol=1e-9)
    assert std[1] == 1.0
    np.testing.assert_allclose(std[::2], images.std((0, 1, 2))[::2] / 255.0, rtol=1e-9)
    # One pixel that differs by a level is a variation all the same.
    images[0, 0, 0, 1] = 78
    assert 0.0 < channel_statistics(data.Split(MemoryStore(images, {"label": np.zeros(20, int)})), 0)[1][1] < 1e-3


def test_statistics_may_be_given():
    dataset = data.load("digits", mean=(0.25,), std=0.5)
    assert dataset.mean == (0.25,) and dataset.std == (0.5,)


def test_describe(digits):
    line = digits.describe()
    assert "\n" not in line
    for part in ("digits", "10 classes", "8x8x1", f"train {len(digits.splits['train'])}", "in memory"):
        assert part in line


def test_take(digits):
    train = digits.splits["train"]
    images, labels = train.take([5, 0])
    np.testing.assert_array_equal(images, train.images[[5, 0]])
    np.testing.assert_array_equal(labels, train.targets[[5, 0]])


def test_calibration_images_are_a_seeded_choice_of_training_images(digits):
    images = data.calibration_images(digits, 32, 0)
    assert images.shape == (32, 8, 8, 1) and images.dtype == np.uint8
    known = {image.tobytes() for image in digits.splits["train"].images}
    assert all(image.tobytes() in known for image in images)
    np.testing.assert_array_equal(images, data.calibration_images(digits, 32, 0))
    assert not np.array_equal(images, data.calibration_images(digits, 32, 1))
    assert len(data.calibration_images(digits, 10_000, 0)) == len(digits.splits["train"])


@pytest.fixture(params=["folder", "tfds"])
def source(request):
    """The arguments of a set on disk, of 30 images."""
    if request.param == "folder":
        return {"name": f"folder:{request.getfixturevalue('image_folder')}"}
    return {"name": "tiny", "data_dir": request.getfixturevalue("tiny_tfds")}


def test_streaming_changes_nothing(source):
    held, streamed = (data.load(**source, memory_budget_mb=budget) for budget in (1, 0))
    assert "in memory" in held.describe() and "streamed" in streamed.describe()
    assert contents(held) == contents(streamed)
    for name in held.splits:
        np.testing.assert_array_equal(held.splits[name].targets, streamed.splits[name].targets)
    assert held.mean == streamed.mean and held.std == streamed.std
    a, b = (
        data.TrainPipeline(d, batch_size=4, seed=1, augment={"pad": 1, "flip": True}, num_views=2)
        for d in (held, streamed)
    )
    for step, batch in zip(range(3, 9), b.dataset(3, replicas=(0, 1), num_replicas=2).take(12).batch(2), strict=False):
        for got, want, again in zip(batch, a.batch(step), b.batch(step), strict=True):
            np.testing.assert_array_equal(np.concatenate(list(got.numpy())), want)
            np.testing.assert_array_equal(again, want)


def test_streamed_evaluation_equals_that_in_memory(source):
    held, streamed = (data.load(**source, memory_budget_mb=budget) for budget in (1, 0))
    batches = [list(data.eval_dataset("test", d, batch_size=4)) for d in (held, streamed)]
    assert len(batches[0]) == len(batches[1]) == -(-len(held.splits["test"]) // 4)
    for one, other in zip(*batches, strict=True):
        for got, want in zip(one, other, strict=True):
            np.testing.assert_array_equal(got, want)


def test_splits_share_one_store(image_folder):
    dataset = data.load(f"folder:{image_folder}")
    assert len({id(split.store) for split in dataset.splits.values()}) == 1
    assert len(dataset.splits["train"].store) == 30
