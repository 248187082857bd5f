"""Random scale, rotation and place of images, and of the masks that belong to them; colours of images alone.

All are functions of uniform numbers that come in as an argument, so that the same example gets the same treatment on
any replica. They come before crop and flip, and images stay uint8.
"""

import math

import tensorflow as tf

from odtf.data.draws import of_stream

# Uniform numbers of each view: scale, angle, row, column, and three of colour.
NUM_DRAWS = 7
# Sets them apart from those of crop and flip, which stay what they are without them.
_STREAM = 2


def draws(share):
    """Draws the numbers of one share of a global batch, float32 `[size * num_views, NUM_DRAWS]`; see `draws.Share`."""
    return of_stream(_STREAM, share, NUM_DRAWS)


def coloured(images, numbers, strength):
    """Changes brightness, contrast and saturation of every image, each by a factor of its own.

    Args:
        images: uint8 tensor `[n, height, width, channels]`.
        numbers: float32 tensor `[n, NUM_DRAWS]`, uniform in [0, 1).
        strength: float in [0, 1): factors lie in [1 - strength, 1 + strength].

    Returns:
        uint8 tensor of the same shape.
    """
    factors = 1.0 + strength * (2.0 * numbers[:, 4:7] - 1.0)
    brightness, contrast, saturation = (factors[:, i, None, None, None] for i in range(3))
    pixels = tf.cast(images, tf.float32) * brightness
    pixels = (pixels - (mean := tf.reduce_mean(pixels, axis=(1, 2, 3), keepdims=True))) * contrast + mean
    grey = tf.reduce_mean(pixels, axis=-1, keepdims=True)
    return _levels((pixels - grey) * saturation + grey)


def transforms(numbers, height, width, scale, rotate):
    """Computes where pixels of scaled, turned and moved images come from.

    An image grows about its centre by a factor from `scale`, turns by up to `rotate`, and is then moved: if it is
    larger than before, any part of it may be seen, and if it is smaller, it may lie anywhere.

    Args:
        numbers: as for `coloured`.
        height, width: of the images.
        scale: (least, most), floats above 0; the logarithm of the factor is uniform, so that halving is as likely as
            doubling.
        rotate: float, degrees to either side.

    Returns:
        float32 tensor `[n, 8]`: a, b, c, d, e, f, 0, 0 of column ax + by + c and row dx + ey + f in the image for
        column x and row y of the result.
    """
    factor = tf.exp(math.log(scale[0]) + numbers[:, 0] * (math.log(scale[1]) - math.log(scale[0])))
    angle = (2.0 * numbers[:, 1] - 1.0) * math.radians(rotate)
    middle = ((height - 1) / 2.0, (width - 1) / 2.0)
    # In pixels of the result, by which half of what is out of sight, or empty, lies on a side.
    spare = tf.abs(factor - 1.0) / 2.0
    down, right = ((2.0 * numbers[:, 2 + i] - 1.0) * spare * side for i, side in enumerate((height, width)))
    cosine, sine = tf.cos(angle) / factor, tf.sin(angle) / factor
    row, column = middle[0] + down, middle[1] + right
    zeros = tf.zeros_like(factor)
    first = (cosine, sine, middle[1] - cosine * column - sine * row)
    second = (-sine, cosine, middle[0] + sine * column - cosine * row)
    return tf.stack([*first, *second, zeros, zeros], axis=1)


def warped(values, where, fill, how, outside="CONSTANT"):
    """Moves the pixels of a batch.

    Args:
        values: uint8, int32 or float32 tensor `[n, height, width]` or `[n, height, width, channels]`.
        where: of `transforms`.
        fill: value of what lies outside.
        how: "nearest" or "bilinear".
        outside: "CONSTANT" for `fill`, "NEAREST" for the pixel of the border.

    Returns:
        Tensor of the shape and type of `values`; bilinear ones of integers are rounded.
    """
    maps = values if len(values.shape) == 4 else values[..., tf.newaxis]
    if how == "bilinear":
        maps = tf.cast(maps, tf.float32)
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=maps,
        transforms=where,
        output_shape=maps.shape[1:3],
        fill_value=float(fill),
        interpolation=how.upper(),
        fill_mode=outside,
    )
    if values.dtype == tf.uint8 and how == "bilinear":
        moved = _levels(moved)
    return tf.ensure_shape(tf.reshape(tf.cast(moved, values.dtype), tf.shape(values)), values.shape)


def _levels(pixels):
    return tf.cast(tf.clip_by_value(tf.round(pixels), 0.0, 255.0), tf.uint8)
