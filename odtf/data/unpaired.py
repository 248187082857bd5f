"""Two sets of pictures without pairs, as one split: the images, and beside each a picture of the other set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from odtf.data.dataset import Split
from odtf.data.samples import Target
from odtf.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


# Whether the image, and whether the picture, is there for the first time: the smaller set fills up with repetitions.
COUNTED = Target((2,), "float32")


class Unpaired(Split):
    """Images of one set and pictures of another; as many rows as the larger set has.

    Row i has image i and picture i, each modulo the size of its set. A training pipeline draws the two by shuffles of
    their own, see `odtf.data.Target.apart`. What is divided, or chosen from, are the sets themselves, so that no
    picture of either is in two splits.

    Args:
        images: `Split` without targets.
        pictures: likewise.
        targets: mapping from a name to `Target`, what the task learns from: a spatial one that is apart, for the
            pictures, and `COUNTED`.

    Raises:
        UserError: if the targets are others, or the pictures have another shape than theirs.
    """

    def __init__(self, images: Split, pictures: Split, targets: Mapping[str, Target]) -> None:
        self.images_of, self.pictures_of, self._targets = images, pictures, dict(targets)
        count = max(len(images), len(pictures))
        rows = np.arange(count)
        indices = [each.rows[rows % len(each)] for each in (images, pictures)]
        counted = np.stack([rows < len(images), rows < len(pictures)], axis=1)
        super().__init__(_TwoStores((images.store, pictures.store), indices, counted, targets))

    def part(self, size: int | None, seed: int = 0) -> Unpaired:
        if size is None or size >= len(self):
            return self
        return self._of(self.images_of.part(size, seed), self.pictures_of.part(size, seed))

    def divided(self, fraction: float, seed: int, names: Sequence[str] = ()) -> tuple[Unpaired, Unpaired]:
        pairs = zip(*(each.divided(fraction, seed) for each in (self.images_of, self.pictures_of)), strict=True)
        return tuple(self._of(*pair) for pair in pairs)

    @property
    def num_files(self) -> int:
        return len(self.images_of) + len(self.pictures_of)

    def record(self) -> dict[str, Any]:
        return {"images": self.images_of.record(), "pictures": self.pictures_of.record()}

    def readable(self) -> Unpaired:
        return self._of(self.images_of.readable(), self.pictures_of.readable())

    def exchanged(self) -> Unpaired:
        """Returns the same sets, the pictures for images."""
        return self._of(self.pictures_of, self.images_of)

    def _of(self, images, pictures):
        return Unpaired(images, pictures, self._targets)


class _TwoStores:
    """Rows of two stores, side by side.

    Args:
        stores: pair of stores, of images and of pictures.
        indices: for each an int array `[n]`, which of its rows stands in row i here.
        counted: bool array `[n, 2]`.
        targets: as for `Unpaired`.
    """

    known = False

    def __init__(self, stores, indices, counted, targets):
        self._stores, self._indices, self.targets = stores, indices, dict(targets)
        self._counted = np.asarray(counted, np.float32)
        self.image_shape = stores[0].image_shape
        self._picture, *wrong = [name for name, target in targets.items() if target.apart] or [None, None]
        self._flags = [name for name, target in targets.items() if target == COUNTED]
        if wrong or len(self._flags) != 1 or len(targets) != 2:
            raise UserError(
                "Two sets without pairs are for a task that learns from a picture that is apart, and from the flags of "
                f"what is counted. Received: a task with {', '.join(f'{k} ({t})' for k, t in targets.items())}."
            )
        wanted = targets[self._picture].array_shape(self.image_shape)
        if stores[1].image_shape != wanted:
            raise UserError(
                f"The pictures of the other set must have the shape {wanted}; give image_size to resize them. "
                f"Received: {stores[1].image_shape}."
            )
        self.streaming = any(store.streaming for store in stores)
        with tf.device("/CPU:0"):
            self._rows = [tf.constant(index, tf.int64) for index in indices]
            self._flag_rows = tf.constant(self._counted)

    def __len__(self):
        return len(self._counted)

    def gather(self, rows, others=None):
        """uint8 images, and the targets by name, of a tensor of rows; the pictures are those of `others`, if given."""
        others = rows if others is None else others
        images, pictures = (
            store.gather(tf.gather(index, own))[0]
            for store, index, own in zip(self._stores, self._rows, (rows, others), strict=True)
        )
        flags = tf.stack([tf.gather(self._flag_rows[:, axis], own) for axis, own in enumerate((rows, others))], axis=1)
        return images, {self._picture: pictures, self._flags[0]: flags}

    def read(self, rows):
        """`gather` for arrays."""
        return self._stores[0].read(self._indices[0][rows])[0], self.read_targets(rows)

    def read_targets(self, rows):
        """The targets of `read` alone."""
        pictures = self._stores[1].read(self._indices[1][rows])[0]
        return {self._picture: pictures, self._flags[0]: self._counted[rows]}

    def in_memory(self, rows):
        """The same of `rows`, in this order, from memory."""
        stores, indices = [], []
        for store, index in zip(self._stores, self._indices, strict=True):
            own, places = np.unique(index[rows], return_inverse=True)
            stores.append(store.in_memory(own) if store.streaming else store)
            indices.append(places if store.streaming else index[rows])
        return _TwoStores(stores, indices, self._counted[rows], self.targets)
