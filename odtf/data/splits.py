"""Seeded splits of row numbers.

`np.random.RandomState` and not a `Generator`: its streams are frozen, so that a split survives new versions of NumPy.
"""

import numpy as np

from odtf.errors import UserError


def stratified(labels, fraction, seed, names):
    """Splits rows so that every class gives the same share, and at least one row to either side.

    Args:
        labels: int array `[n]`.
        fraction: float in (0, 1), the share of the second part.
        seed: int.
        names: names for the error message.

    Returns:
        Two sorted int64 arrays of rows, disjoint and together all of them.

    Raises:
        UserError: if a class has fewer than two rows.
    """
    random = np.random.RandomState(seed)
    first, second = [], []
    for label, name in enumerate(names):
        rows = random.permutation(np.flatnonzero(labels == label))
        if len(rows) < 2:
            raise UserError(
                f"Class {name!r} has too few images to be split: give it at least 3, one each for training, validation"
                f" and test. Received: {len(rows)} left to split."
            )
        count = min(max(1, round(fraction * len(rows))), len(rows) - 1)
        second.append(rows[:count])
        first.append(rows[count:])
    return np.sort(np.concatenate(first)), np.sort(np.concatenate(second))


def uniform(count, fraction, seed):
    """As `stratified`, without labels: where there are none, or only a pass over all files would tell them."""
    if count < 2:
        raise UserError(f"A split needs at least 2 images. Received: {count}.")
    rows = np.random.RandomState(seed).permutation(count)
    cut = min(max(1, round(fraction * count)), count - 1)
    return np.sort(rows[cut:]), np.sort(rows[:cut])


def subset(count, size, seed):
    """A seeded choice of `size` of `count` rows, sorted; smaller choices lie inside larger ones."""
    return np.sort(np.random.RandomState(seed).permutation(count)[:size])


def chunk(most, image_shape):
    """Returns how many images to treat at once: at most `most`, and fewer of large ones, down to one.

    Args:
        most: int.
        image_shape: (height, width, ...); what is computed for every pixel is to fit into memory.
    """
    return max(1, min(most, 2**21 // (image_shape[0] * image_shape[1])))
