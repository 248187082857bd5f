"""A teacher's answers to every stored view of every training image, in a directory: a step costs none of its passes.

    answers.json   what they are of, see `FORM`; its digest, and the sha256 of each of the other files
    logits.npy     float16 [images, views, ...], mapped and never read as a whole
    index.npy      int64 [images], ascending: the source's own number of each image
    pixels.npy     uint64 [images]: the digest of each image's pixels
    draws.npy      of drawn views: the numbers behind each, see `odtf.data.views.DrawnViews`

An image is found by the source's own number, and so by any split of it and any part of one; that it still is the same
image its pixels show.

Reference:
    Shen, Xing, "A Fast Knowledge Distillation Framework for Visual Recognition", ECCV 2022; Beyer et al., "Knowledge
    distillation: A good teacher is patient and consistent", CVPR 2022, on why the teacher sees the student's view.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from odtf import digests, paths, sealed
from odtf.data import graph_calls, views
from odtf.errors import UserError

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from typing import Any

    from odtf.data.augment import Augmentation
    from odtf.data.dataset import ImageDataset


RECORD = "answers.json"
FORM = {
    "format": int,
    "data": str,
    "names": [str],
    "image_shape": [int],
    "images": int,
    "augment": {},
    "views": {"kind": str, "count": int},
    "answer_shape": [int],
    "teachers": [{"file": str, "sha256": str}],
    "sha256": {"logits.npy": str, "index.npy": str, "pixels.npy": str},
}
FORMAT = 1
_REMEDY = "storing the answers anew would be right"
# Of a set that streams from files so many images are compared; of one in memory all.
_SAMPLE = 1024
_CHUNK = 1024


def are_in(path):
    """Whether a directory holds stored answers."""
    return (paths.at(str(path)) / RECORD).exists()


class StoredAnswers:
    """The answers of one or several teachers, opened.

    Args:
        directory: where they are.

    Raises:
        UserError: if they are not there, or answers.json is damaged.

    Attributes:
        answer_shape: tuple, of one answer: (classes,) in classification.
        names: tuple of str, of the classes, in the order of the answers.
        digest: of answers.json, and so of everything.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = paths.at(directory)
        try:
            self.record = sealed.read(self.directory / RECORD, FORM, _REMEDY)
        except FileNotFoundError as error:
            raise UserError(
                f"Stored answers are a directory with {RECORD}, as odtf-store makes it. Received: {directory}."
            ) from error
        if self.record["format"] != FORMAT:
            raise UserError(f"{self.directory} must have the format {FORMAT}; {_REMEDY}. Received: {self.record}.")
        self.answer_shape = tuple(self.record["answer_shape"])
        self.names = tuple(self.record["names"])
        self.digest = sealed.digest(self.record)

    def check_names(self, names: Sequence[str]) -> None:
        """Raises UserError unless the answers are of these classes, in their order."""
        if self.names != tuple(map(str, names)):
            raise UserError(
                f"The answers in {self.directory} are of the classes {', '.join(self.names)}; data with the same, in "
                f"this order, would be right. Received: {', '.join(map(str, names))}."
            )

    def of(self, dataset: ImageDataset, augmentation: Augmentation) -> Lookup:
        """Returns the answers to the training images of a data set, for its pipeline.

        Args:
            dataset: `ImageDataset`.
            augmentation: `Augmentation`.

        Returns:
            `Lookup`.

        Raises:
            UserError: if a file has changed, or the images, classes or views are others.
        """
        for name, said in self.record["sha256"].items():
            if (found := sha256(self._here(name))) != said:
                path = self.directory / name
                raise UserError(f"{path} has changed since it was stored; {_REMEDY}. Received: a sha256 of {found}.")
        self.check_names(dataset.names)
        asked, stored = views.said_of(augmentation), self.record["augment"]
        if asked != stored:
            raise UserError(
                f"The answers in {self.directory} are to the views of {stored or 'no augmentation'}, which "
                f"config.data.augment would have to be. Received: {asked or 'no augmentation'}."
            )
        table = None
        if self.record["views"]["kind"] == views.AllViews.kind:
            chosen: Any = views.AllViews(augmentation)
        else:
            table = self._mapped("draws.npy")
            chosen = views.DrawnViews(table, augmentation)
        lookup = Lookup(self._mapped("logits.npy"), chosen, self._positions(dataset))
        self._check_pixels(dataset)
        return lookup

    def _here(self, name):
        """Returns the path of a file on a disk of this machine."""
        path = self.directory / name
        try:
            return paths.cached(path)
        except OSError as error:
            raise UserError(f"{path} must be a file that can be read. Received: {error.strerror}.") from error

    def _mapped(self, name):
        return np.load(self._here(name), mmap_mode="r")

    def _positions(self, dataset):
        """The position in the files of every row of the training split's store; -1 where there is none."""
        split, index = dataset.splits["train"], np.load(self._here("index.npy"))
        found = np.searchsorted(index, split.keys)
        there = np.equal(index[np.minimum(found, len(index) - 1)], split.keys)
        if tuple(dataset.image_shape) != tuple(self.record["image_shape"]) or not there.all():
            raise UserError(
                f"The answers in {self.directory} must be to all training images, {len(split)} of shape "
                f"{tuple(dataset.image_shape)}; {_REMEDY}, without data.max_train_examples. Received: answers to "
                f"{int(there.sum())} of them, of shape {tuple(self.record['image_shape'])}, from {self.record['data']}."
            )
        positions = np.full(len(split.store), -1, np.int64)
        positions[split.rows] = found
        return positions

    def _check_pixels(self, dataset):
        split, said = dataset.splits["train"], np.load(self._here("pixels.npy"))
        index = np.load(self._here("index.npy"))
        checked = split.part(_SAMPLE) if split.store.streaming else split
        found = pixel_digests(checked)
        wrong = np.flatnonzero(found != said[np.searchsorted(index, checked.keys)])
        if len(wrong):
            raise UserError(
                f"The images of {dataset.name} must be those that the answers in {self.directory} were stored of; "
                f"{_REMEDY}. Received: {len(wrong)} of {len(checked)} with other pixels, the first of them number "
                f"{checked.keys[wrong[0]]} of its source."
            )


