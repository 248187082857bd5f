"""A user's function as a data source."""

import numpy as np
import pytest

from odtf import data
from odtf.data import Split, Target
from odtf.data.stores import MemoryStore
from odtf.errors import UserError

IMAGES = np.random.RandomState(0).randint(0, 256, (40, 6, 5, 3)).astype(np.uint8)
VALUES = np.linspace(0.0, 1.0, 40)
TARGETS = {"value": Target(dtype="float32")}


def arrays():
    return (), {"train": (IMAGES, VALUES)}


def whole(argument, *, data_dir, image_size, targets):
    assert argument is None and data_dir == "DIR" and image_size is None
    return (), {"train": Split(MemoryStore(IMAGES, {"value": VALUES}, targets)), "test": (IMAGES[:4], VALUES[:4])}


def test_arrays_are_enough():
    loaded = data.load(arrays, targets=TARGETS)
    assert loaded.name == "arrays" and loaded.image_shape == (6, 5, 3)
    assert {part: len(split) for part, split in loaded.splits.items()} == {"train": 29, "validation": 3, "test": 8}
    images, values = loaded.splits["test"].take([0])
    (row,) = np.flatnonzero((images[0] == IMAGES).all(axis=(1, 2, 3)))
    assert values[0] == np.float32(VALUES[row])


def test_it_may_take_what_a_source_of_odtf_takes():
    loaded = data.load(whole, targets=TARGETS, data_dir="DIR")
    assert np.array_equal(loaded.splits["test"].images, IMAGES[:4])


def test_several_targets_come_by_name():
    targets = {**TARGETS, "index": Target()}
    values = {"value": VALUES, "index": np.arange(40)}
    loaded = data.load(lambda: ((), {"train": (IMAGES, values)}), targets=targets)
    found = loaded.splits["train"].targets
    assert np.array_equal(found["value"], np.float32(VALUES[found["index"]]))


@pytest.mark.parametrize(
    "source",
    [
        lambda image_size: ((), {"train": (IMAGES, VALUES)}),
        lambda data_dir=None, *, targets: ((), {"train": (IMAGES, VALUES)}),
        lambda argument, image_size: ((), {"train": (IMAGES, VALUES)}),
    ],
)
def test_a_function_takes_what_it_has_a_use_for(source):
    assert data.load(source, targets=TARGETS).image_shape == IMAGES.shape[1:]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (lambda: None, r"returns \(names, splits\).*Received: NoneType"),
        (lambda: (IMAGES, VALUES), r"returns \(names, splits\)"),
        (lambda: ((), {"train": IMAGES}), r"'train' of a data source is \(images, values\)"),
        (lambda: ((), {"test": (IMAGES, VALUES)}), "A source gives 'train'"),
        (lambda: ((), {"train": (IMAGES / 255.0, VALUES)}), "Images must be a uint8 array"),
        (lambda: ((), {"train": (IMAGES, VALUES[:3])}), r"numbers of shape \(40,\)"),
        ("os.path:sep", "A data source is a function. Received: 'os.path:sep'"),
        ("os.path:nothing", "a data source called nothing"),
    ],
)
def test_what_is_none_is_refused_in_one_line(source, message):
    with pytest.raises(UserError, match=message):
        data.load(source, targets=TARGETS)
