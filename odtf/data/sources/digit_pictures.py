"""Synthetic pictures: scikit-learn's handwritten digits, clean from noisy ones, or from their edges.

Made by a seeded generator, always the same, for tests and quick looks: no result on them says anything about pictures.
"""

import numpy as np

from odtf.data.dataset import Split
from odtf.data.picture_pairs import picture_of
from odtf.data.samples import check
from odtf.data.stores import MemoryStore
from odtf.data.unpaired import Unpaired
from odtf.errors import UserError

FORM = "'digit_pictures', 'digit_pictures:edges'"

_SIZE = (32, 32)
_COUNTS = {"train": 400, "validation": 80, "test": 120}
# Deviation of the noise, in grey levels; how steep an edge is, of the largest step.
_NOISE, _STEEP = 60.0, 0.15


def open_source(argument, *, data_dir, image_size, targets):
    """Makes the pictures. No digit is in two splits, nor among both images and pictures where there are no pairs.

    Args:
        argument: "" for clean digits from noisy ones, "edges" for digits from their edges.
        data_dir: of no meaning here.
        image_size: (height, width), at least 8 each; None for 32x32.
        targets: a picture of one channel, with a pair or apart.

    Returns:
        (), splits by name.

    Raises:
        UserError: for any other argument or target, or a smaller size.

    Reference:
        Alpaydin, Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998.
    """
    from sklearn.datasets import load_digits

    found = picture_of(targets)
    if found is None or found[1].array_shape((0, 0, 1))[2] != 1:
        check("digit_pictures", {"picture": "of one channel, as large as its image"}, targets)
    if argument not in ("", "edges"):
        raise UserError(f"digit_pictures take nothing, or edges. Received: 'digit_pictures:{argument}'.")
    size = image_size or _SIZE
    if min(size) < 8:
        raise UserError(f"digit_pictures have at least 8x8 pixels. Received: image_size={size}.")
    name, target = found
    random, digits = np.random.RandomState(0), load_digits().images
    order, splits, first = random.permutation(len(digits)), {}, 0
    make = _edges if argument else _noisy
    for part, count in _COUNTS.items():
        clean = np.stack([_enlarged(digits[d], size) for d in order[first : first + 2 * count]])
        images, first = make(clean, random)[:count], first + 2 * count
        if target.apart:
            halves = (images, clean[count:])
            splits[part] = Unpaired(*(Split(MemoryStore(half, {}, {})) for half in halves), targets)
        else:
            splits[part] = Split(MemoryStore(images, {name: clean[:count]}, targets))
    return (), splits


def _enlarged(digit, size):
    """uint8 `[height, width, 1]`, bicubically, from 17 grey levels."""
    from PIL import Image

    small = Image.fromarray(np.rint(digit * (255.0 / 16.0)).astype(np.uint8))
    return np.asarray(small.resize((size[1], size[0]), Image.Resampling.BICUBIC))[..., np.newaxis]


def _noisy(clean, random):
    noise = random.normal(0.0, _NOISE, clean.shape)
    return np.clip(np.rint(clean + noise), 0, 255).astype(np.uint8)


def _edges(clean, random):
    """White where the grey level is steep, black elsewhere."""
    down, right = np.gradient(clean.astype(np.float64), axis=(1, 2))
    steep = np.hypot(down, right)
    return np.where(steep > _STEEP * steep.max(axis=(1, 2, 3), keepdims=True), 255, 0).astype(np.uint8)
