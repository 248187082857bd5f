"""RandAugment: some of fourteen changes of an image, drawn for each, all of one strength.

Images stay uint8. The numbers that decide come in as an argument. Sums are of integers, so that results do not depend
on the order in which a device adds.
"""

import math

import tensorflow as tf

from odtf.data import draws, warp
from odtf.data.pixel_tables import autocontrasted, equalized

OPERATIONS = (
    *("identity", "shear_x", "shear_y", "translate_x", "translate_y", "rotate", "brightness", "color"),
    *("contrast", "sharpness", "posterize", "solarize", "autocontrast", "equalize"),
)
# Of the strength, as in torchvision.
STRONGEST = 30
_STREAM = 5


def numbers(share, count):
    """Draws the numbers of one share of a global batch, float32 `[n, 2 * count]`; see `draws.Share`."""
    return draws.of_stream(_STREAM, share, 2 * count)


def changed(images, uniform, strength):
    """Changes every image by as many operations as there are pairs of numbers.

    DESIGN CHOICE: magnitudes are torchvision's, shears are about the upper left corner as in the official code of
    AutoAugment, and what comes into sight is black.

    Args:
        images: uint8 tensor `[n, height, width, 1 or 3]`.
        uniform: float32 tensor `[n, 2 * operations]` in [0, 1): which operation, and its direction.
        strength: number in [0, STRONGEST].

    Returns:
        uint8 tensor of the same shape.

    Reference:
        Cubuk, Zoph, Shlens, Le, "RandAugment: Practical automated data augmentation with a reduced search space",
        NeurIPS 2020, arXiv 1909.13719.
    """
    count = len(OPERATIONS)
    for layer in range(uniform.shape[1] // 2):
        chosen = tf.minimum(tf.cast(uniform[:, 2 * layer] * count, tf.int32), count - 1)
        sign = tf.where(uniform[:, 2 * layer + 1] < 0.5, -1.0, 1.0)
        images = _changed_once(images, chosen, sign, strength)
    return images


def _changed_once(images, chosen, sign, strength):
    share = strength / STRONGEST
    is_ = {name: tf.equal(chosen, index) for index, name in enumerate(OPERATIONS)}
    images = warp.warped(images, _places(is_, sign, share, *images.shape[1:3]), 0, "nearest")
    factor = (1.0 + 0.9 * share * sign)[:, None, None, None]
    grey = _grey(images)
    images = _by_tables(images, grey, is_, factor, strength)
    for name, base in (("color", grey), ("sharpness", _smooth(images))):
        images = tf.where(is_[name][:, None, None, None], _blended(base, images, factor), images)
    return images


def _places(is_, sign, share, height, width):
    """Where pixels come from, float32 `[n, 8]`: as they are, but for the five operations that move them."""
    zeros, ones = tf.zeros_like(sign), tf.ones_like(sign)
    shear = 0.3 * share * sign
    angle = math.radians(30.0 * share) * tf.where(is_["rotate"], sign, zeros)
    cosine, sine = tf.cos(angle), tf.sin(angle)
    middle, centre = (height - 1) / 2.0, (width - 1) / 2.0
    right, down = (math.floor(150.0 / 331.0 * side * share) * sign for side in (width, height))

    def one_of(plain, **others):
        for name, value in others.items():
            plain = tf.where(is_[name], value, plain)
        return plain

    first = (
        one_of(ones, rotate=cosine),
        one_of(zeros, rotate=sine, shear_x=shear),
        one_of(zeros, rotate=centre - cosine * centre - sine * middle, translate_x=right),
    )
    second = (
        one_of(zeros, rotate=-sine, shear_y=shear),
        one_of(ones, rotate=cosine),
        one_of(zeros, rotate=middle + sine * centre - cosine * middle, translate_y=down),
    )
    return tf.stack([*first, *second, zeros, zeros], axis=1)


def _grey(images):
    """uint8 `[n, height, width, 1]`, the luma of ITU-R 601, rounded."""
    if images.shape[-1] == 1:
        return images
    weights = tf.constant([299, 587, 114])
    return tf.cast((tf.reduce_sum(tf.cast(images, tf.int32) * weights, -1, keepdims=True) + 500) // 1000, tf.uint8)


def _smooth(images):
    """Every pixel averaged with its eight neighbours, which weigh 1 to its 5, as Pillow has it; the border stays."""
    channels = images.shape[-1]
    kernel = tf.constant([[1.0, 1.0, 1.0], [1.0, 5.0, 1.0], [1.0, 1.0, 1.0]])
    kernel = tf.tile(kernel[:, :, None, None], (1, 1, channels, 1))
    pixels = tf.cast(images, tf.float32)
    inner = tf.round(tf.nn.depthwise_conv2d(pixels, kernel, (1, 1, 1, 1), "VALID") / 13.0)
    padded = tf.pad(inner, ((0, 0), (1, 1), (1, 1), (0, 0)))
    inside = tf.pad(tf.ones_like(inner, tf.bool), ((0, 0), (1, 1), (1, 1), (0, 0)))
    return tf.cast(tf.where(inside, padded, pixels), tf.uint8)


def _blended(base, images, factor):
    """`base` at a factor of 0 and the image at 1, and beyond; uint8."""
    base = tf.cast(base, tf.float32)
    return _levels(base + factor * (tf.cast(images, tf.float32) - base))


def _levels(values):
    return tf.cast(tf.clip_by_value(tf.round(values), 0.0, 255.0), tf.uint8)


def _by_tables(images, grey, is_, factor, strength):
    """The operations that make of a pixel's level another, whatever its place: one look-up for all."""
    count, height, width, channels = images.shape
    levels = tf.range(256, dtype=tf.float32)[None, None]
    factor, size = factor[:, :, :, 0], height * width
    mean = tf.cast((tf.reduce_sum(tf.cast(grey, tf.int64), (1, 2)) + size // 2) // size, tf.float32)[:, :, None]
    bits = 8 - round(strength / (STRONGEST / 4))
    threshold = 256.0 - 256.0 * strength / STRONGEST
    whole = tf.range(256)[None, None]
    tables = {
        "brightness": _levels(factor * levels),
        "contrast": _levels(mean + factor * (levels - mean)),
        "posterize": tf.cast(tf.bitwise.bitwise_and(whole, (255 << (8 - bits)) & 255), tf.uint8),
        "solarize": tf.cast(tf.where(levels < threshold, levels, 255.0 - levels), tf.uint8),
        "autocontrast": autocontrasted(images),
        "equalize": equalized(images, is_["equalize"]),
    }
    table = tf.broadcast_to(tf.cast(whole, tf.uint8), (count, channels, 256))
    for name, other in tables.items():
        table = tf.where(is_[name][:, None, None], other, table)
    rows = tf.range(count * channels) * 256
    indices = tf.cast(images, tf.int32) + tf.reshape(rows, (count, 1, 1, channels))
    return tf.gather(tf.reshape(table, (-1,)), indices)
