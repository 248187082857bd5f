"""Stores of samples: in one tensor for images and one for each target, or in files that are read when asked for.

Both answer `gather(rows)` inside a graph and `read(rows)` outside, for any rows in any order, so that a pipeline which
is a pure function of its step needs to know nothing of them.
"""

from __future__ import annotations

import concurrent.futures
import os
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from odtf.data import graph_calls, jpeg_parts, records
from odtf.data.samples import LABEL, fitted
from odtf.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from odtf.data.samples import Target
    from odtf.losses.tensors import Tensor


_CHUNK = 64


class MemoryStore:
    """All images in one uint8 tensor and all values of a target in another; graphs capture them by reference.

    Args:
        images: uint8 array `[n, height, width, channels]`; the store keeps its own copy and no reference to it.
        values: mapping from the name of a target to an array `[n, ...]`, likewise copied.
        targets: mapping from a name to `Target`; None for an integer "label".
        record: function of rows, see `odtf.data.records`; None: rows are told by their numbers.
        origin: int64 array `[n]`, the rows of the source that the images were read from; None: its own.

    Raises:
        UserError: if an array is not of its target's shape, or holds what its type cannot.
    """

    streaming = False
    # All targets can be had without reading a file.
    known = True

    def __init__(
        self,
        images: np.ndarray,
        values: Mapping[str, Any],
        targets: Mapping[str, Target] | None = None,
        record: Callable[[np.ndarray], dict[str, Any]] | None = None,
        origin: np.ndarray | None = None,
    ) -> None:
        self.record = record or records.of_rows
        self.origin = origin
        self.targets = dict(LABEL if targets is None else targets)
        images = np.asarray(images)
        if images.dtype != np.uint8 or images.ndim != 4:
            raise UserError(
                f"Images must be a uint8 array [n, height, width, channels]. Received: {images.dtype} {images.shape}."
            )
        columns = _columns(values, self.targets, len(images), images.shape[1:])
        # On the host whatever the default device: the pipeline runs there.
        with tf.device("/CPU:0"):
            # A tensor made from an array keeps a second buffer as long as it lives; its identity does not.
            self._images = tf.identity(tf.convert_to_tensor(images))
            self._values = {name: tf.identity(tf.convert_to_tensor(column)) for name, column in columns.items()}

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return tuple(self._images.shape[1:])

    def __len__(self):
        return len(self._images)

    def gather(self, rows: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """uint8 images, and the targets by name, of a tensor of rows."""
        return tf.gather(self._images, rows), {name: tf.gather(each, rows) for name, each in self._values.items()}

    def read(self, rows: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """`gather` for arrays."""
        with tf.device("/CPU:0"):
            return tf.gather(self._images, rows).numpy(), self.read_targets(rows)

    def read_targets(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The targets of `read` alone."""
        with tf.device("/CPU:0"):
            return {name: tf.gather(each, rows).numpy() for name, each in self._values.items()}


def _columns(values, targets, count, image_shape):
    """Arrays of all values of the targets, in the order of the targets."""
    if set(values) != set(targets):
        raise UserError(
            f"A store must get the values of its targets, {', '.join(targets)}. Received: {', '.join(values)}."
        )
    return {
        name: fitted(name, values[name], target, (count, *target.array_shape(image_shape)))
        for name, target in targets.items()
    }


class FileStore:
    """Images decoded from files each time they are asked for, and their targets.

    Args:
        count: number of rows.
        image_shape: (height, width, channels) of every decoded image.
        read_one: function of a row that returns a uint8 image and its targets by name, and raises `UserError` for a
            corrupt one; called from several threads at once.
        targets: mapping from a name to `Target`; None for an integer "label".
        known: mapping from a name to an array `[n, ...]`, if all targets are known without reading the files.
        read_targets: function of a row that returns its targets alone, where that costs less than `read_one`.
        record: function of rows, see `odtf.data.records`; None: rows are told by their numbers.
        files: list of the paths of the images, one for each row; None where they are no files of their own.
        read_file: function of a row that returns the bytes of its image file, what an error calls it, and its targets
            by name, where parts of the image may be cut from that file; None where they may not.

    Raises:
        UserError: if a value of a target is not what it should be; reading raises it as well.
    """

    streaming = True

    def __init__(
        self,
        count: int,
        image_shape: tuple[int, int, int],
        read_one: Callable[[int], tuple[np.ndarray, Mapping[str, Any]]],
        targets: Mapping[str, Target] | None = None,
        known: Mapping[str, Any] | None = None,
        read_targets: Callable[[int], Mapping[str, Any]] | None = None,
        record: Callable[[np.ndarray], dict[str, Any]] | None = None,
        files: Sequence[str | os.PathLike[str]] | None = None,
        read_file: Callable[[int], tuple[bytes, str, Mapping[str, Any]]] | None = None,
    ) -> None:
        self.record = record or records.of_rows
        self.image_shape = tuple(image_shape)
        self.targets = dict(LABEL if targets is None else targets)
        self.files = files
        self._read_file = read_file
        self._count = count
        self._read_one = read_one
        self._targets_of = read_targets or (lambda row: read_one(row)[1])
        self._columns = None if known is None else _columns(known, self.targets, count, self.image_shape)

    def __len__(self):
        return self._count

    @property
    def known(self) -> bool:
        """Whether all targets can be had without reading a file."""
        return self._columns is not None

    def learn_targets(self) -> None:
        """Reads the targets of all files once, if they are not known, and keeps them."""
        if self.known:
            return
        rows, columns = np.arange(len(self)), self._empty_targets(len(self))

        def fill(part):
            for name, values in self.read_targets(rows[part]).items():
                columns[name][part] = values

        _in_parts(len(rows), fill)
        self._columns = columns

    def gather(self, rows: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """uint8 images, and the targets by name, of a tensor of rows."""
        outputs = (tf.uint8, *(tf.as_dtype(target.dtype) for target in self.targets.values()))
        images, *values = graph_calls.call(self._read_flat, rows, outputs)
        return images, dict(zip(self.targets, values, strict=True))

    @property
    def has_parts(self) -> bool:
        """Whether there is `gather_parts`: the images are whole files, and nothing else moves with their pixels."""
        return self._read_file is not None and not any(target.spatial for target in self.targets.values())

    def gather_parts(
        self, rows: Tensor, numbers: Tensor, area: tuple[float, float], ratio: tuple[float, float]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """`gather`, of random parts that are enlarged to the whole, each cut from the image in its file.

        Args:
            rows: int64 tensor `[n]`.
            numbers, area, ratio: float32 tensor `[n, 4]` and what else `odtf.data.random_crop.transforms` takes.
        """

        def prepare(rows, numbers):
            jpeg_parts.handing(self._read_one, rows)
            contents, columns = np.empty(len(rows), object), self._empty_targets(len(rows))
            places, scales = np.empty((len(rows), 4), np.int32), np.empty(len(rows), np.int32)
            for i, row in enumerate(rows):
                data, name, values = self._read_file(int(row))
                contents[i], places[i], scales[i] = jpeg_parts.wanted(
                    data, numbers[i], self.image_shape, area, ratio, name
                )
                self._fill(columns, i, values)
            return contents, places, scales, *columns.values()

        dtypes = (tf.string, tf.int32, tf.int32, *(tf.as_dtype(target.dtype) for target in self.targets.values()))
        contents, places, scales, *values = graph_calls.call(prepare, (rows, numbers), dtypes)
        contents, scales = (tf.ensure_shape(each, rows.shape) for each in (contents, scales))
        places = tf.ensure_shape(places, (*rows.shape, 4))
        images = jpeg_parts.decoded(contents, places, scales, self.image_shape)
        return images, dict(zip(self.targets, values, strict=True))

    def _read_flat(self, rows):
        images, values = self.read(rows)
        return images, *values.values()

    def _empty_images(self, count):
        return np.empty((count, *self.image_shape), np.uint8)

    def _empty_targets(self, count):
        shapes = {name: (count, *target.array_shape(self.image_shape)) for name, target in self.targets.items()}
        return {name: np.empty(shape, self.targets[name].dtype) for name, shape in shapes.items()}

    def _fill(self, columns, i, values):
        for name, column in columns.items():
            column[i] = fitted(name, values[name], self.targets[name], column.shape[1:])

    def read(self, rows: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """`gather` for arrays."""
        images, columns = self._empty_images(len(rows)), self._empty_targets(len(rows))
        for i, row in enumerate(rows):
            images[i], values = self._read_one(int(row))
            self._fill(columns, i, values)
        return images, columns

    def read_targets(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The targets of `read` alone."""
        if self._columns is not None:
            return {name: column[rows] for name, column in self._columns.items()}
        columns = self._empty_targets(len(rows))
        for i, row in enumerate(rows):
            self._fill(columns, i, self._targets_of(int(row)))
        return columns

    def readable(self, rows: np.ndarray) -> np.ndarray:
        """Those of `rows` that decode, found by decoding all of them."""

        def decodes(row):
            try:
                self._read_one(int(row))
            except UserError:
                return False
            return True

        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            return rows[np.fromiter(pool.map(decodes, rows), bool, len(rows))]

    def in_memory(self, rows: np.ndarray) -> MemoryStore:
        """A `MemoryStore` of `rows`, in this order."""
        images, columns = self._empty_images(len(rows)), self._empty_targets(len(rows))

        def fill(part):
            images[part], values = self.read(rows[part])
            for name, column in columns.items():
                column[part] = values[name]

        _in_parts(len(rows), fill)
        return MemoryStore(images, columns, self.targets, origin=rows)


def _in_parts(count, fill):
    """Calls a function of a slice for all of `count` rows, in parts, on all cores."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        # The list makes the first error of any thread an error here.
        list(pool.map(fill, (slice(start, start + _CHUNK) for start in range(0, count, _CHUNK))))
