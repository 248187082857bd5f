"""A random turn of the hues of colour images, each by a number of its own that comes in as an argument."""

import tensorflow as tf

from odtf.data import draws

_STREAM = 4


def numbers(share):
    """Draws the numbers of one share of a global batch, float32 `[n, 1]`; see `draws.Share`."""
    return draws.of_stream(_STREAM, share, 1)


def turned(images, uniform, most):
    """Turns the hue of every image by up to `most` of the circle, to either side.

    Args:
        images: uint8 tensor `[n, height, width, 3]`.
        uniform: float32 tensor `[n, 1]` in [0, 1).
        most: float in (0, 0.5].

    Returns:
        uint8 tensor of the same shape.
    """
    turn = (most * (2.0 * uniform[:, 0] - 1.0))[:, None, None]
    hue, saturation, value = tf.unstack(tf.image.rgb_to_hsv(tf.cast(images, tf.float32) / 255.0), axis=-1)
    pixels = tf.image.hsv_to_rgb(tf.stack([tf.math.floormod(hue + turn, 1.0), saturation, value], axis=-1))
    return tf.cast(tf.clip_by_value(tf.round(pixels * 255.0), 0.0, 255.0), tf.uint8)
