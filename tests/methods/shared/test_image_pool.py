"""The pool of generated images against the loop of the released code, on the same random numbers."""

import numpy as np
import tensorflow as tf

from odtf.methods.shared import image_pool

SIZE = 4
SIGNATURE = [((SIZE, 2, 2, 1), "float32"), ((), "int64"), ((None, 2, 2, 1), "float32"), ((2,), "int64")]


def by_hand(pool, batch, luck, places):
    """The released query: `pool`, a list that is changed in place, has up to `SIZE` images."""
    seen = []
    for image, chance, place in zip(batch, luck, places, strict=True):
        if len(pool) < SIZE:
            pool.append(image)
            seen.append(image)
        elif chance > 0.5:
            seen.append(pool[place])
            pool[place] = image
        else:
            seen.append(image)
    return np.stack(seen)


def test_it_is_the_released_one_image_by_image():
    pool, count, expected, exchanged = tf.zeros((SIZE, 2, 2, 1)), tf.constant(0, tf.int64), [], 0
    draw = tf.function(image_pool.draw)
    for step in range(12):
        batch = np.arange(3.0, dtype="float32")[:, None, None, None] + 3.0 * step + np.zeros((3, 2, 2, 1), "float32")
        seed = tf.constant([7, step])
        seeds = tf.random.split(seed, 2)
        luck = tf.random.stateless_uniform((3,), seeds[0]).numpy()
        places = tf.random.stateless_uniform((3,), seeds[1], maxval=SIZE, dtype=tf.int32).numpy()
        seen, pool, count = draw(pool, count, batch, seed)
        wanted = by_hand(expected, batch, luck, places)
        np.testing.assert_array_equal(seen, wanted)
        np.testing.assert_array_equal(pool[: len(expected)], np.stack(expected))
        assert int(count) == len(expected)
        exchanged += int((wanted != batch).any(axis=(1, 2, 3)).sum())
    assert 8 < exchanged < 24  # About half of the 32 that came when it was full.


def test_a_batch_may_be_of_any_size():
    draw = tf.function(image_pool.draw, input_signature=[tf.TensorSpec(shape, kind) for shape, kind in SIGNATURE])
    pool, count = tf.zeros((SIZE, 2, 2, 1)), tf.constant(0, tf.int64)
    for size in (1, 2, 3):
        seen, pool, count = draw(pool, count, tf.ones((size, 2, 2, 1)), tf.constant([1, size], tf.int64))
        np.testing.assert_array_equal(seen, np.ones((size, 2, 2, 1)))
    assert int(count) == SIZE
