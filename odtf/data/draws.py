"""The numbers behind a step, drawn for its whole global batch and sliced, so that they are the same on any replica."""

import tensorflow as tf


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
