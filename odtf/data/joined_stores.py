"""Stores of several data sets as one that a training pipeline draws from; of some of them only the images count."""

import itertools

import tensorflow as tf

from odtf.errors import UserError


class Unlabelled:
    """The images of a store, with targets that count for nothing.

    Args:
        store: `MemoryStore` or `FileStore`; its own targets are left out.
        targets: mapping from a name to `Target`, what each image gets: their `ignore` everywhere.

    Raises:
        UserError: if a target has no value that is ignored.
    """

    def __init__(self, store, targets):
        if without := [name for name, target in targets.items() if target.ignore is None]:
            raise UserError(
                "Images join without labels only where each target of the task has a value that is ignored, as masks "
                f"have their void; labels=True would be right. Received: labels=False with the target {without[0]!r}."
            )
        self._store, self.targets = store, dict(targets)
        self.image_shape, self.streaming = store.image_shape, store.streaming

    def __len__(self):
        return len(self._store)

    def gather(self, rows):
        """uint8 images, and the targets by name, of a tensor of rows."""
        images, _ = self._store.gather(rows)
        return images, {name: self._ignored(target, tf.shape(rows)) for name, target in self.targets.items()}

    def _ignored(self, target, count):
        shape = tf.concat([count, tf.constant(target.array_shape(self.image_shape), tf.int32)], 0)
        return tf.fill(shape, tf.constant(target.ignore, target.dtype))


class JoinedStores:
    """Stores end to end: the rows of the second follow those of the first, and so on.

    Args:
        stores: list of stores of one image shape and equal targets.
    """

    def __init__(self, stores):
        self._stores = list(stores)
        first = self._stores[0]
        self.image_shape, self.targets = first.image_shape, first.targets
        self.streaming = any(store.streaming for store in self._stores)
        # Where each store's rows begin.
        self.starts = [0, *itertools.accumulate(map(len, self._stores))]

    def __len__(self):
        return self.starts[-1]

    def gather(self, rows):
        """uint8 images, and the targets by name, of a tensor of rows; no store reads a file of another's row."""
        owner = tf.searchsorted(tf.constant(self.starts[1:], rows.dtype), rows, side="right")
        places, images, values = [], [], {name: [] for name in self.targets}
        for index, (store, start) in enumerate(zip(self._stores, self.starts, strict=False)):
            place = tf.squeeze(tf.where(owner == index), 1)
            found, columns = store.gather(tf.gather(rows, place) - start)
            places.append(tf.cast(place, tf.int32))
            images.append(tf.ensure_shape(found, (None, *self.image_shape)))
            for name, target in self.targets.items():
                shape = (None, *target.array_shape(self.image_shape))
                values[name].append(tf.ensure_shape(columns[name], shape))
        joined = {name: tf.dynamic_stitch(places, columns) for name, columns in values.items()}
        return tf.dynamic_stitch(places, images), joined
