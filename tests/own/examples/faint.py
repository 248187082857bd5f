"""An augmentation of one's own: `--config.data.augment.also=faint.py:faint`."""

import tensorflow as tf


def faint(images, draws):
    """Pictures whose ink is as strong as before, or down to half of it: the first number of each says how strong."""
    strength = 0.5 + 0.5 * draws[:, 0]
    return tf.cast(tf.cast(images, tf.float32) * strength[:, tf.newaxis, tf.newaxis, tf.newaxis], tf.uint8)
