"""Smaller images in the first epochs."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf.methods import OnlineDistillationCheap, Solo
from odtf.methods.shared.resizing import Resizing, area_weights
from tests.methods.conftest import make_batch
from tests.methods.tiny import least

STAGES = ((0, 4, 4), (2, 8, 8))


def test_images_are_means_of_what_they_cover():
    images = np.random.default_rng(0).normal(size=(3, 8, 8, 2)).astype("float32")
    resizing = Resizing(STAGES)
    expected = images.reshape(3, 4, 2, 4, 2, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(resizing(tf.constant(images)), expected, atol=1e-6)
    views = resizing({"images": tf.constant(images.reshape(3, 1, 8, 8, 2)), "answers": 5})
    np.testing.assert_allclose(views["images"], expected[:, np.newaxis], atol=1e-6)
    assert views["answers"] == 5
    assert [resizing.begin_epoch(epoch) for epoch in range(4)] == [False, False, True, False]
    np.testing.assert_array_equal(resizing(tf.constant(images)), images)


def test_a_cohort_trains_on_both_sizes_and_answers_at_its_own():
    made = OnlineDistillationCheap(least, num_peers=2, seed=1)
    made.resizing = Resizing(STAGES)
    made.resizing.accept(made, (8, 8, 1))
    made.compile(keras.optimizers.SGD(0.1), steps_per_epoch=1)
    iterator, sizes = iter(tf.data.Dataset.from_tensors(make_batch()).repeat()), []
    call = made.peers["peer_0"].call

    def noted(images, **kwargs):
        sizes.append(tuple(images.shape[1:3]))
        return call(images, **kwargs)

    made.peers["peer_0"].call = noted
    for epoch in range(3):
        made.begin_epoch(epoch)
        made.step_function(iterator)
    assert sizes == [(4, 4), (8, 8)]  # Traced once for each.
    assert made.measure(*make_batch())["peer_0/top1"] >= 0


def flat(*, seed, name):
    image = keras.Input((8, 8, 1))
    x = keras.layers.Flatten(name="embedding")(image)
    return keras.Model(image, {"embedding": x, "logits": keras.layers.Dense(10, name="logits")(x)}, name=name)


def test_a_network_of_one_size_is_refused():
    with pytest.raises(ValueError, match=r"Networks must take images of any size\. Received: 4x4"):
        Resizing(STAGES).accept(Solo(flat), (8, 8, 1))


@pytest.mark.parametrize("stages", [(), ((1, 8, 8),), ((0, 8, 8), (0, 4, 4)), ((0, 0, 8),)])
def test_stages_rise_from_the_first_epoch(stages):
    with pytest.raises(ValueError, match="rising from epoch 0"):
        Resizing(stages)


def test_sides_that_divide_no_other():
    """Of five pixels three: the second covers two thirds of its neighbours' ends."""
    third = 1.0 / 3.0
    expected = np.array([[1, 2 * third, 0, 0, 0], [0, third, 1, third, 0], [0, 0, 0, 2 * third, 1]]) * 3 / 5
    np.testing.assert_allclose(area_weights(5, 3), expected, atol=1e-12)
