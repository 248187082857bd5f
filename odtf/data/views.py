"""The views of an image whose answers a teacher has stored: all of a finite augmentation, or a number drawn once.

A view is what the numbers behind an augmentation make of an image, so it is told by them: training that draws numbers
is led to a view that is stored, and gets the numbers of exactly that one.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from odtf.data import graph_calls, hue, rand_augment, random_crop, warp
from odtf.data.augment import NUM_DRAWS, augment
from odtf.data.draws import uniform
from odtf.data.enlarging import random_part
from odtf.errors import UserError


@dataclasses.dataclass(frozen=True)
class Numbers:
    """The uniform numbers in [0, 1) behind a batch of views, float32 tensors `[n, any]`; None where there is no use.

    Attributes:
        draws: `[n, NUM_DRAWS]`, of `odtf.data.augment`.
        warp, crop, hue, rand: of the modules `odtf.data.warp`, `random_crop`, `hue` and `rand_augment`.
    """

    draws: tf.Tensor
    warp: tf.Tensor | None = None
    crop: tf.Tensor | None = None
    hue: tf.Tensor | None = None
    rand: tf.Tensor | None = None


def widths(spec):
    """Returns how many of each kind of `Numbers` an augmentation takes for a view, where it takes any."""
    found = {"draws": NUM_DRAWS}
    if spec.warps or spec.color:
        found["warp"] = warp.NUM_DRAWS
    if spec.crop_area:
        found["crop"] = random_crop.NUM_DRAWS
    if spec.hue:
        found["hue"] = 1
    if spec.rand_augment is not None:
        found["rand"] = 2 * spec.rand_augment[0]
    return found


def drawn(share, spec, always=False):
    """Draws the numbers of a share of a step's global batch, a pure function of seed and step.

    Args:
        share: `odtf.data.draws.Share`.
        spec: `Augmentation`.
        always: bool, whether there are `draws` even of an augmentation without crop, flip and cutout.

    Returns:
        `Numbers`.
    """
    width, draws = widths(spec), tf.zeros((share.size * share.num_views, NUM_DRAWS))
    if spec.random or always:
        seed = tf.stack([tf.constant(share.seed, tf.int64), share.step])
        draws = uniform(seed, *share[2:], NUM_DRAWS)
    return Numbers(
        draws,
        warp=warp.draws(share) if "warp" in width else None,
        crop=random_crop.numbers(share) if "crop" in width else None,
        hue=hue.numbers(share) if "hue" in width else None,
        rand=rand_augment.numbers(share, spec.rand_augment[0]) if "rand" in width else None,
    )


def said_of(augmentation):
    """Returns what an augmentation does, a dict that JSON can hold, of what is not left at its default.

    Which views there are, and not how often: alternating flips are flips.
    """
    fields = {field.name: field.default for field in dataclasses.fields(augmentation)}
    values = {name: getattr(augmentation, name) for name in fields} | {"alternate": False}
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
        if value != fields[name] and not (name == "pad_mode" and not augmentation.pad)
    }


def is_finite(augmentation):
    """Whether the views of an image are so few that all can be stored: those of crop and flip alone."""
    more = augmentation.cutout or augmentation.load_size or augmentation.mixes or augmentation.also is not None
    return not more and list(widths(augmentation)) == ["draws"]


class AllViews:
    """All views of crop and flip: `(2 pad + 1)^2`, and twice as many with flips.

    View `(row * (2 pad + 1) + column) * 2 + flipped` is the crop that begins at `row` and `column` of the padded image
    (`pad` both is the image itself), mirrored left to right if `flipped` is 1; without flips there is no such factor.

    Args:
        augmentation: `Augmentation`, see `is_finite`.
    """

    kind = "all"

    def __init__(self, augmentation):
        self._span, self._sides = 2 * augmentation.pad + 1, 1 + augmentation.flip
        self.count = self._span**2 * self._sides

    def numbers(self, positions, view):
        """Returns the `Numbers` of one view of some images.

        Args:
            positions: int array `[n]`, of the images in the store.
            view: int.
        """
        place, flipped = divmod(view, self._sides)
        row, column = divmod(place, self._span)
        # The middle of the interval that stands for each of them.
        values = [(row + 0.5) / self._span, (column + 0.5) / self._span, 0.25 if flipped else 0.75, 0.0, 0.0]
        return Numbers(tf.tile(tf.constant([values], tf.float32), (len(positions), 1)))

    def chosen(self, positions, numbers):
        """Returns which views, an int64 tensor `[n]`, and the numbers of these: those that were drawn, as they are."""
        row, column = (_below(numbers.draws[:, i], self._span) for i in (0, 1))
        view = row * self._span + column
        if self._sides == 2:
            view = view * 2 + tf.cast(numbers.draws[:, 2] < 0.5, tf.int64)
        return view, numbers


class DrawnViews:
    """Some views of each image, whose numbers were drawn once and are stored.

    Args:
        table: float32 array `[images, views, numbers]` of `drawn_table`, which may be mapped from a file.
        augmentation: `Augmentation`.
    """

    kind = "drawn"

    def __init__(self, table, augmentation):
        self._table, self._widths, self.count = table, widths(augmentation), table.shape[1]

    def numbers(self, positions, view):
        """As for `AllViews`."""
        return self._split(tf.constant(np.asarray(self._table[positions, view])))

    def chosen(self, positions, numbers):
        """As for `AllViews`; the first number that was drawn chooses among those that are stored."""
        view = _below(numbers.draws[:, 0], self.count)

        def look_up(pairs):
            return (np.asarray(self._table[pairs[:, 0], pairs[:, 1]]),)

        (values,) = graph_calls.call(look_up, tf.stack([positions, view], axis=1), (tf.float32,))
        return view, self._split(tf.ensure_shape(values, (positions.shape[0], self._table.shape[2])))

    def _split(self, values):
        return Numbers(**dict(zip(self._widths, tf.split(values, list(self._widths.values()), axis=1), strict=True)))


def drawn_table(augmentation, images, views, seed):
    """Returns the numbers of `views` views for each of `images`, float32 `[images, views, numbers]`.

    Args:
        augmentation: `Augmentation`, whose `widths` are side by side.
        images, views: int.
        seed: int.
    """
    shape = images, views, sum(widths(augmentation).values())
    return np.random.default_rng(seed).random(shape, np.float32)


def made(images, numbers, spec, mean, std):
    """Returns views of uint8 images, normalised, as a training pipeline makes them.

    Args:
        images: uint8 tensor `[n, height, width, channels]`.
        numbers: `Numbers`.
        spec: `Augmentation`, without a function of the user's own.
        mean, std: as for `augment`.
    """
    images, _ = placed(images, {}, numbers, spec, {})
    return augment(images, numbers.draws, spec, mean, std, rand_draws=numbers.rand)[0]


def placed(images, spatial, numbers, spec, how):
    """Returns images and spatial targets after what precedes crop and flip.

    Args:
        images: uint8 tensor `[n, height, width, channels]`.
        spatial: as for `augment`.
        numbers: `Numbers`.
        spec: `Augmentation`.
        how: mapping from the name of a spatial target to how it is resized.
    """
    draws = numbers.draws
    if spec.crop_area:
        where = random_crop.transforms(numbers.crop, *images.shape[1:3], spec.crop_area, spec.crop_ratio)
        images = random_crop.cropped(images, where, "bilinear")
        spatial = {n: (random_crop.cropped(v, where, how[n]), fill) for n, (v, fill) in spatial.items()}
    if spec.load_size:
        images = random_part(images, draws, spec.load_size, "bicubic")
        spatial = {n: (random_part(v, draws, spec.load_size, how[n]), fill) for n, (v, fill) in spatial.items()}
    if spec.hue:
        images = hue.turned(images, numbers.hue, spec.hue)
    if spec.color:
        images = warp.coloured(images, numbers.warp, spec.color)
    if spec.warps:
        where = warp.transforms(numbers.warp, *images.shape[1:3], spec.scale, spec.rotate)
        images = warp.warped(images, where, 0, "bilinear")
        spatial = {n: (warp.warped(v, where, fill, how[n]), fill) for n, (v, fill) in spatial.items()}
    return images, spatial


def check_storable(augmentation, views):
    """Raises UserError unless so many views of an augmentation can be stored.

    Args:
        augmentation: `Augmentation`.
        views: int, 0 for all.
    """
    if augmentation.also is not None:
        raise UserError(
            "A stored teacher knows the views of odtf's own augmentation; augment.also left out would be right. "
            f"Received: also={augmentation.also!r}."
        )
    if augmentation.mixes:
        raise UserError(
            "A stored teacher answers to views of single images; augment.mixup and cutmix left out would be right. "
            f"Received: mixup={augmentation.mixup} and cutmix={augmentation.cutmix}."
        )
    if not views and not is_finite(augmentation):
        raise UserError(
            "Of crop and flip alone all views can be stored; of this augmentation some, drawn once for each image: "
            f"--views=NUMBER. Received: {said_of(augmentation)}."
        )


def _below(draws, count):
    return tf.minimum(tf.cast(draws * count, tf.int64), count - 1)