class Lookup:
    """Answers by row and view, inside a graph.

    Args:
        logits: float16 array `[images, views, ...]`, which may be mapped from a file.
        chosen: `AllViews` or `DrawnViews`.
        positions: int64 array, the position among the images of every row of a store.
    """

    def __init__(self, logits, chosen, positions):
        self._logits, self._views = logits, chosen
        with tf.device("/CPU:0"):
            self._positions = tf.constant(positions, tf.int64)

    def chosen(self, rows, numbers):
        """Chooses a stored view of each image.

        Args:
            rows: int64 tensor `[n]`, of the store.
            numbers: `odtf.data.views.Numbers` that were drawn.

        Returns:
            The `Numbers` of the views that were chosen, and a float32 tensor `[n, ...]` of the answers to them.
        """
        positions = tf.gather(self._positions, rows)
        view, numbers = self._views.chosen(positions, numbers)

        def look_up(pairs):
            return (np.asarray(self._logits[pairs[:, 0], pairs[:, 1]], np.float32),)

        (answers,) = graph_calls.call(look_up, tf.stack([positions, view], axis=1), (tf.float32,))
        return numbers, tf.ensure_shape(answers, (rows.shape[0], *self._logits.shape[2:]))


def sha256(path):
    """Returns the sha256 of a file.

    Raises:
        UserError: if it cannot be read.
    """
    try:
        return digests.sha256_of(path)
    except OSError as error:
        raise UserError(f"{path} must be a file that can be read. Received: {error.strerror}.") from error


def pixel_digests(split):
    """Returns a digest of the pixels of each image of a split, uint64 `[n]`, read in parts."""
    found = [
        hashlib.blake2b(image.tobytes(), digest_size=8).digest()
        for start in range(0, len(split), _CHUNK)
        for image in split.take(np.arange(start, min(start + _CHUNK, len(split))))[0]
    ]
    return np.frombuffer(b"".join(found), "<u8")
