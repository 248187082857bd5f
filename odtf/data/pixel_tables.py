"""Tables from the levels of an image's channels to others, made of the image itself, in integers throughout."""

import tensorflow as tf

_LEVELS = 256


def autocontrasted(images):
    """Stretches the levels of every channel to 0 to 255; a channel of one level stays.

    Args:
        images: uint8 tensor `[n, height, width, channels]`.

    Returns:
        uint8 tensor `[n, channels, 256]`.
    """
    pixels = tf.cast(images, tf.int32)
    low, high = (f(pixels, (1, 2))[:, :, None] for f in (tf.reduce_min, tf.reduce_max))
    levels, span = tf.range(_LEVELS)[None, None], high - low
    stretched = ((levels - low) * 510 + span) // tf.maximum(2 * span, 1)
    return tf.cast(tf.where(span > 0, tf.clip_by_value(stretched, 0, 255), levels), tf.uint8)


def equalized(images, wanted):
    """Makes all levels of every channel about equally frequent, as Pillow's `ImageOps.equalize` does it.

    Args:
        images: uint8 tensor `[n, height, width, channels]`.
        wanted: bool tensor `[n]`, of which images: counting is the costliest of all operations.

    Returns:
        uint8 tensor `[n, channels, 256]`; of other images zeros.
    """
    count, _, _, channels = images.shape
    places = tf.where(wanted)
    # One more than are wanted, so that something is counted where none is.
    chosen = tf.cast(tf.concat([tf.boolean_mask(images, wanted), images[:1]], axis=0), tf.int32)
    number = tf.shape(chosen)[0]
    rows = tf.reshape(tf.range(number * channels) * _LEVELS, (number, 1, 1, channels))
    flat = tf.reshape(chosen + rows, (-1,))
    size = number * channels * _LEVELS
    counts = tf.reshape(tf.math.bincount(flat, minlength=size, maxlength=size), (number, channels, _LEVELS))
    total = tf.reduce_sum(counts, -1, keepdims=True)
    levels = tf.range(_LEVELS)
    last = tf.reduce_max(tf.where(counts > 0, levels, 0), -1, keepdims=True)
    step = (total - tf.gather(counts, last, batch_dims=2)) // 255
    before = tf.cumsum(counts, axis=-1, exclusive=True)
    table = tf.clip_by_value((before + step // 2) // tf.maximum(step, 1), 0, 255)
    table = tf.where(step > 0, table, levels)[:-1]
    return tf.cast(tf.scatter_nd(places, table, tf.constant((count, channels, _LEVELS), tf.int64)), tf.uint8)
