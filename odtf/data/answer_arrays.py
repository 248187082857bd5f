"""Answers of a teacher of another framework: the arrays of an .npz file.

    logits      floats [n, views, ...], answers to view v of image i, as `odtf.data.views.AllViews` numbers the views;
                of one view also [n, ...]
    index       integers [n], each once: the source's own number of each image. `Split.keys` has those of a split
    pixel_sums  integers [n]: the sum of all pixels, 0..255, of each image as the data set has it, before any view
    pad, flip   the augmentation, where it is not 0 and False
    pad_mode    text, "zero" or "reflect", where it is not "zero"
    names       texts [classes], where the last axis of `logits` is not in the order of the data's classes

Views are made of the uint8 image, before it is normalised; what lies outside is black, 0, or mirrored.
"""

import numpy as np

from odtf import archives, paths
from odtf.data import views
from odtf.errors import ARCHIVE_DAMAGE, UserError

_NEEDED = ("logits", "index", "pixel_sums")
_OPTIONAL = {"pad": 0, "flip": False, "pad_mode": "zero", "names": None}
_CHUNK = 1024


class AnswerArrays:
    """The arrays of a file, checked against the images.

    Args:
        path: of the .npz file.
        split: `odtf.data.Split`, whose images need answers.
        names: tuple of str, of the data's classes.
        augmentation: `odtf.data.Augmentation`.

    Raises:
        UserError: if an array is missing or of another form, or is of other images, classes or views.
    """

    def __init__(self, path, split, names, augmentation):
        self._path, self._arrays = paths.at(path), _read(path)
        self._check_form()
        self._check_views(augmentation)
        order = np.argsort(self._arrays["index"], kind="stable")
        index = self._arrays["index"][order]
        found = np.minimum(np.searchsorted(index, split.keys), len(index) - 1)
        if not np.array_equal(index[found], split.keys) or len(np.unique(index)) < len(index):
            absent = split.keys[index[found] != split.keys]
            self._refuse(
                "index must have the source's number of every training and validation image, each once",
                f"{len(index)} numbers, without {len(absent)} of {len(split)}",
            )
        self._rows = order[found]
        self._check_sums(split)
        self._columns = self._order(list(map(str, names)))

    @property
    def answer_shape(self):
        """Shape of one answer."""
        return (*self._logits.shape[2:-1], len(self._columns)) if self._logits.ndim > 2 else ()

    def answers(self, start, end, view):
        """Returns the answers to one view of the images from `start` to `end` of the split, float32 `[n, ...]`."""
        found = self._logits[self._rows[start:end], view].astype(np.float32)
        return found[..., self._columns] if found.ndim > 1 else found

    def _refuse(self, wanted, received):
        raise UserError(f"{self._path}: {wanted}. Received: {received}.")

    def _check_form(self):
        missing = [name for name in _NEEDED if name not in self._arrays]
        unknown = sorted(set(self._arrays) - set(_NEEDED) - set(_OPTIONAL))
        if missing or unknown:
            wanted = f"it has the arrays {', '.join(_NEEDED)} and may have {', '.join(_OPTIONAL)}"
            self._refuse(wanted, f"without {missing[0]!r}" if missing else f"with {unknown[0]!r}")
        count = self._arrays["index"].size
        for name, kinds in (("logits", "f"), ("index", "iu"), ("pixel_sums", "iu")):
            array = self._arrays[name]
            if array.dtype.kind not in kinds or array.ndim < 1 or len(array) != count:
                self._refuse(f"{name} must be numbers of each image", f"{array.dtype} {array.shape}")
            if name != "logits" and array.ndim != 1:
                self._refuse(f"{name} must be one number of each image", f"{array.dtype} {array.shape}")
        if not count:
            self._refuse("it must have answers", "none")

    def _check_views(self, augmentation):
        own = {name: self._arrays[name].item() for name in ("pad", "flip", "pad_mode") if name in self._arrays}
        said = {name: value for name, value in own.items() if value != _OPTIONAL[name]}
        if not said.get("pad"):
            said.pop("pad_mode", None)
        asked = views.said_of(augmentation)
        if asked != said or not views.is_finite(augmentation):
            self._refuse(
                f"its views, by pad, flip and pad_mode, must be those of config.data.augment, {asked or 'none'}",
                said or "no augmentation",
            )
        logits, count = self._arrays["logits"], views.AllViews(augmentation).count
        if count == 1 and not (logits.ndim > 2 and logits.shape[1] == 1):
            logits = logits[:, np.newaxis]
        if logits.ndim < 2 or logits.shape[1] != count:
            self._refuse(f"logits must be [images, {count} views, ...]", f"{logits.shape}")
        self._logits = logits

    def _check_sums(self, split):
        said = self._arrays["pixel_sums"][self._rows]
        wrong = np.flatnonzero(pixel_sums(split) != said)
        if len(wrong):
            first = wrong[0]
            self._refuse(
                "pixel_sums must be the sums of the pixels of these images",
                f"{len(wrong)} others, the first of number {split.keys[first]}, {said[first]}",
            )

    def _order(self, names):
        """Which columns of the answers stand for the data's classes, in their order."""
        columns = self._logits.shape[-1] if self._logits.ndim > 2 else 1
        own = self._arrays.get("names")
        if own is None:
            if names and columns != len(names):
                self._refuse(f"logits must have an answer for each of {len(names)} classes", f"{self._logits.shape}")
            return list(range(columns))
        own = list(map(str, own))
        absent = [name for name in names if name not in own]
        if absent or len(own) != columns or len(set(own)) < len(own):
            self._refuse(f"names must name each of {columns} answers once, with {', '.join(names)} among them", own)
        return [own.index(name) for name in names]


def _read(path):
    try:
        with paths.at(path).open("rb") as stream:
            return archives.arrays_in(stream)
    except ARCHIVE_DAMAGE as error:
        raise UserError(f"{path} must be an .npz file of plain arrays. Received: {error}.") from error


def pixel_sums(split):
    """Returns the sum of all pixels of each image of a split, int64 `[n]`, read in parts."""
    parts = [split.take(np.arange(start, min(start + _CHUNK, len(split))))[0] for start in range(0, len(split), _CHUNK)]
    return np.concatenate([part.reshape(len(part), -1).sum(axis=1, dtype=np.int64) for part in parts])
