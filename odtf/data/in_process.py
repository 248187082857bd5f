"""Images and values that Python has already: as arrays, or from tf.data."""

import numpy as np
import tensorflow as tf

from odtf.errors import UserError

_FORM = "(images, values), or a tf.data.Dataset of them"


def pair(split, part):
    """Returns the images and values of one split.

    Args:
        split: pair (images, values), or a finite `tf.data.Dataset` of such pairs, batched or not.
        part: name of the split, for errors.

    Returns:
        Array of images `[n, height, width, channels]`, and an array of values `[n, ...]` or a dict of them by name.

    Raises:
        UserError: if it is neither.
    """
    if isinstance(split, tf.data.Dataset):
        split = _read(split, part)
    if not isinstance(split, (tuple, list)) or len(split) != 2:
        raise UserError(f"The split {part!r} of a data source is {_FORM}. Received: {type(split).__name__}.")
    images, values = _numbers(split[0], part), split[1]
    if images.ndim == 3:  # Grey, as keras.datasets has them.
        images = images[..., np.newaxis]
    if not len(images):
        raise UserError(f"The split {part!r} of a data source needs an image. Received: {images.shape}.")
    if isinstance(values, dict):
        return images, {name: _numbers(value, part) for name, value in values.items()}
    return images, _numbers(values, part)


def _numbers(value, part):
    """Returns an array, if it is one of numbers."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise UserError(f"All images of a split must have one shape. Received: for {part!r}: {error}.") from error
    if array.dtype.kind not in "biuf":
        raise UserError(
            "Images and values are numbers; a label is the position of its name among the names. "
            f"Received: for {part!r} {array.dtype}."
        )
    return array


def _read(dataset, part):
    """Returns the pair of arrays of a data set that ends."""
    spec = dataset.element_spec
    rank = spec[0].shape.rank if isinstance(spec, tuple) and len(spec) == 2 and hasattr(spec[0], "shape") else None
    if rank not in (3, 4):
        raise UserError(
            f"A tf.data.Dataset gives pairs of images [height, width, channels], or batches of them, and values. "
            f"Received: for {part!r} {spec}."
        )
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise UserError(f"A tf.data.Dataset must end: leave repeat() out. Received: for {part!r} one without an end.")
    elements = list(dataset.as_numpy_iterator())
    if not elements:
        raise UserError(f"The split {part!r} of a data source needs an image. Received: an empty tf.data.Dataset.")
    join = np.concatenate if rank == 4 else np.stack
    try:
        return tf.nest.map_structure(lambda *parts: join(parts), *elements)
    except ValueError as error:
        raise UserError(
            f"Images and values of a split must have one shape. Received: for {part!r}: {error}."
        ) from error


def values_of(values, targets):
    """Returns the values of a split by the names of their targets.

    Args:
        values: array of the one target, or a dict of arrays by name.
        targets: mapping from a name to `odtf.data.Target`. Where it is one integer, a column `[n, 1]` and one-hot rows
            `[n, classes]` are labels too.

    Raises:
        UserError: if what should be labels is not.
    """
    values = values if isinstance(values, dict) else dict.fromkeys(targets, values)
    return {
        name: _labels(value) if name in targets and _is_label(targets[name]) else value
        for name, value in values.items()
    }


def names_of(columns, targets):
    """Returns names for labels that have none, "0", "1" and so on: as many as there are, over all splits.

    Args:
        columns: iterable of what `values_of` returned, one for each split.
        targets: mapping from a name to `odtf.data.Target`.
    """
    if len(targets) != 1 or not _is_label(next(iter(targets.values()))):
        return ()
    (name,) = targets
    return tuple(map(str, range(max(int(np.max(values.get(name, -1))) for values in columns) + 1)))


def _is_label(target):
    return target.shape == () and target.dtype != "float32" and not target.spatial


def _labels(value):
    """Integers `[n]` from a column of them, or from one-hot rows."""
    array = np.asarray(value)
    if array.ndim != 2:
        return array
    if array.shape[1] == 1:
        return array[:, 0]
    if array.dtype.kind not in "biuf" or not (np.isin(array, (0, 1)).all() and (array.sum(axis=1) == 1).all()):
        raise UserError(
            "Labels must be integers [n] or [n, 1], or one-hot [n, classes] with a single 1 in each row. "
            f"Received: {array.dtype} {array.shape}."
        )
    return array.argmax(axis=1)
