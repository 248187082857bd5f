"""Synthetic scenes: scikit-learn's handwritten digits pasted on textures, with a mask of which pixel is which digit.

Made by a seeded generator, always the same, for tests and quick looks: no result on them says anything about pictures.
"""

import numpy as np

from odtf.data.class_tables import Names
from odtf.data.dataset import Split
from odtf.data.masks import mask_of
from odtf.data.samples import check
from odtf.data.stores import MemoryStore
from odtf.errors import UserError

FORM = "'digit_scenes'"

_SIZE = (48, 48)
_COUNTS = {"train": 400, "validation": 80, "test": 120}
_DIGITS = 3
# Grey levels of ink, of 16: less is background, what lies between is of no class.
_FAINT, _INKED = 4, 8
_NAMES = ("background", *map(str, range(10)))
_COLORS = (
    *((0, 0, 0), (230, 25, 75), (60, 180, 75), (255, 225, 25), (0, 130, 200), (245, 130, 48), (145, 30, 180)),
    *((70, 240, 240), (240, 50, 230), (210, 245, 60), (250, 190, 212)),
)


def open_source(argument, *, data_dir, image_size, targets):
    """Makes the scenes. No digit is in two splits; edges of a stroke are of no class.

    Args:
        argument: "".
        data_dir: of no meaning here.
        image_size: (height, width) of the scenes, at least 24 each; None for 48x48.
        targets: a mask, for eleven classes: the background and each digit.

    Returns:
        `Names` of the classes, splits by name.

    Raises:
        UserError: for any other argument or target, or a smaller size.

    Reference:
        Alpaydin, Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998.
    """
    from sklearn.datasets import load_digits

    found = mask_of(targets)
    if found is None:
        check("digit_scenes", {"mask": "of a class for every pixel"}, targets)
    if argument:
        raise UserError(f"digit_scenes take nothing after a colon. Received: 'digit_scenes:{argument}'.")
    size = image_size or _SIZE
    if min(size) < 24:
        raise UserError(f"digit_scenes have at least 24x24 pixels. Received: image_size={size}.")
    name, target = found
    bunch, random = load_digits(), np.random.RandomState(0)
    order, splits, first = random.permutation(len(bunch.target)), {}, 0
    for part, count in _COUNTS.items():
        # As many digits as the split's share of all scenes.
        last = first + len(order) * count // sum(_COUNTS.values())
        digits = order[first:last]
        drawn = random.choice(digits, (count, _DIGITS))
        scenes = [_scene(random, size, bunch.images[d], bunch.target[d], target) for d in drawn]
        images, masks = (np.stack(values) for values in zip(*scenes, strict=True))
        splits[part], first = Split(MemoryStore(images, {name: masks}, targets)), last
    return Names(_NAMES, _COLORS), splits


def _scene(random, size, digits, labels, target):
    """One image, uint8 `[height, width, 3]`, and its mask."""
    image, mask = _texture(random, size), np.zeros(size, target.dtype)
    for digit, label in zip(digits, labels, strict=True):
        factor = random.randint(2, min(size) // 8)
        ink = np.kron(digit, np.ones((factor, factor)))
        top, left = (random.randint(0, side - 8 * factor + 1) for side in size)
        window = np.s_[top : top + 8 * factor, left : left + 8 * factor]
        share = (ink / 16.0)[..., np.newaxis]
        image[window] = (1.0 - share) * image[window] + share * random.uniform(150.0, 255.0, 3)
        own = np.where(ink >= _INKED, label + 1, target.ignore)
        mask[window] = np.where(ink >= _FAINT, own, mask[window])
    return np.rint(image).astype(np.uint8), mask


def _texture(random, size):
    """Waves of a random direction and length on a dark colour, and noise; float64 `[height, width, 3]`."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    angle, length = random.uniform(0.0, np.pi), random.uniform(4.0, 16.0)
    wave = np.sin((rows * np.sin(angle) + columns * np.cos(angle)) * 2.0 * np.pi / length)
    noise = random.normal(0.0, 8.0, (*size, 1))
    return np.clip(random.uniform(20.0, 90.0, 3) + 20.0 * wave[..., np.newaxis] + noise, 0.0, 140.0)
