"""Which images each step of a training draws."""

import numpy as np
import tensorflow as tf

from odtf.data.joined_stores import JoinedStores


class Pool:
    """The images that training draws from: a training split's, and in some of the epochs those of further domains too.

    In every pass over them they are shuffled all together, and batches taken in turn: a pure function of (seed, step).
    What does not fill a batch is left for another pass. An epoch has as many steps as the training split fills,
    whatever joins it; so a pass over more images takes more than an epoch. Where the images become others, a pass
    begins.

    Args:
        split: `Split`, always in the pool.
        domains: iterable of `Domain`.
        batch_size: int, of the global batch.
        seed: int.

    Attributes:
        store: what `gather`s the images of rows.
        steps_per_epoch: int, 0 if the training split fills no batch.
    """

    def __init__(self, split, domains, batch_size, seed):
        domains = tuple(domains)
        self.steps_per_epoch = len(split) // batch_size
        self._batch_size, self._seed = batch_size, seed
        self.store, joining = split.store, []
        if domains:
            self.store = JoinedStores([split.store, *(domain.split.store for domain in domains)])
            starts = self.store.starts[1:-1]
            joining = [(domain, start + domain.split.rows) for domain, start in zip(domains, starts, strict=True)]
        changes = sorted({0, *(epoch for domain in domains for epoch in domain.epochs if epoch is not None)})
        stages = [
            np.concatenate([split.rows, *(rows for domain, rows in joining if domain.joins(epoch))])
            for epoch in changes
        ]
        counts = [len(rows) for rows in stages]
        with tf.device("/CPU:0"):
            self._rows = tf.constant(np.concatenate(stages), tf.int64)
            self._counts = tf.constant(counts, tf.int64)
            self._offsets = tf.constant(np.cumsum([0, *counts[:-1]]), tf.int64)
            self._changes = tf.constant(changes, tf.int64)

    def rows(self, step, first, size, seed=None):
        """Rows of the store at the positions `first` to `first + size` of a step's global batch; int64 `[size]`.

        Args:
            step: int64 scalar tensor.
            first: position in the global batch.
            size: int.
            seed: int, of another shuffle of the same images; None: that of the pool.
        """
        stage = tf.searchsorted(self._changes, [step // self.steps_per_epoch], side="right")[0] - 1
        count, change = self._counts[stage], self._changes[stage]
        step, batches = step - change * self.steps_per_epoch, count // self._batch_size
        positions = step % batches * self._batch_size + first + tf.range(size, dtype=tf.int64)
        # Passes are numbered as epochs are, so that images alone come in the order that they have in a run alone.
        seed = tf.stack([tf.constant(self._seed if seed is None else seed, tf.int64), change + step // batches])
        shuffled = tf.random.experimental.index_shuffle(positions, tf.cast(seed, tf.uint32), count - 1)
        return tf.gather(self._rows, self._offsets[stage] + shuffled)
