"""Initialisers of the reference implementations, which are PyTorch's, as Keras initialisers with explicit seeds."""

import math

import keras


def kaiming_normal(seed=None):
    """Untruncated normal of standard deviation `sqrt(2 / fan_in)` for standard, grouped and 1xN convolutions.

    Args:
        seed: integer, or None for a random one.

    Returns:
        A Keras initialiser; the fan-in of a kernel `[height, width, inputs / groups, filters]` is the product of its
        first three dimensions.

    Reference:
        He et al., "Delving Deep into Rectifiers", 2015, equation 10.
    """
    return keras.initializers.VarianceScaling(2.0, mode="fan_in", distribution="untruncated_normal", seed=seed)


def depthwise_kaiming_normal(kernel_size, seed=None):
    """`kaiming_normal` for a depthwise kernel, each channel of which sees `height * width` inputs only.

    Keras would take the fan-in of a kernel `[height, width, channels, multiplier]` to be `channels` times larger and
    start the layer `sqrt(channels)` too small.

    Args:
        kernel_size: integer or `(height, width)`.
        seed: integer, or None for a random one.

    Returns:
        A Keras initialiser.
    """
    height, width = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
    return keras.initializers.RandomNormal(stddev=math.sqrt(2.0 / (height * width)), seed=seed)


def linear_uniform(fan_in, seed=None):
    """Uniform in `+-1 / sqrt(fan_in)`: PyTorch's default for the weights and the bias of a linear layer.

    Args:
        fan_in: number of input features.
        seed: integer, or None for a random one.

    Returns:
        A Keras initialiser.
    """
    bound = 1.0 / math.sqrt(fan_in)
    return keras.initializers.RandomUniform(-bound, bound, seed=seed)
