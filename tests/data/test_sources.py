"""Sources by the names of their files, and sources that are functions."""

import numpy as np
import pytest

from odtf import data
from odtf.data import sources
from odtf.data.samples import LABEL
from odtf.errors import UserError
from tests.data.conftest import make_dataset

NUMBER = {"price": data.Target((), "float32")}


def prices(argument, *, data_dir, image_size, targets):
    """A source of one float a picture, which grows with the picture's number."""
    assert argument is None
    images = np.arange(30, dtype=np.uint8).reshape(30, 1, 1, 1) * np.ones((1, *(image_size or (4, 4)), 1), np.uint8)
    store = data.MemoryStore(images, {"price": np.arange(30) / 4.0}, NUMBER)
    return (), {"train": data.Split(store)}


def test_a_source_is_a_file():
    assert sources.names() == ["digit_pictures", "digit_scenes", "digits", "folder", "memory", "reversed", "tfds"]
    for name, argument, module in [
        ("digits", "", "digits"),
        ("folder:a:b", "a:b", "folder"),
        ("folder", "", "folder"),
        ("cifar10", "cifar10", "tfds"),
        ("svhn_cropped:3.1.0", "svhn_cropped:3.1.0", "tfds"),
        ("tfds:digits", "digits", "tfds"),
        ("reversed:folder:a", "folder:a", "reversed"),
    ]:
        open_source, got = sources.find(name)
        assert (open_source.__module__, got) == (f"odtf.data.sources.{module}", argument)


def test_every_source_says_what_it_is_called():
    for name in sources.names():
        module = sources._module(name)
        assert module.FORM in str(sources.unknown("?")) and module.__doc__


def test_a_function_is_a_source():
    dataset = data.load(prices, targets=NUMBER, image_size=5, validation_fraction=0.25)
    assert dataset.info == data.Info("prices", (5, 5, 1), ())
    assert "classes" not in dataset.describe()
    assert {name: len(split) for name, split in dataset.splits.items()} == {"train": 18, "validation": 6, "test": 6}
    for split in dataset.splits.values():
        assert split.targets.dtype == np.float32
        np.testing.assert_array_equal(split.targets, split.images[:, 0, 0, 0] / 4.0)
    pipeline = data.TrainPipeline(dataset, batch_size=6, seed=0, augment={"flip": True})
    images, numbers = pipeline.batch(3)
    pixels = np.rint((images[:, 0, 0, 0] * dataset.std[0] + dataset.mean[0]) * 255)
    np.testing.assert_array_equal(numbers, pixels / 4.0)
    assert numbers.dtype == "float32"


def test_splits_are_stratified_only_where_classes_have_names():
    """Five images of each of two classes: plain chance would not give each split one of either for every seed."""

    def source(names, values, targets):
        def made(argument, *, data_dir, image_size, targets):
            return names, {"train": data.Split(data.MemoryStore(images, values, targets))}

        return [data.load(made, targets=targets, seed=seed, validation_fraction=0.5) for seed in range(10)]

    images, labels = np.zeros((10, 2, 2, 1), np.uint8), np.arange(10) % 2
    for dataset in source(("a", "b"), {"label": labels}, LABEL):
        assert [np.bincount(s.targets).tolist() for s in dataset.splits.values()] == [[2, 2], [2, 2], [1, 1]]
    several = {**LABEL, "other": data.Target()}
    values = {"label": labels, "other": labels}
    for found in (source((), {"label": labels}, LABEL), source(("a", "b"), values, several)):
        counts = {tuple(d.splits["validation"].store.read(d.splits["validation"].rows)[1]["label"]) for d in found}
        assert {len(each) for each in counts} == {4}
        assert any(sum(each) != 2 for each in counts)


def wrong(names=("a",), part="train", values=(0, 0, 0), shape=(4, 4)):
    def made(argument, *, data_dir, image_size, targets):
        store = data.MemoryStore(np.zeros((3, *shape, 1), np.uint8), {"label": values})
        return names, {part: data.Split(store)}

    return made


@pytest.mark.parametrize(
    "name, arguments, message",
    [
        ("digits", {"targets": NUMBER}, r"digits with label \(int32 \[\]\); wanted: price \(float32 \[\]\)"),
        ("folder:/nowhere", {"targets": NUMBER}, "folder:/nowhere with label"),
        ("cifar10", {"targets": NUMBER}, "cifar10 with label"),
        (prices, {}, r"prices with price \(float32 \[\]\); wanted: label"),
        ("digits:8", {}, "nothing after a colon.*'digits:8'"),
        ("folder", {}, "A data set is 'digit_pictures', .*'folder:PATH', 'memory:NAME' .* or a TFDS name"),
        (3, {}, "A data set is 'digit_pictures', .*'folder:PATH', 'memory:NAME' .* or a TFDS name.*Received: 3"),
        (wrong(part="training"), {}, "gives 'train'.*made: .*training"),
        (wrong(values=(0, 1, 0)), {}, "positions in the 1 names, from 0. Received: 1"),
        (wrong(), {"image_size": 5}, r"resize images as asked, to \(5, 5\).*\(4, 4, 1\)"),
    ],
    ids=lambda value: getattr(value, "__name__", None),  # Of a function, not where it lies in memory.
)
def test_bad_input(name, arguments, message):
    with pytest.raises(UserError, match=message) as caught:
        data.load(name, **arguments)
    assert "\n" not in str(caught.value) and "Received: " in str(caught.value)


def test_a_source_keeps_its_own_splits():
    """The splits that are made are not put into what the source returned."""
    found = make_dataset().splits

    def made(argument, *, data_dir, image_size, targets):
        return ("a", "b", "c"), found

    assert set(data.load(made).splits) == {"train", "validation", "test"}
    assert set(found) == {"train"}
