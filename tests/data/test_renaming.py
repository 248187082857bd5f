"""Data in another order of names: every value is looked up, and what is no class stays."""

import numpy as np
import pytest

from odtf import data
from odtf.data.renaming import in_order
from odtf.errors import UserError


def test_labels_are_positions_in_the_new_names():
    digits = data.load("digits")
    names = ["none", *map(str, reversed(range(10)))]
    found = in_order(digits, names)
    assert found.names == tuple(names) and found.image_shape == digits.image_shape
    for part, split in digits.splits.items():
        np.testing.assert_array_equal(found.splits[part].targets, 10 - split.targets)
        images, labels = found.splits[part].take(np.array([3, 1]))
        np.testing.assert_array_equal(images, split.take(np.array([3, 1]))[0])
        _, gathered = found.splits[part].store.gather(found.splits[part].rows[[3, 1]])
        np.testing.assert_array_equal(gathered["label"], labels)
        assert labels.dtype == split.targets.dtype
    assert in_order(digits, digits.names) is digits


def test_masks_keep_what_counts_for_nothing():
    masks = np.array([[[0, 1], [2, 255]]] * 3, np.uint8)
    target = {"mask": data.Target(None, "uint8", "nearest", 255)}
    store = data.MemoryStore(np.zeros((3, 2, 2, 1), np.uint8), {"mask": masks}, target)
    whole = data.ImageDataset("m", ("a", "b", "c"), (2, 2, 1), (0.0,), (1.0,), {"test": data.Split(store)})
    found = in_order(whole, ("c", "a", "b")).splits["test"].targets
    np.testing.assert_array_equal(found[0], [[1, 2], [0, 255]])


@pytest.mark.parametrize(("names", "words"), [("012345678", "without 9"), ("01234567899", "'9' twice")])
def test_names_that_do_not_serve_are_refused(names, words):
    with pytest.raises(UserError, match=words):
        in_order(data.load("digits"), list(names))
