"""Which images each step of a training draws where every class is drawn equally often, however many images it has."""

import numpy as np
import tensorflow as tf

from odtf.data.dataset import labels_of
from odtf.errors import UserError


class BalancedPool:
    """The images of a training split, their classes in turn: of each the images pass by pass, every pass shuffled.

    A pure function of (seed, step), as `odtf.data.pools.Pool`, and an epoch has as many steps. In any number of batches
    the classes differ by one image at most; of a small class every image is seen more often, and of a large one not
    every image in each epoch, but all of them in turn.

    Args:
        split: `Split`, whose one target is a class.
        names: of the classes; those of which the split has no image are left out.
        domains: of `TrainPipeline`; there may be none.
        batch_size: int, of the global batch.
        seed: int.

    Raises:
        UserError: if the images have no class that is known, or there are domains.

    Attributes:
        store, steps_per_epoch: as of `Pool`.
    """

    def __init__(self, split, names, domains, batch_size, seed):
        if domains:
            raise UserError(
                "Balanced sampling is for the images of one data set: leave it, or the domains, out. "
                f"Received: balanced=True with {len(domains)} domains."
            )
        if hasattr(split.store, "learn_targets"):
            split.store.learn_targets()
        labels = labels_of(split, names)
        if labels is None:
            raise UserError(
                "Balanced sampling is for images that have a class and nothing else: balanced=False would be right. "
                f"Received: balanced=True with {', '.join(split.store.targets)}."
            )
        self.store, self.steps_per_epoch = split.store, len(split) // batch_size
        self._batch_size, self._seed = batch_size, seed
        order = np.argsort(labels, kind="stable")
        counts = np.bincount(labels)
        counts = counts[counts > 0]
        with tf.device("/CPU:0"):
            self._rows = tf.constant(split.rows[order], tf.int64)
            self._counts = tf.constant(counts, tf.int64)
            self._offsets = tf.constant(np.cumsum([0, *counts[:-1]]), tf.int64)
        self._classes = len(counts)

    def rows(self, step, first, size, seed=None):
        """Rows of the store at some positions of a step's global batch, int64 `[size]`; see `Pool.rows`."""
        seed = tf.constant(self._seed if seed is None else seed, tf.int64)
        positions = first + tf.range(size, dtype=tf.int64)
        # So that a class does not stand at the same places of every batch, beside the same others.
        places = _shuffled(positions, tf.stack([seed, step, step]), self._batch_size - 1)
        drawn = step * self._batch_size + places
        kind, rank = drawn % self._classes, drawn // self._classes
        count = tf.gather(self._counts, kind)
        passes = rank // count
        seeds = tf.stack([tf.fill(tf.shape(kind), seed), passes, kind], axis=1)
        return tf.gather(self._rows, tf.gather(self._offsets, kind) + _shuffled(rank % count, seeds, count - 1))


def _shuffled(index, seed, most):
    """Each index after the shuffle of 0 to `most` by its seed, of three numbers.

    The operation itself: its wrapper pads seeds of two numbers to three along the wrong axis where there are several.
    """
    seed, most = tf.cast(seed, tf.uint32), tf.cast(most, tf.int64)
    return tf.raw_ops.RandomIndexShuffle(index=index, seed=seed, max_index=most, rounds=4)
