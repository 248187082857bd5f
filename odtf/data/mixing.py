"""MixUp and CutMix: each image of a batch mixed with its partner, and so the labels.

The partner of the image at position i of the global batch of size n is that at n - 1 - i, so that a share of the batch
finds its partners in one other share, and the global batch is the same on any number of replicas. Factor and square are
one for a step.
"""

import tensorflow as tf

from odtf.data import draws

_STREAM = 6


def step_numbers(seed, step):
    """Draws what decides of a step, a pure function of seed and step.

    Args:
        seed: int.
        step: int64 scalar tensor.

    Returns:
        float32 tensor `[3]`, uniform in [0, 1): which of the two, row and column; and an int64 seed `[2]`.
    """
    stream = draws.stream(_STREAM, seed, step)
    return tf.random.stateless_uniform((3,), stream, alg="philox"), tf.random.fold_in(stream, 1, alg="philox")


def beta(seed, alpha):
    """Draws a number of the distribution Beta(alpha, alpha), a float32 scalar tensor.

    Args:
        seed: int64 tensor `[2]`.
        alpha: float above 0.
    """
    # On the host, where the pipeline runs: another device may draw by another algorithm.
    with tf.device("/CPU:0"):
        one, other = tf.unstack(tf.random.stateless_gamma((2,), seed, alpha))
    return tf.math.divide_no_nan(one, one + other)


def mixed(images, partners, labels, others, factor):
    """MixUp: `factor` of each image and of its label, and the rest of its partner's.

    Args:
        images, partners: float32 tensors `[n, ...]`.
        labels, others: float32 tensors `[n, classes]`.
        factor: float32 scalar tensor in [0, 1].

    Returns:
        images and labels, of the same shapes.

    Reference:
        Zhang, Cisse, Dauphin, Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", ICLR 2018, arXiv 1710.09412.
    """
    return partners + factor * (images - partners), others + factor * (labels - others)


def cut(images, partners, labels, others, factor, place):
    """CutMix: a box of each image is its partner's, and so a share of its label, that of the box in the area.

    Args:
        images, partners: float32 tensors `[n, ..., height, width, channels]`.
        labels, others: float32 tensors `[n, classes]`.
        factor: float32 scalar tensor in [0, 1]: the box has the sides sqrt(1 - factor) of the image's, and is cut at
            its border.
        place: float32 tensor `[2]`, uniform in [0, 1): the centre of the box.

    Returns:
        images and labels, of the same shapes.

    Reference:
        Yun, Han, Oh, Chun, Choe, Yoo, "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable
        Features", ICCV 2019, arXiv 1905.04899.
    """
    height, width = images.shape[-3:-1]
    side = tf.sqrt(1.0 - factor)
    rows, columns = (_inside(length, side, place[axis]) for axis, length in enumerate((height, width)))
    box = rows[:, None] & columns[None, :]
    kept = 1.0 - tf.reduce_mean(tf.cast(box, tf.float32))
    return tf.where(box[..., None], partners, images), others + kept * (labels - others)


def _inside(length, side, place):
    """bool `[length]`, where the box lies along an axis."""
    half = tf.cast(side * length, tf.int32)
    centre = tf.minimum(tf.cast(place * length, tf.int32), length - 1)
    positions = tf.range(length)
    return (positions >= centre - half // 2) & (positions < centre - half // 2 + half)
