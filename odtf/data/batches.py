"""Batches in the order of steps and replicas, and those of a split that is evaluated."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from odtf.data import arguments
from odtf.data.augment import normalize
from odtf.data.samples import as_batch
from odtf.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from odtf.data.dataset import ImageDataset, Split


def shard_size(batch_size, num_replicas):
    arguments.integer("num_replicas", num_replicas, 1)
    if batch_size % num_replicas:
        raise UserError(
            f"batch_size is the global batch and must divide by the number of replicas, {num_replicas}."
            f" Received: batch_size={batch_size}."
        )
    return batch_size // num_replicas


def check_replicas(replicas, num_replicas):
    if not replicas or any(not 0 <= r < num_replicas for r in replicas):
        raise UserError(f"replicas must name some of 0 to {num_replicas - 1}. Received: replicas={tuple(replicas)}.")
    return tuple(replicas)


def elements(count, start, replicas, make, streaming):
    """`make(step, replica)` for every step from `start`, `count` steps or for ever, and every replica within a step."""
    width = len(replicas)
    last = np.iinfo(np.int64).max if count is None else (start + count) * width
    index = tf.data.Dataset.range(start * width, last)
    ids = np.asarray(replicas, np.int64)

    # No Python control flow to convert, and converting would take most of the tracing.
    @tf.autograph.experimental.do_not_convert
    def element(i):
        return make(i // width, tf.gather(ids, i % width))

    # A batch from memory costs milliseconds and the cores belong to training; reading files is worth all of them.
    threads = (os.cpu_count() or 1) if streaming else 1
    parallel = threads if streaming else None
    options = tf.data.Options()
    options.deterministic = True
    options.autotune.enabled = False
    # Rewriting the graph would copy the tensor that holds all images.
    options.experimental_optimization.apply_default_optimizations = False
    options.threading.private_threadpool_size = threads
    options.threading.max_intra_op_parallelism = 1
    # The batches are shards already.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return index.map(element, num_parallel_calls=parallel).prefetch(2 * width).with_options(options)


def gather(store, rows, count, others=None):
    """Images and targets of `count` rows, of shapes that are known while a graph is built.

    Args:
        store: what has the rows.
        rows: int64 tensor `[count]`.
        count: int.
        others: likewise, of what is apart from the images; None: the same, or there is nothing of the kind.
    """
    images, values = store.gather(rows) if others is None else store.gather(rows, others)
    shapes = {name: (count, *target.array_shape(store.image_shape)) for name, target in store.targets.items()}
    values = {name: tf.ensure_shape(values[name], shape) for name, shape in shapes.items()}
    return tf.ensure_shape(images, (count, *store.image_shape)), values


def eval_dataset(
    split: Split | str, dataset: ImageDataset, *, batch_size: int, replicas: Sequence[int] = (0,), num_replicas: int = 1
) -> tf.data.Dataset:
    """Normalised batches of a split, once and in order, padded so that every replica sees as many of the same shape.

    Args:
        split: `Split`, or the name of one of the data set's.
        dataset: `ImageDataset`, whose mean and standard deviation normalise.
        batch_size: int, of the global batch.
        replicas: ints, those fed by this process.
        num_replicas: int, replicas of all processes together.

    Returns:
        Finite `tf.data.Dataset` of (images float32 `[b, height, width, channels]`, the one target `[b, ...]` or several
        by name, weights float32 `[b]`: 1, or 0 for padding), `b = batch_size / num_replicas`, in the order of
        `TrainPipeline.dataset`.

    Raises:
        UserError: for an unknown split, or if the replicas cannot share the batch.
    """
    if isinstance(split, str):
        if split not in dataset.splits:
            raise UserError(f"Unknown split: the splits are {', '.join(dataset.splits)}. Received: split={split!r}.")
        part = dataset.splits[split]
    else:
        part = split
    batch_size = arguments.integer("batch_size", batch_size, 1)
    shard = shard_size(batch_size, num_replicas)
    replicas = check_replicas(replicas, num_replicas)
    with tf.device("/CPU:0"):
        rows = tf.constant(part.rows, tf.int64)

    def make(step, replica):
        positions = step * batch_size + replica * shard + tf.range(shard, dtype=tf.int64)
        images, values = gather(part.store, tf.gather(rows, tf.minimum(positions, len(part) - 1)), shard)
        weights = tf.cast(positions < len(part), tf.float32)
        return normalize(images, dataset.mean, dataset.std), as_batch(values), weights

    steps = -(-len(part) // batch_size)
    return elements(steps, 0, replicas, make, part.store.streaming)
