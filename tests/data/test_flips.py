"""Alternating flips: each image one side in an epoch and the other in the next, at random which first."""

import numpy as np
import pytest

from odtf import data
from odtf.data import views
from odtf.data.augment import Augmentation
from odtf.errors import UserError

SIZE = 64


@pytest.fixture(scope="module")
def dataset():
    """Images of a row of two pixels: 100 plus their number to the left, 0 to the right."""
    images = np.zeros((SIZE, 1, 2, 1), np.uint8)
    images[:, 0, 0, 0] = 100 + np.arange(SIZE)
    split = data.Split(data.MemoryStore(images, {"label": [0] * SIZE}))
    return data.ImageDataset("made", ("a", "b"), (1, 2, 1), (0.0,), (1 / 255,), {"train": split})


def sides(dataset, epoch, num_views=1, seed=3):
    """Which images are mirrored in an epoch of two steps, by their number: a bool array `[SIZE]`, or of several."""
    augment = {"flip": True, "alternate": True}
    made = data.TrainPipeline(dataset, batch_size=SIZE // 2, seed=seed, augment=augment, num_views=num_views)
    images = np.concatenate([np.rint(made.batch(2 * epoch + step)[0]) for step in (0, 1)]).reshape(SIZE, -1, 2)
    number = images.max(axis=(1, 2)).astype(int) - 100
    assert sorted(number) == list(range(SIZE))
    return np.squeeze((images[:, :, 1] > 0)[np.argsort(number)])


def test_an_image_is_mirrored_in_every_other_epoch(dataset):
    first = sides(dataset, 0)
    assert 16 < first.sum() < 48
    for epoch in range(1, 5):
        np.testing.assert_array_equal(sides(dataset, epoch), first ^ (epoch % 2 == 1))
    assert (sides(dataset, 0, seed=4) != first).any()


def test_two_views_show_both_sides(dataset):
    found = sides(dataset, 3, num_views=2)
    np.testing.assert_array_equal(found[:, 1], ~found[:, 0])
    np.testing.assert_array_equal(found[:, 0], sides(dataset, 3))


def test_the_views_are_those_of_flips(dataset):
    """A teacher's answers stored for flips serve, and the view that is looked up is the one that is shown."""
    plain, alternating = (
        Augmentation.from_config({"pad": 1, "flip": True, "alternate": alternate}, (8, 8, 1))
        for alternate in (False, True)
    )
    assert views.said_of(plain) == views.said_of(alternating)
    assert views.AllViews(alternating).count == 18


def test_it_is_of_flips():
    with pytest.raises(UserError, match=r"alternate must be .* without augment\.flip. Received: alternate=True"):
        Augmentation.from_config({"alternate": True})
