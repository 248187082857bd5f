"""Batches for training and evaluation, sharded over replicas."""

import os

import numpy as np
import tensorflow as tf

from odtf.data import arguments, own_augmentation, views, warp
from odtf.data.augment import NUM_DRAWS, Augmentation, augment, crop_and_flip, normalize
from odtf.data.draws import uniform
from odtf.data.graph_calls import user_error_from
from odtf.data.pools import Pool
from odtf.data.samples import as_batch
from odtf.errors import UserError


def _shard_size(batch_size, num_replicas):
    arguments.integer("num_replicas", num_replicas, 1)
    if batch_size % num_replicas:
        raise UserError(
            f"batch_size is the global batch and must divide by the number of replicas, {num_replicas}."
            f" Received: batch_size={batch_size}."
        )
    return batch_size // num_replicas


def _check_replicas(replicas, num_replicas):
    if not replicas or any(not 0 <= r < num_replicas for r in replicas):
        raise UserError(f"replicas must name some of 0 to {num_replicas - 1}. Received: replicas={tuple(replicas)}.")
    return tuple(replicas)


def _elements(count, start, replicas, make, streaming):
    """`make(step, replica)` for every step from `start`, `count` steps or for ever, and every replica within a step."""
    width = len(replicas)
    last = np.iinfo(np.int64).max if count is None else (start + count) * width
    index = tf.data.Dataset.range(start * width, last)
    ids = np.asarray(replicas, np.int64)

    # No Python control flow to convert, and converting would take most of the tracing.
    @tf.autograph.experimental.do_not_convert
    def element(i):
        return make(i // width, tf.gather(ids, i % width))

    # A batch from memory costs milliseconds and the cores belong to training; reading files is worth several threads.
    threads = min(8, os.cpu_count() or 1) if streaming else 1
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


def _gather(store, rows, count, others=None):
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


class TrainPipeline:
    """Shuffled, augmented training batches: a pure function of (seed, step).

    Every epoch visits a permutation of the training split, made by a stateless cipher on the index; what does not fill
    a batch is left for another epoch. Images of further domains may join it, see `odtf.data.pools.Pool`. The numbers
    behind the augmentation are drawn for the whole global batch of a step and sliced, so that the global batch is the
    same over any number of replicas, and any step's batch can be made without the ones before it. Resuming needs the
    step, nothing else.

    Args:
        dataset: `ImageDataset`.
        batch_size: int, of the global batch.
        seed: int.
        augment: mapping with `pad`, `flip`, `scale` and so on (see `Augmentation`), or None for none.
        num_views: int, independent augmentations of every image.
        domains: iterable of `Domain`, see `odtf.data.load_domain`.
        answers: `StoredAnswers` of a teacher, which come with the images; None for none.

    Raises:
        UserError: for a batch larger than the training split, an augmentation that does not fit the images, or answers
            that are not those to its views.
    """

    def __init__(self, dataset, *, batch_size, seed, augment=None, num_views=1, domains=(), answers=None):
        split = dataset.splits["train"]
        self.batch_size = arguments.integer("batch_size", batch_size, 1)
        self.num_views = arguments.integer("num_views", num_views, 1)
        self._seed = arguments.seed(seed)
        # That of what is apart from the images; hashed, for the shuffle of a small set heeds the lowest bits alone.
        self._other_seed = int(np.random.SeedSequence([self._seed, 1]).generate_state(1)[0])
        self._augmentation = Augmentation.from_config(augment, dataset.image_shape)
        self.domains = tuple(domains)
        self._pool = Pool(split, self.domains, self.batch_size, self._seed)
        self.steps_per_epoch = self._pool.steps_per_epoch
        if not self.steps_per_epoch:
            raise UserError(
                f"batch_size must not exceed the training split, {len(split)} images."
                f" Received: batch_size={batch_size}."
            )
        self._store = self._pool.store
        self._apart = [name for name, target in self._store.targets.items() if target.apart]
        if self._apart and self.domains:
            raise UserError(
                "Further domains join images that have their targets; two sets without pairs are one domain each. "
                f"Received: domains with the target {self._apart[0]!r}."
            )
        self._mean, self._std = dataset.mean, dataset.std
        self.answers, self._stored = answers, None
        if answers is not None:
            if self.num_views > 1 or self.domains:
                raise UserError(
                    "A stored teacher answers to one view of a data set's own images: num_views=1 and no domains would "
                    f"be right. Received: num_views={self.num_views} and {len(self.domains)} domains."
                )
            self._stored = answers.of(dataset, self._augmentation)

    def batch(self, step, replica=0, num_replicas=1):
        """One replica's batch of one step, as eager tensors; what `dataset` yields there.

        Raises:
            UserError: as `dataset`, and if an image of a streamed set is corrupt.
        """
        step = arguments.integer("step", step, 0)
        try:
            return next(iter(self._dataset(step, (replica,), num_replicas, count=1)))
        except tf.errors.OpError as error:
            raise (user_error_from(error) or error) from error

    def dataset(self, start_step=0, replicas=(0,), num_replicas=1):
        """All batches of some replicas from a step on, without end.

        Args:
            start_step: int, the first step.
            replicas: ints, those fed by this process, in the order of its devices.
            num_replicas: int, replicas of all processes together.

        Returns:
            `tf.data.Dataset` of (images, targets) in the order step 0 for each replica, step 1 for each replica, and so
            on: images float32 `[batch_size / num_replicas, height, width, channels]`; the one target
            `[batch_size / num_replicas, ...]`, or several of them by name. Images and spatial targets have an axis
            `num_views` after the first where that is above 1. With stored answers there is a dict in place of the
            images: "images", and "answers", float32 `[batch_size / num_replicas, ...]`.

        Raises:
            UserError: if the replicas cannot share the batch.
        """
        return self._dataset(arguments.integer("start_step", start_step, 0), replicas, num_replicas, count=None)

    def _dataset(self, start, replicas, num_replicas, count):
        shard = _shard_size(self.batch_size, num_replicas)
        replicas = _check_replicas(replicas, num_replicas)
        return _elements(
            count, start, replicas, lambda step, r: self._make(step, r * shard, shard), self._store.streaming
        )

    def _make(self, step, first, size):
        """Images and targets at positions `first` to `first + size` of a step's global batch."""
        share, others = (step, first, size), None
        if self._apart:
            others = self._pool.rows(*share, self._other_seed)
        rows = self._pool.rows(*share)
        images, values = _gather(self._store, rows, size, others)
        targets = {name: target for name, target in self._store.targets.items() if target.spatial}
        spatial = {name: (values[name], target.fill) for name, target in targets.items() if not target.apart}
        numbers, answers = self._numbers(share, self._seed, self._augmentation.color), None
        if self._stored is not None:
            numbers, answers = self._stored.chosen(tf.ensure_shape(rows, (size,)), numbers)
        images, spatial = self._placed(images, spatial, numbers, self._augmentation.color)
        own_draws = None
        if self._augmentation.also is not None:
            own_draws = own_augmentation.draws(self._seed, *share, self.batch_size, self.num_views)
        images, moved = augment(images, numbers.draws, self._augmentation, self._mean, self._std, spatial, own_draws)
        for name in self._apart:
            numbers = self._numbers(share, self._other_seed)
            pictures, _ = self._placed(values[name], {}, numbers)
            moved[name], _ = crop_and_flip(pictures, numbers.draws, self._augmentation)
        if self.num_views > 1:
            images = self._by_view(images)
            moved = {name: self._by_view(value) for name, value in moved.items()}
        if answers is not None:
            images = {"images": images, "answers": answers}
        return images, as_batch({**values, **moved})

    def _placed(self, images, spatial, numbers, color=0.0):
        """Images and spatial targets, as many as there are views, after what precedes crop and flip."""
        if self.num_views > 1:
            images = self._repeated(images)
            spatial = {name: (self._repeated(value), fill) for name, (value, fill) in spatial.items()}
        how = {name: target.spatial for name, target in self._store.targets.items()}
        return views.placed(images, spatial, numbers, self._augmentation, how, color)

    def _numbers(self, share, seed, color=0.0):
        """The `views.Numbers` of a share of a step's global batch: (step, first, size)."""
        spec, (_, _, size) = self._augmentation, share
        draws, warps = tf.zeros((size * self.num_views, NUM_DRAWS)), None
        if spec.random or self._stored is not None:
            draws = self._uniform(share, seed)
        if spec.warps or color:
            warps = warp.draws(seed, *share, self.batch_size, self.num_views)
        return views.Numbers(draws, warps)

    def _uniform(self, share, seed):
        """float32 `[size * num_views, NUM_DRAWS]`."""
        step, first, size = share
        seeds = tf.stack([tf.constant(seed, tf.int64), step])
        return uniform(seeds, first, size, self.batch_size, self.num_views, NUM_DRAWS)

    def _repeated(self, values):
        repeated = tf.repeat(values, self.num_views, axis=0)
        repeated.set_shape((values.shape[0] * self.num_views, *values.shape[1:]))
        return repeated

    def _by_view(self, values):
        return tf.reshape(values, (-1, self.num_views, *values.shape[1:]))


def eval_dataset(split, dataset, *, batch_size, replicas=(0,), num_replicas=1):
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
        split = dataset.splits[split]
    batch_size = arguments.integer("batch_size", batch_size, 1)
    shard = _shard_size(batch_size, num_replicas)
    replicas = _check_replicas(replicas, num_replicas)
    with tf.device("/CPU:0"):
        rows = tf.constant(split.rows, tf.int64)

    def make(step, replica):
        positions = step * batch_size + replica * shard + tf.range(shard, dtype=tf.int64)
        images, values = _gather(split.store, tf.gather(rows, tf.minimum(positions, len(split) - 1)), shard)
        weights = tf.cast(positions < len(split), tf.float32)
        return normalize(images, dataset.mean, dataset.std), as_batch(values), weights

    steps = -(-len(split) // batch_size)
    return _elements(steps, 0, replicas, make, split.store.streaming)
