"""Batches for training and evaluation, sharded over replicas."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from odtf.data import arguments, batches, mixing, own_augmentation, views
from odtf.data.augment import Augmentation, augment, crop_and_flip
from odtf.data.balanced_pool import BalancedPool
from odtf.data.draws import Share
from odtf.data.flips import AlternatingFlips
from odtf.data.graph_calls import user_error_from
from odtf.data.pools import Pool
from odtf.data.samples import as_batch
from odtf.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from odtf.data.dataset import ImageDataset
    from odtf.data.domains import Domain
    from odtf.data.stored_answers import StoredAnswers
    from odtf.losses.tensors import Targets


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
        balanced: bool, whether all classes are drawn equally often, see `odtf.data.balanced_pool`.
        answers: `StoredAnswers` of a teacher, which come with the images; None for none.

    Raises:
        UserError: for a batch larger than the training split, an augmentation that does not fit the images or their
            targets, or answers that are not those to its views.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        *,
        batch_size: int,
        seed: int,
        augment: Mapping[str, Any] | None = None,
        num_views: int = 1,
        domains: Iterable[Domain] = (),
        balanced: bool = False,
        answers: StoredAnswers | None = None,
    ) -> None:
        split = dataset.splits["train"]
        self.batch_size = arguments.integer("batch_size", batch_size, 1)
        self.num_views = arguments.integer("num_views", num_views, 1)
        self._seed = arguments.seed(seed)
        # That of what is apart from the images; hashed, for the shuffle of a small set heeds the lowest bits alone.
        self._other_seed = int(np.random.SeedSequence([self._seed, 1]).generate_state(1)[0])
        self._augmentation = Augmentation.from_config(augment, dataset.image_shape)
        self.domains = tuple(domains)
        self._pool: Pool | BalancedPool
        if balanced:
            self._pool = BalancedPool(split, dataset.names, self.domains, self.batch_size, self._seed)
        else:
            self._pool = Pool(split, self.domains, self.batch_size, self._seed)
        self.steps_per_epoch = self._pool.steps_per_epoch
        if not self.steps_per_epoch:
            raise UserError(
                f"batch_size must not exceed the training split, {len(split)} images."
                f" Received: batch_size={batch_size}."
            )
        self._store = self._pool.store
        self._flips = None
        if self._augmentation.alternate:
            self._flips = AlternatingFlips(len(self._store), self._seed, self.num_views)
        self._apart = [name for name, target in self._store.targets.items() if target.apart]
        if self._apart and self.domains:
            raise UserError(
                "Further domains join images that have their targets; two sets without pairs are one domain each. "
                f"Received: domains with the target {self._apart[0]!r}."
            )
        self._mean, self._std, self._classes = dataset.mean, dataset.std, len(dataset.names)
        self._check_targets()
        self.answers, self._stored = answers, None
        if answers is not None:
            self._stored = answers.of(dataset, self._views_of_an_image())

    def _views_of_an_image(self):
        """The augmentation, where a view is of one image alone, as a teacher's answer is."""
        spec = self._augmentation
        if self.num_views > 1 or self.domains or spec.mixes:
            raise UserError(
                "A stored teacher answers to one view of each of a data set's own images: num_views=1, no domains, and "
                f"neither mixup nor cutmix would be right. Received: num_views={self.num_views}, {len(self.domains)} "
                f"domains, mixup={spec.mixup} and cutmix={spec.cutmix}."
            )
        return spec

    def _check_targets(self):
        """Refuses augmentations that the targets do not follow."""
        spec, targets = self._augmentation, self._store.targets
        if spec.rand_augment is not None and any(target.spatial for target in targets.values()):
            raise UserError(
                "augment.rand_augment moves images alone: scale and rotate would move masks and pictures with them. "
                f"Received: rand_augment={spec.rand_augment} with {', '.join(targets)}."
            )
        one = len(targets) == 1 and next(iter(targets.values()))
        if spec.mixes and not (one and one.shape == () and one.dtype != "float32" and self._classes):
            raise UserError(
                "augment.mixup and cutmix mix the labels of images that have a class and nothing else: leave them out. "
                f"Received: mixup={spec.mixup} and cutmix={spec.cutmix} with {', '.join(targets)}."
            )

    @property
    def mixes(self) -> bool:
        """Whether labels are distributions `[batch, classes]`, mixed as the images are."""
        return self._augmentation.mixes

    def batch(self, step: int, replica: int = 0, num_replicas: int = 1) -> tuple[Any, Targets]:
        """One replica's batch of one step, as eager tensors; what `dataset` yields there.

        Raises:
            UserError: as `dataset`, and if an image of a streamed set is corrupt.
        """
        step = arguments.integer("step", step, 0)
        shard = batches.shard_size(self.batch_size, num_replicas)
        (replica,) = batches.check_replicas((replica,), num_replicas)
        try:
            # Done at once: to trace it, as a data set does, takes a hundred times as long as one batch.
            with tf.device("/CPU:0"):
                return self._make(tf.constant(step, tf.int64), tf.constant(replica * shard, tf.int64), shard)
        except tf.errors.OpError as error:
            raise (user_error_from(error) or error) from error

    def dataset(self, start_step: int = 0, replicas: Sequence[int] = (0,), num_replicas: int = 1) -> tf.data.Dataset:
        """All batches of some replicas from a step on, without end.

        Args:
            start_step: int, the first step.
            replicas: ints, those fed by this process, in the order of its devices.
            num_replicas: int, replicas of all processes together.

        Returns:
            `tf.data.Dataset` of (images, targets) in the order step 0 for each replica, step 1 for each replica, and so
            on: images float32 `[batch_size / num_replicas, height, width, channels]`; the one target
            `[batch_size / num_replicas, ...]`, or several of them by name, and a distribution over the classes where
            labels are mixed. Images and spatial targets have an axis `num_views` after the first where that is above 1.
            With stored answers there is a dict in place of the images: "images", and "answers", float32
            `[batch_size / num_replicas, ...]`.

        Raises:
            UserError: if the replicas cannot share the batch.
        """
        start = arguments.integer("start_step", start_step, 0)
        shard = batches.shard_size(self.batch_size, num_replicas)
        replicas = batches.check_replicas(replicas, num_replicas)
        return batches.elements(
            None, start, replicas, lambda step, r: self._make(step, r * shard, shard), self._store.streaming
        )

    def _make(self, step, first, size):
        """Images and targets at positions `first` to `first + size` of a step's global batch."""
        images, targets = self._unmixed(step, first, size)
        if not self.mixes:
            return images, targets
        labels = tf.one_hot(targets, self._classes)
        if size == self.batch_size:
            partners, others = images, labels
        else:
            partners, others = self._unmixed(step, self.batch_size - first - size, size)
            others = tf.one_hot(others, self._classes)
        return self._mixed(step, images, partners[::-1], labels, others[::-1])

    def _mixed(self, step, images, partners, labels, others):
        """Images and labels after MixUp or CutMix; see `odtf.data.mixing`."""
        spec = self._augmentation
        numbers, seed = mixing.step_numbers(self._seed, step)

        def mixed():
            return mixing.mixed(images, partners, labels, others, mixing.beta(seed, spec.mixup))

        def cut():
            return mixing.cut(images, partners, labels, others, mixing.beta(seed, spec.cutmix), numbers[1:])

        if spec.mixup and spec.cutmix:
            return tf.cond(numbers[0] < 0.5, mixed, cut)
        return mixed() if spec.mixup else cut()

    def _unmixed(self, step, first, size):
        share = Share(self._seed, step, first, size, self.batch_size, self.num_views)
        spec, others = self._augmentation, None
        if self._apart:
            others = self._pool.rows(step, first, size, self._other_seed)
        rows = self._pool.rows(step, first, size)
        numbers, answers = views.drawn(share, spec, self._stored is not None), None
        numbers = self._with_flips(numbers, rows, step)
        if self._stored is not None:
            numbers, answers = self._stored.chosen(tf.ensure_shape(rows, (size,)), numbers)
        own_draws = None if spec.also is None else own_augmentation.draws(share)
        if self._cuts_files:
            images, values = self._parts(rows, numbers)
            images, spatial = views.placed(images, {}, numbers, dataclasses.replace(spec, crop_area=None), {})
        else:
            images, values = batches.gather(self._store, rows, size, others)
            targets = {name: target for name, target in self._store.targets.items() if target.spatial}
            spatial = {name: (values[name], target.fill) for name, target in targets.items() if not target.apart}
            images, spatial = self._placed(images, spatial, numbers, spec)
        images, moved = augment(images, numbers.draws, spec, self._mean, self._std, spatial, own_draws, numbers.rand)
        for name in self._apart:
            spec = dataclasses.replace(self._augmentation, color=0.0, hue=0.0)
            numbers = self._with_flips(views.drawn(share._replace(seed=self._other_seed), spec), others, step)
            pictures, _ = self._placed(values[name], {}, numbers, spec)
            moved[name], _ = crop_and_flip(pictures, numbers.draws, spec)
        if self.num_views > 1:
            images = self._by_view(images)
            moved = {name: self._by_view(value) for name, value in moved.items()}
        if answers is not None:
            images = {"images": images, "answers": answers}
        return images, as_batch({**values, **moved})

    def _with_flips(self, numbers, rows, step):
        return numbers if self._flips is None else self._flips.applied(numbers, rows, step // self.steps_per_epoch)

    @property
    def _cuts_files(self):
        """Whether random parts are cut from the files of the images, and not from images of the data's size."""
        parts = getattr(self._store, "has_parts", False)
        return bool(self._augmentation.crop_area) and self._stored is None and parts

    def _parts(self, rows, numbers):
        """As many random parts of images as there are views, which are all that is read of their files, and targets."""
        spec, size = self._augmentation, numbers.draws.shape[0] // self.num_views
        each = tf.repeat(tf.ensure_shape(rows, (size,)), self.num_views)
        each = tf.ensure_shape(each, (size * self.num_views,))
        images, values = self._store.gather_parts(each, numbers.crop, spec.crop_area, spec.crop_ratio)
        shapes = {name: (size, *target.array_shape((0, 0))) for name, target in self._store.targets.items()}
        return images, {name: tf.ensure_shape(values[name][:: self.num_views], shape) for name, shape in shapes.items()}

    def _placed(self, images, spatial, numbers, spec):
        """Images and spatial targets, as many as there are views, after what precedes crop and flip."""
        if self.num_views > 1:
            images = self._repeated(images)
            spatial = {name: (self._repeated(value), fill) for name, (value, fill) in spatial.items()}
        how = {name: target.spatial for name, target in self._store.targets.items()}
        return views.placed(images, spatial, numbers, spec, how)

    def _repeated(self, values):
        repeated = tf.repeat(values, self.num_views, axis=0)
        repeated.set_shape((values.shape[0] * self.num_views, *values.shape[1:]))
        return repeated

    def _by_view(self, values):
        return tf.reshape(values, (-1, self.num_views, *values.shape[1:]))
