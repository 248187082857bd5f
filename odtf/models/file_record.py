"""The record in a .keras file of what its numbers mean: names of the outputs, and which pixels it takes.

Keras keeps neither. The record is a member of its own in the archive, which Keras passes over when it loads the file.
"""

import json
import zipfile

import numpy as np

from odtf import paths
from odtf.errors import ARCHIVE_DAMAGE, UserError

_MEMBER = "odtf.json"
_MAX_BYTES = 4 * 2**20
_KEYS = {"names", "mean", "std"}
_MAY = {"pixels", "resize"}
_RESIZES = ("stretch", "fit", "crop")
RAW = "0..255"


def write(path, names, mean, std, raw=False, resize=None):
    """Adds the record to a .keras file that has none.

    Args:
        path: of the file.
        names: what the outputs stand for, in their order; empty where they have no names.
        mean: per channel, of pixels scaled to [0, 1], by which images were normalised in its training.
        std: likewise.
        raw: whether the model takes pixels from 0 to 255, and normalises them itself.
        resize: the way of images of another shape to its size, a word; None: nothing is said.
    """
    record = {"names": [str(name) for name in names], "mean": list(map(float, mean)), "std": list(map(float, std))}
    record |= {"pixels": RAW} if raw else {}
    record |= {"resize": resize} if resize else {}
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(_MEMBER, json.dumps(record, indent=1))


def read(path):
    """Returns the record of a .keras file, a dict of what `write` took; empty for a file that has none.

    Args:
        path: of a file that `odtf.models.keras_file.load` takes.

    Raises:
        UserError: if the record is damaged.
    """
    try:
        with paths.at(path).open("rb") as stream, zipfile.ZipFile(stream) as archive:
            if _MEMBER not in archive.namelist():
                return {}
            if archive.getinfo(_MEMBER).file_size > _MAX_BYTES:
                raise ValueError(f"more than {_MAX_BYTES:,} bytes")
            return _checked(json.loads(archive.read(_MEMBER)))
    except ARCHIVE_DAMAGE as error:
        raise UserError(
            f"The record {_MEMBER} in {path} must have {', '.join(sorted(_KEYS))}, as an export wrote it. "
            f"Received: {str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__}."
        ) from error


def pixels_of(record):
    """Returns which pixels the model takes, for `from_keras`: "0..255" or (mean, std); None if nothing is known."""
    return record.get("pixels", (record["mean"], record["std"])) if record else None


def check_pixels(path, pixels):
    """Refuses pixels that contradict a model which normalises them itself: they would be normalised twice.

    Args:
        path: of a .keras file.
        pixels: what somebody says that it takes, as for `from_keras`; None: nothing.

    Raises:
        UserError: if they do, or the record is damaged.
    """
    if pixels not in (None, RAW) and pixels_of(read(path)) == RAW:
        raise UserError(
            f"{path} takes pixels from 0 to 255 and normalises them itself: leave pixels out. "
            f"Received: pixels={pixels!r}."
        )


def _checked(record):
    if not isinstance(record, dict) or record.get("pixels", RAW) != RAW or set(record) - _MAY != _KEYS:
        raise ValueError(str(record)[:60])
    if not all(isinstance(record[key], list) for key in _KEYS) or record.get("resize", "fit") not in _RESIZES:
        raise ValueError(str(record)[:60])
    mean, std = (np.asarray(record[key], np.float64) for key in ("mean", "std"))
    if not all(isinstance(name, str) for name in record["names"]) or mean.shape != std.shape or mean.ndim != 1:
        raise ValueError("names that are no text, or constants that do not go together")
    if not (np.isfinite(mean).all() and np.isfinite(std).all() and np.all(std > 0) and mean.size):
        raise ValueError("constants that are no finite numbers, or deviations that are not positive")
    return record
