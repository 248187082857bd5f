"""Alternating flips: an image is mirrored in every other epoch, beginning with the first or the second at random.

So two epochs in a row show both sides of every image, where independent flips show one side of half of them twice.

Reference:
    Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", arXiv 2404.00498, section 3.6.
"""

import dataclasses

import numpy as np
import tensorflow as tf

# Sets it apart from what else is drawn with the seed.
_STREAM = 11


class AlternatingFlips:
    """Which images of a store are mirrored in which epoch.

    Args:
        count: int, images of the store.
        seed: int.
        num_views: int, views of an image, each the other side of the one before.
    """

    def __init__(self, count, seed, num_views=1):
        self._num_views = num_views
        with tf.device("/CPU:0"):
            self._first = tf.constant(np.random.default_rng([seed, _STREAM]).integers(0, 2, count, np.uint8))

    def are_mirrored(self, rows, epoch):
        """Returns a bool tensor `[n * num_views]`, the views of an image together.

        Args:
            rows: int64 tensor `[n]`, of the store.
            epoch: int64 scalar tensor.
        """
        first = tf.cast(tf.gather(self._first, rows), tf.int64)
        sides = first[:, tf.newaxis] + epoch + tf.range(self._num_views, dtype=tf.int64)
        return tf.reshape(sides % 2 == 1, (-1,))

    def applied(self, numbers, rows, epoch):
        """Returns `odtf.data.views.Numbers` whose flip is that of the epoch, and which are otherwise the same."""
        # The middle of the interval that stands for each side, see `odtf.data.augment`.
        flip = tf.where(self.are_mirrored(rows, epoch), 0.25, 0.75)[:, tf.newaxis]
        draws = tf.concat([numbers.draws[:, :2], flip, numbers.draws[:, 3:]], axis=1)
        return dataclasses.replace(numbers, draws=draws)
