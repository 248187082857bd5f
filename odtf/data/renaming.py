"""Data whose integer targets are counted in another order of names: that of the network which is judged by them."""

import collections.abc
import dataclasses
import os

import numpy as np
import tensorflow as tf

from odtf import paths
from odtf.data import naming
from odtf.data.class_tables import Names
from odtf.data.dataset import Split
from odtf.errors import UserError


def in_order(dataset, names):
    """Returns a data set whose integer targets are positions in other names.

    Args:
        dataset: `odtf.data.ImageDataset`.
        names: names in the order wanted. There may be more than the data have: no image is of those.

    Returns:
        `odtf.data.ImageDataset`; the same where the names are.

    Raises:
        UserError: if a name of the data set is not among them, or one is there twice.
    """
    names, own = tuple(map(str, names)), tuple(map(str, dataset.names))
    if names == own:
        return dataset
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"The names of outputs are all different. Received: {twice[0]!r} twice.")
    if missing := [name for name in own if name not in names]:
        raise UserError(
            f"The names of the outputs must have every class of {dataset.name} among them. Received: {len(names)} "
            f"names, without {', '.join(missing[:3])}."
        )
    colors = dict(zip(own, dataset.colors, strict=True)) if dataset.colors else {}
    colors = [colors[name] for name in names] if set(names) <= set(colors) else ()
    positions = [names.index(name) for name in own]
    stores = {id(split.store): _Store(split.store, positions) for split in dataset.splits.values()}
    splits = {part: Split(stores[id(split.store)], split.rows) for part, split in dataset.splits.items()}
    return dataclasses.replace(dataset, names=Names(names, colors), splits=splits, colors=tuple(colors))


def read_names(labels, distinct=True):
    """Returns names of outputs, a list of str: those given, or those in a text file, one a line.

    Args:
        labels: names, or the path of a file.
        distinct: as for `odtf.data.naming.cleaned`.

    Raises:
        UserError: if the file cannot be read, a line in it is empty, or a name is none that a file can carry.
    """
    if not isinstance(labels, str | os.PathLike):
        if not isinstance(labels, collections.abc.Iterable):
            raise UserError(f"labels are names, or the path of a file with one a line. Received: labels={labels!r}.")
        return list(naming.cleaned(labels, "labels", distinct))
    try:
        # Editors of some systems begin a file with a mark of its encoding.
        lines = [line.strip() for line in paths.at(labels).read_text("utf-8-sig").split("\n")]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"Labels are a text file, one name a line. Received: {labels} ({error}).") from error
    while lines and not lines[-1]:
        lines.pop()
    if not lines or not all(lines):
        empty = lines.index("") + 1 if lines else 1
        raise UserError(f"Labels are a text file, one name a line. Received: {labels}, whose line {empty} is empty.")
    return list(naming.cleaned(lines, labels, distinct))


class _Store:
    """A store whose integer targets are looked up in a table; see `odtf.data.stores`."""

    def __init__(self, store, positions):
        self._store = store
        # What is no class, such as 255 in a mask, stays as it is.
        self._table = np.arange(max(256, len(positions)), dtype=np.int64)
        self._table[: len(positions)] = positions

    def __getattr__(self, name):
        return getattr(self._store, name)

    def __len__(self):
        return len(self._store)

    def gather(self, rows):
        images, values = self._store.gather(rows)
        table = tf.constant(self._table)
        return images, self._mapped(values, lambda v: tf.cast(tf.gather(table, tf.cast(v, tf.int64)), v.dtype))

    def read(self, rows):
        images, values = self._store.read(rows)
        return images, self._renamed(values)

    def read_targets(self, rows):
        return self._renamed(self._store.read_targets(rows))

    def _renamed(self, values):
        return self._mapped(values, lambda v: self._table[v].astype(v.dtype))

    def _mapped(self, values, function):
        kinds = self._store.targets
        return {name: v if kinds[name].dtype == "float32" else function(v) for name, v in values.items()}
