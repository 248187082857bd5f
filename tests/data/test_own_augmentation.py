"""An augmentation of the user's own: a pure function of seed and step, and nothing else changes by it."""

import dataclasses

import numpy as np
import pytest

from odtf import data
from odtf.data import own_augmentation
from odtf.data.draws import Share
from odtf.errors import UserError

CODE = """
import tensorflow as tf

def brighter(images, draws):
    return tf.cast(tf.cast(images, tf.float32) * 0.5 + tf.floor(draws[:, 7, None, None, None] * 100.0), tf.uint8)

def same(images, draws):
    return images

def as_floats(images, draws):
    return tf.cast(images, tf.float32)

def cut(images, draws):
    return images[:, 1:]

number = 3
"""


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    path = tmp_path_factory.mktemp("mine") / "mine.py"
    path.write_text(CODE)
    return path


@pytest.fixture(scope="module")
def digits():
    # Normalised to the pixels themselves.
    return dataclasses.replace(data.load("digits"), mean=(0.0,), std=(1 / 255,))


def pipeline(digits, also=None, num_views=1, seed=5, **augment):
    if also is not None:
        augment["also"] = also
    return data.TrainPipeline(digits, batch_size=8, seed=seed, augment=augment, num_views=num_views)


@pytest.mark.parametrize("num_views", [1, 2])
def test_batches_are_a_function_of_seed_and_step(digits, mine, num_views):
    made = pipeline(digits, f"{mine}:brighter", num_views, pad=1)
    images = made.batch(7)[0].numpy()
    assert np.array_equal(images, pipeline(digits, f"{mine}:brighter", num_views, pad=1).batch(7)[0])
    halves = [made.batch(7, replica, 2)[0].numpy() for replica in (0, 1)]
    assert np.array_equal(images, np.concatenate(halves))
    plain = pipeline(digits, None, num_views, pad=1).batch(7)[0].numpy()
    # Every picture, and every view, has its own brightness: the number added to all of its pixels.
    added = np.rint(images - np.floor(np.rint(plain) * 0.5)).reshape(8 * num_views, -1)
    assert np.all(added == added[:, :1])
    assert len(np.unique(added[:, 0])) > 4 * num_views and added.min() >= 0 and added.max() < 100
    assert not np.array_equal(images, made.batch(8)[0])


def test_the_crop_and_flip_beside_it_stay_what_they_were(digits, mine):
    options = {"pad": 1, "flip": True, "cutout": 3}
    plain = pipeline(digits, **options)
    assert np.array_equal(plain.batch(3)[0], pipeline(digits, f"{mine}:same", **options).batch(3)[0])


def test_numbers_are_uniform_and_apart_from_those_of_odtf(digits):
    draws = own_augmentation.draws(Share(5, np.int64(3), 0, 512, 512, 2)).numpy()
    assert draws.shape == (1024, own_augmentation.NUM_DRAWS) and draws.min() >= 0.0 and draws.max() < 1.0
    assert np.allclose(draws.mean(axis=0), 0.5, atol=0.04)
    other = own_augmentation.draws(Share(5, np.int64(4), 0, 512, 512, 2)).numpy()
    assert abs(np.corrcoef(draws[:, 0], other[:, 0])[0, 1]) < 0.15


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("as_floats", r"uint8 images of the shape \(8, 8, 8, 1\)\. Received: float32"),
        ("cut", r"Received: uint8 \(8, 7, 8, 1\)"),
        ("number", "is a function of images and draws"),
        ("nothing", "an augmentation called nothing"),
    ],
)
def test_what_does_not_fit_is_refused(digits, mine, name, message):
    with pytest.raises(UserError, match=message):
        pipeline(digits, f"{mine}:{name}").batch(0)


def test_a_word_is_no_name_of_code(digits):
    with pytest.raises(UserError, match=r"FILE\.py:FUNCTION.*Received: also='noise'"):
        pipeline(digits, "noise")
