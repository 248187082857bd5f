"""Crop, flip, cutout and normalisation of a batch by computed indices.

The numbers that decide come in as an argument, so that the same example gets the same treatment on any replica. Pixels
stay uint8 until the one conversion at the end. A spatial target, such as a mask, is moved by the indices of its image.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from odtf import names
from odtf.data import arguments, own_augmentation, photo_checks, rand_augment
from odtf.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


# Uniform numbers consumed per view: crop row and column, flip, cutout row and column.
NUM_DRAWS = 5


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Treatment of a training image; what is not named is not done.

    Attributes:
        pad: pixels added on every side before a random crop back to the image's size; 0 for no crop.
        pad_mode: "zero" (black, as in most of the online-distillation code) or "reflect" (FFL, FFSD). The choice is
            worth tenths of a point.
        flip: mirror left and right half of the time.
        cutout: side in pixels of a square set to the mean colour, its centre anywhere in the image; 0 for none.
        also: name of a function of the user's own, applied to images after crop and flip and before they are
            normalised; see `odtf.data.own_augmentation`. None for none.
        scale: (least, most), a random size of the image relative to its own, of which a random part of the image's size
            is seen; what lies outside is black, and of no class in a mask.
        rotate: degrees by which an image is turned at most, to either side.
        load_size: int, or (height, width), to which an image is enlarged, bicubically, before a random part of its own
            size is taken, as pix2pix and CycleGAN do: 286 for 256, of files of 256x256 (larger ones are reduced to the
            image's size first). None for none. It goes without `pad`.
        color: in [0, 1), by how much brightness, contrast and saturation change at most, each by a factor of its own.
        hue: in [0, 0.5], by which share of the circle of hues an image's turn at most, to either side.
        crop_area: (least, most), the share of an image's area in a random part that is enlarged to the whole, such as
            ImageNet's (0.08, 1.0); None for none. It goes without `pad`, `scale` and `load_size`.
        crop_ratio: (least, most), width over height of that part.
        rand_augment: (operations, strength from 0 to 30), see `odtf.data.rand_augment`; None for none.
        mixup: alpha of Beta(alpha, alpha), from which the factor of MixUp is drawn; 0 for none. Labels become
            distributions `[batch, classes]`, see `odtf.data.mixing`.
        cutmix: the same of CutMix. Where both are given, a step has either, as likely as not.
        alternate: with `flip`, mirror an image in every other epoch instead, see `odtf.data.flips`.

    Reference:
        DeVries, Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", arXiv 1708.04552.
    """

    pad: int = 0
    pad_mode: str = "zero"
    flip: bool = False
    cutout: int = 0
    also: str | None = None
    scale: tuple = (1.0, 1.0)
    rotate: float = 0.0
    color: float = 0.0
    load_size: int | tuple | None = None
    hue: float = 0.0
    crop_area: tuple | None = None
    crop_ratio: tuple = (3 / 4, 4 / 3)
    rand_augment: tuple | None = None
    mixup: float = 0.0
    cutmix: float = 0.0
    alternate: bool = False

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any] | None, image_shape: tuple[int, int, int] | None = None
    ) -> Augmentation:
        """Checks a mapping, and against the image as far as that is known.

        Args:
            config: mapping of the attributes above, or None.
            image_shape: (height, width, channels), or None.

        Raises:
            UserError: for an unknown key, a value that does not fit the image, or own code that is not there.
        """
        values = dict(config or {})
        known = [field.name for field in dataclasses.fields(cls)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            listed = f"{', '.join(known)}{names.meant(unknown[0], known)}"
            raise UserError(f"Unknown augmentation: the known ones are {listed}. Received: {unknown[0]}.")
        self = cls(**values)
        side = min(image_shape[:2]) if image_shape else None
        arguments.integer("augment.pad", self.pad, 0, side and side - 1)
        arguments.integer("augment.cutout", self.cutout, 0, side)
        if self.pad_mode not in ("zero", "reflect"):
            raise UserError(f"augment.pad_mode must be 'zero' or 'reflect'. Received: pad_mode={self.pad_mode!r}.")
        if not isinstance(self.flip, bool):
            raise UserError(f"augment.flip must be True or False. Received: flip={self.flip!r}.")
        if not isinstance(self.alternate, bool) or (self.alternate and not self.flip):
            raise UserError(
                "augment.alternate must be True or False, and False without augment.flip. "
                f"Received: alternate={self.alternate!r} with flip={self.flip}."
            )
        photo_checks.in_range("rotate", self.rotate, 0.0, 180.0, "degrees from 0 to 180")
        photo_checks.in_range("color", self.color, 0.0, 0.999, "a number in [0, 1)")
        photo_checks.pair("scale", self.scale, 0.01, 100.0, "(least, most), both above 0")
        if self.also is not None:
            own_augmentation.find(self.also)
        photos = photo_checks.check(self, image_shape)
        return dataclasses.replace(self, load_size=self._checked_load_size(image_shape), **photos)

    def _checked_load_size(self, image_shape):
        """(height, width), or None."""
        if self.load_size is None:
            return None
        size = arguments.sides("augment.load_size", self.load_size)
        if self.pad:
            raise UserError(f"augment.load_size and pad are two ways to crop: one is used. Received: pad={self.pad}.")
        if image_shape and any(side < own for side, own in zip(size, image_shape, strict=False)):
            raise UserError(
                "augment.load_size must not be smaller than the images, which data.image_size says. "
                f"Received: load_size={self.load_size!r} for {tuple(image_shape[:2])}."
            )
        return size

    @property
    def random(self) -> bool:
        return bool(self.pad or self.flip or self.cutout or self.load_size)

    @property
    def warps(self) -> bool:
        """Whether images are scaled or turned."""
        return tuple(self.scale) != (1.0, 1.0) or self.rotate > 0

    @property
    def mixes(self) -> bool:
        """Whether images and labels of a batch are mixed."""
        return self.mixup > 0 or self.cutmix > 0


def _below(draws, count):
    """Uniform numbers in [0, 1) to uniform integers in [0, count)."""
    return tf.minimum(tf.cast(draws * count, tf.int32), count - 1)


def _source_indices(length, offset, reverse, pad, reflect):
    """Where each output pixel of one axis comes from, and whether that is inside the image.

    Args:
        length: int, pixels along the axis.
        offset: int32 tensor `[n]` in `[0, 2 * pad]`, where the crop starts in the padded image.
        reverse: bool tensor `[n]`, or None.
        pad: int.
        reflect: mirror at the border (which is not repeated) instead of leaving the image.

    Returns:
        int32 tensor `[n, length]` in `[0, length)`, and a bool tensor of its shape, or None if all are inside.
    """
    positions = tf.range(length)[tf.newaxis]
    if reverse is not None:
        positions = tf.where(reverse[:, tf.newaxis], length - 1 - positions, positions)
    source = positions + offset[:, tf.newaxis] - pad
    if not pad:
        return source, None
    if reflect:
        return (length - 1) - tf.abs((length - 1) - tf.abs(source)), None
    clipped = tf.clip_by_value(source, 0, length - 1)
    return clipped, tf.equal(source, clipped)


def _source_pixels(shape, draws, spec):
    """Where each pixel of a batch comes from, as a row in the batch's table of pixels.

    Args:
        shape: (count, height, width, channels) of the batch.
        draws: as for `augment`.
        spec: `Augmentation`.

    Returns:
        int32 tensor `[count, height, width]` in `[0, count * height * width]`, the last being what lies outside, and
        whether there can be such.
    """
    count, height, width, _ = shape
    span, reflect = 2 * spec.pad + 1, spec.pad_mode == "reflect"
    reverse = draws[:, 2] < 0.5 if spec.flip else None
    rows, row_inside = _source_indices(height, _below(draws[:, 0], span), None, spec.pad, reflect)
    columns, column_inside = _source_indices(width, _below(draws[:, 1], span), reverse, spec.pad, reflect)
    first = tf.range(count)[:, tf.newaxis] * height
    source = (first + rows)[:, :, tf.newaxis] * width + columns[:, tf.newaxis, :]
    if row_inside is None:
        return source, False
    inside = row_inside[:, :, tf.newaxis] & column_inside[:, tf.newaxis, :]
    return tf.where(inside, source, count * height * width), True


def _move(values, source, fill):
    """One gather over the batch as a table of pixels, with one at its end for what lies outside.

    Args:
        values: tensor `[n, height, width]` or `[n, height, width, channels]`.
        source: of `_source_pixels`.
        fill: value of the pixel outside; None if there is none.
    """
    channels = values.shape[3:]
    pixels = tf.reshape(values, (-1, *channels))
    if fill is not None:
        pixels = tf.concat([pixels, tf.fill((1, *channels), tf.cast(fill, pixels.dtype))], axis=0)
    return tf.gather(pixels, source)


def _cutout_mask(draws, height, width, side):
    """float32 `[n, height, width, 1]`, 0 inside a square of `side` pixels and 1 elsewhere."""

    def covered(length, centre):
        distance = tf.range(length)[tf.newaxis] - (centre[:, tf.newaxis] - side // 2)
        return (distance >= 0) & (distance < side)

    rows = covered(height, _below(draws[:, 3], height))
    columns = covered(width, _below(draws[:, 4], width))
    return tf.cast(~(rows[:, :, tf.newaxis] & columns[:, tf.newaxis, :]), tf.float32)[..., tf.newaxis]


def normalize(images, mean, std):
    """uint8 pixels to float32 `(pixel / 255 - mean) / std`, per channel."""
    # Constants as long as a row: broadcasting three numbers over the innermost axis takes four times as long.
    width, channels = images.shape[-2:]
    scale = np.tile(1.0 / (255.0 * np.asarray(std)), width).astype(np.float32)
    shift = np.tile(np.asarray(mean) / np.asarray(std), width).astype(np.float32)
    rows = tf.cast(tf.reshape(images, (-1, width * channels)), tf.float32)
    return tf.reshape(rows * scale - shift, tf.shape(images))


def crop_and_flip(images, draws, spec, spatial=None):
    """The first part of `augment`: the uint8 images, and the tensors of `spatial`, cropped and flipped alike.

    Args:
        images, draws, spec, spatial: as for `augment`.
    """
    moved = {name: values for name, (values, _) in (spatial or {}).items()}
    if spec.pad or spec.flip:
        source, outside = _source_pixels(images.shape, draws, spec)
        images = _move(images, source, 0 if outside else None)
        moved = {name: _move(moved[name], source, spatial[name][1] if outside else None) for name in moved}
    return images, moved


def augment(images, draws, spec, mean, std, spatial=None, own_draws=None, rand_draws=None):
    """Augments and normalises images, and moves with each what belongs to its pixels.

    Padding is black before normalisation, as in the PyTorch code of the papers; cutout is the mean colour, 0 after it.

    Args:
        images: uint8 tensor `[n, height, width, channels]`.
        draws: float32 tensor `[n, NUM_DRAWS]`, uniform in [0, 1).
        spec: `Augmentation`.
        mean: floats, one per channel.
        std: floats, one per channel.
        spatial: mapping from a name to (tensor `[n, height, width]` or `[n, height, width, any]`, its value in the
            padding), or None.
        own_draws: float32 tensor `[n, own_augmentation.NUM_DRAWS]`, where `spec.also` names a function.
        rand_draws: float32 tensor of `rand_augment.numbers`, where `spec.rand_augment` is set.

    Returns:
        float32 tensor `[n, height, width, channels]`, and the tensors of `spatial` by name, cropped and flipped as the
        images are and otherwise unchanged.
    """
    height, width = images.shape[1:3]
    images, moved = crop_and_flip(images, draws, spec, spatial)
    if spec.rand_augment is not None:
        images = rand_augment.changed(images, rand_draws, spec.rand_augment[1])
    if spec.also is not None:
        images = own_augmentation.apply(own_augmentation.find(spec.also), images, own_draws)
    images = normalize(images, mean, std)
    if spec.cutout:
        images *= _cutout_mask(draws, height, width, spec.cutout)
    return images, moved
