"""A random part of images that are enlarged first, as pix2pix and CycleGAN load them: 256x256 of 286x286.

It comes before crop and flip, and images stay uint8. The numbers that decide come in as an argument, so that the same
example gets the same treatment on any replica.
"""

import tensorflow as tf


def random_part(values, draws, size, how):
    """Enlarges a batch and takes a part of its former size, of each image another.

    Args:
        values: uint8, int32 or float32 tensor `[n, height, width]` or `[n, height, width, channels]`.
        draws: float32 tensor `[n, 2 or more]`, uniform in [0, 1): where the part begins, row and column.
        size: (height, width), not smaller than the images.
        how: "nearest", or anything else for bicubic, which is Pillow's: cubic convolution with a = -0.5 of the pixels
            that there are.

    Returns:
        Tensor of the shape and type of `values`; bicubic ones of uint8 are rounded.
    """
    shape = values.shape
    maps = values if shape.rank == 4 else values[..., tf.newaxis]
    if how == "nearest":
        larger = tf.image.resize(maps, size, "nearest")
    else:
        # Enlarging needs no antialiasing; asked for it, TensorFlow computes weights that it else takes from a table.
        larger = tf.image.resize(maps, size, "bicubic", antialias=True)
    if larger.dtype != values.dtype:
        larger = tf.cast(tf.clip_by_value(tf.round(larger), values.dtype.min, values.dtype.max), values.dtype)
    rows, columns = (
        _first(draws[:, axis], size[axis] - shape[1 + axis])[:, tf.newaxis] + tf.range(shape[1 + axis])
        for axis in (0, 1)
    )
    parts = tf.gather(tf.gather(larger, rows, batch_dims=1), columns, axis=2, batch_dims=1)
    return tf.ensure_shape(tf.reshape(parts, tf.shape(values)), shape)


def _first(draws, spare):
    """Uniform numbers in [0, 1) as integers in [0, spare]."""
    return tf.minimum(tf.cast(draws * (spare + 1), tf.int32), spare)
