"""Classes of very different sizes: drawn equally often, and split alike where their labels are read first."""

import numpy as np
import pytest

from odtf import data
from odtf.data.stores import MemoryStore
from odtf.errors import UserError
from odtf.tasks import Segmentation
from tests.data.conftest import prepare_tfds

COUNTS = (50, 9, 1)


def dataset():
    """Image i is of the value i in its first pixel."""
    count = sum(COUNTS)
    images = np.zeros((count, 4, 4, 3), np.uint8)
    images[:, 0, 0] = np.arange(count)[:, None]
    labels = np.repeat(np.arange(3), COUNTS)
    train = data.Split(MemoryStore(images, {"label": labels}))
    return data.ImageDataset("made", ("a", "b", "c"), (4, 4, 3), (0.0,) * 3, (1 / 255.0,) * 3, {"train": train})


def pipeline(batch_size=12, **options):
    return data.TrainPipeline(dataset(), batch_size=batch_size, seed=3, balanced=True, **options)


def drawn(pipeline, steps):
    """Ids and labels of the images of some steps."""
    batches = [pipeline.batch(step) for step in steps]
    ids = [np.rint(images.numpy()[:, 0, 0, 0]).astype(int) for images, _ in batches]
    return np.stack(ids), np.stack([labels.numpy() for _, labels in batches])


def test_classes_are_drawn_equally_often():
    made = pipeline()
    assert made.steps_per_epoch == 60 // 12
    ids, labels = drawn(made, range(20))
    np.testing.assert_array_equal(np.stack([np.bincount(row, minlength=3) for row in labels]), 4)
    np.testing.assert_array_equal(labels, np.searchsorted(np.cumsum(COUNTS), ids, side="right"))
    # 80 of each class: every image of the first once before any twice, of the second 8 or 9 times each.
    seen = np.bincount(ids.ravel(), minlength=60)
    assert set(seen[:50]) == {1, 2} and set(seen[50:59]) == {8, 9} and seen[59] == 80
    first = ids.ravel()[labels.ravel() == 1]
    # A pass is a permutation, and each another; the order within a batch is another matter.
    passes = [ids[step][labels[step] == 1] for step in range(20)]
    assert len({tuple(np.concatenate(passes)[i : i + 9]) for i in range(0, 72, 9)}) > 4 and len(first) == 80


def test_places_of_a_class_differ_from_batch_to_batch():
    _, labels = drawn(pipeline(), range(6))
    assert len({tuple(row) for row in labels}) == 6


def test_a_batch_that_classes_do_not_divide():
    _, labels = drawn(pipeline(batch_size=10), range(9))
    counts = np.cumsum([np.bincount(row, minlength=3) for row in labels], axis=0)
    assert np.ptp(counts, axis=1).max() <= 1


def test_replicas_and_a_resume_see_the_same():
    made = pipeline(augment={"pad": 1, "mixup": 0.5})
    for step in (0, 7):
        whole = made.batch(step)
        halves = [made.batch(step, replica, 2) for replica in (0, 1)]
        for one, parts in zip(whole, zip(*halves, strict=True), strict=True):
            np.testing.assert_array_equal(one, np.concatenate(parts))
    for one, other in zip(whole, next(iter(made.dataset(start_step=7))), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_class_without_images_is_left_out():
    made = dataset()
    made.names = ("a", "b", "c", "none")
    _, labels = drawn(data.TrainPipeline(made, batch_size=12, seed=3, balanced=True), range(3))
    np.testing.assert_array_equal(np.bincount(labels.ravel(), minlength=4), (12, 12, 12, 0))


def test_what_has_no_class_is_refused():
    scenes = data.load("digit_scenes", targets=Segmentation.targets)
    with pytest.raises(UserError, match=r"balanced=False would be right\. Received: balanced=True with mask\.$"):
        data.TrainPipeline(scenes, batch_size=8, seed=0, balanced=True)
    with pytest.raises(UserError, match=r"leave it, or the domains, out\. Received: balanced=True with 1 domains"):
        data.TrainPipeline(dataset(), batch_size=8, seed=0, balanced=True, domains=[object()])


def test_splits_of_a_tfds_set_are_stratified_on_request(tmp_path):
    folder = prepare_tfds(tmp_path, images=60)
    options = {"data_dir": folder, "validation_fraction": 0.25, "seed": 1}
    for budget in (0, 100):
        even = data.load("tiny", stratify=True, memory_budget_mb=budget, **options)
        counts = {part: np.bincount(split.targets, minlength=3).tolist() for part, split in even.splits.items()}
        assert counts == {"train": [12] * 3, "validation": [4] * 3, "test": [4] * 3}
    plain = data.load("tiny", **options)
    assert any(len(set(np.bincount(split.targets, minlength=3))) > 1 for split in plain.splits.values())
    with pytest.raises(UserError, match=r"stratify is for .* Received: stratify=True for digit_scenes with mask\.$"):
        data.load("digit_scenes", stratify=True, targets=Segmentation.targets)
