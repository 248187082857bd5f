"""The numbers behind a step, drawn for its whole global batch and sliced, so that they are the same on any replica."""

import typing

import tensorflow as tf


class Share(typing.NamedTuple):
    """A share of the global batch of a step.

    Attributes:
        seed: int.
        step: int64 scalar tensor.
        first: position of the share in the global batch.
        size: its images.
        batch_size: images of the global batch.
        num_views: views of each image.
    """

    seed: int
    step: tf.Tensor
    first: int | tf.Tensor
    size: int
    batch_size: int
    num_views: int = 1


def uniform(seed, first, size, batch_size, num_views, width):
    """Draws the numbers of one share of a global batch.

    Args:
        seed: int64 tensor `[2]`, of the step.
        first: position of the share in the global batch.
        size: its images.
        batch_size: images of the global batch.
        num_views: views of each image.
        width: numbers of each view.

    Returns:
        float32 tensor `[size * num_views, width]` in [0, 1).
    """
    # Philox by name: the default algorithm depends on the device.
    numbers = tf.random.stateless_uniform((batch_size, num_views * width), seed, alg="philox")
    return tf.reshape(tf.slice(numbers, [first, 0], [size, -1]), (size * num_views, width))


def of_stream(number, share, width):
    """Draws the numbers of one share from a stream of its own, a pure function of seed and step.

    Args:
        number: int, which sets the stream apart from the others.
        share: `Share`.
        width: numbers of each view.

    Returns:
        float32 tensor `[size * num_views, width]` in [0, 1).
    """
    return uniform(stream(number, share.seed, share.step), *share[2:], width)


def stream(number, seed, step):
    """Returns the int64 seed `[2]` of a step in a stream of its own.

    Args:
        number: as for `of_stream`.
        seed: int.
        step: int64 scalar tensor.
    """
    return tf.random.fold_in(tf.stack([tf.cast(seed, tf.int64), step]), number, alg="philox")
