"""A random part of an image in a random shape, enlarged to the whole: ImageNet's protocol of training.

It comes before all else, and images stay uint8. Where images are read from files as they are asked for, the part is cut
from the image in its file (`odtf.data.jpeg_parts`) in place of the image at the data's size. The numbers that decide
come in as an argument, so that the same example gets the same treatment on any replica.
"""

import math

import tensorflow as tf

from odtf.data import draws, warp

# Uniform numbers of each view: area, shape, row and column.
NUM_DRAWS = 4
_STREAM = 3


def numbers(share):
    """Draws the numbers of one share of a global batch, see `draws.Share`."""
    return draws.of_stream(_STREAM, share, NUM_DRAWS)


def transforms(uniform, height, width, area, ratio):
    """Computes where the pixels of enlarged parts come from.

    The part has a share of the image's area that is uniform in `area`, and a width over height whose logarithm is
    uniform in that of `ratio`; a side that would be longer than the image's is cut to it. It lies anywhere inside.
    DESIGN CHOICE: torchvision draws again, up to ten times, what does not fit, and then takes the middle.

    Args:
        uniform: float32 tensor `[n, NUM_DRAWS]` in [0, 1).
        height, width: of the images.
        area: (least, most), in (0, 1].
        ratio: (least, most), above 0.

    Returns:
        float32 tensor `[n, 8]`, as of `warp.transforms`.

    Reference:
        Szegedy et al., "Going Deeper with Convolutions", 2015, section 6.
    """
    share = area[0] + uniform[:, 0] * (area[1] - area[0])
    shape = tf.exp(math.log(ratio[0]) + uniform[:, 1] * (math.log(ratio[1]) - math.log(ratio[0])))
    high = tf.minimum(tf.sqrt(share * (height * width) / shape), float(height))
    wide = tf.minimum(tf.sqrt(share * (height * width) * shape), float(width))
    top, left = uniform[:, 2] * (height - high), uniform[:, 3] * (width - wide)
    # A pixel of the result lies where its centre does in the part.
    down, right = high / height, wide / width
    zeros = tf.zeros_like(high)
    first = right, zeros, left + 0.5 * right - 0.5
    second = zeros, down, top + 0.5 * down - 0.5
    return tf.stack([*first, *second, zeros, zeros], axis=1)


def cropped(values, where, how):
    """Takes the parts of a batch; pixels at the border of an image continue it.

    Args:
        values: uint8, int32 or float32 tensor `[n, height, width]` or `[n, height, width, channels]`.
        where: of `transforms`.
        how: "nearest" or "bilinear".

    Returns:
        Tensor of the shape and type of `values`.
    """
    return warp.warped(values, where, 0, how, outside="NEAREST")
