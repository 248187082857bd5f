"""Arrays of this process, and what tf.data gives: the data sets that `odtf.data.from_arrays` names."""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING

import numpy as np

from odtf.data import in_process, records
from odtf.data.dataset import Split
from odtf.data.stores import MemoryStore
from odtf.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


FORM = "'memory:NAME' of odtf.data.from_arrays"

# Name -> (names, splits), each split a pair of images and values.
_SETS: dict[str, tuple[Any, Any]] = {}


def from_arrays(
    train: Any, validation: Any = None, test: Any = None, *, names: Sequence[str] | None = None, title: str = "arrays"
) -> str:
    """Makes a data set of arrays, or of a `tf.data.Dataset`, and returns its name.

    The name stands wherever one is wanted while this process lives: `config.data.name`, `odtf.data.load`,
    `odtf.runs.train`, `odtf.run_exports.export_workdir`. It has a checksum of the data in it, so that a workdir is not
    gone on with on other data. A function of one's own that returns it is a source for other processes too:
    `config.data.name = "FILE.py:FUNCTION"`.

    Args:
        train: a pair (images, values), or a finite `tf.data.Dataset` of such pairs, batched or not, which is read once.
            Images are uint8 `[n, height, width, channels]`, or `[n, height, width]` for grey ones; values are those of
            the task's one target, or a dict of several by name. Labels may be integers `[n]` or `[n, 1]`, or one-hot
            `[n, classes]`.
        validation: likewise, or None: `odtf.data.load` takes it from `train`.
        test: likewise.
        names: list of str, what integer labels stand for, such as classes; None: "0", "1" and so on.
        title: str, the part of the name for people.

    Returns:
        str, "memory:TITLE-CHECKSUM".

    Raises:
        UserError: if a split is none of these.

    Example:

    >>> (x, y), (x_test, y_test) = keras.datasets.cifar10.load_data()
    >>> config.data.name = odtf.data.from_arrays((x, y), test=(x_test, y_test))
    """
    given = {"train": train, "validation": validation, "test": test}
    splits = {part: in_process.pair(split, part) for part, split in given.items() if split is not None}
    names = None if names is None else tuple(map(str, names))
    name = f"{title}-{_digest(names, splits)}"
    _SETS[name] = names, splits
    return f"memory:{name}"


def open_source(argument, *, data_dir, image_size, targets):
    """Opens a data set of this process.

    Args:
        argument: what `from_arrays` returned, without "memory:".
        data_dir: of no meaning here.
        image_size: None, or the size that the images have.
        targets: what the task learns from.

    Returns:
        Names of the classes, splits by name.

    Raises:
        UserError: if this process has no such set, or its values are not those of the targets.
    """
    if argument not in _SETS:
        raise UserError(
            "Arrays live in the process that odtf.data.from_arrays was called in; a function that returns its name, as "
            f"FILE.py:FUNCTION, is a data set everywhere. Received: 'memory:{argument}'."
        )
    names, splits = _SETS[argument]
    values = {part: in_process.values_of(split[1], targets) for part, split in splits.items()}
    record = functools.partial(records.of_rows, checksum=argument.rpartition("-")[2])
    found = {part: Split(MemoryStore(split[0], values[part], targets, record)) for part, split in splits.items()}
    return in_process.names_of(values.values(), targets) if names is None else names, found


def _digest(names, splits):
    digest = hashlib.sha256(repr(names).encode())
    for part, (images, values) in splits.items():
        columns = values if isinstance(values, dict) else {"": values}
        for name, column in {"images": images, **columns}.items():
            array = np.ascontiguousarray(column)
            digest.update(f"{part} {name} {array.dtype} {array.shape}".encode())
            digest.update(array.data)
    return digest.hexdigest()[:12]
