"""Weights of loss terms that rise with the epochs."""

from keras import ops


def sigmoid_ramp(epoch, length):
    """The Gaussian-shaped rise exp(-5 (1 - min(e, L) / L)^2) of a loss term's weight, from 0.0067 at epoch 0 to 1.

    Args:
        epoch: the number of the epoch, a float or a scalar tensor such as `Method.epoch`: 0-based, so that the weight
            reaches 1 with epoch `length`.
        length: float, how many epochs the rise takes; 0 for none: 1 throughout.

    Returns:
        float32 scalar.

    Raises:
        ValueError: if `length` is negative.

    Reference:
        Laine, Aila, "Temporal Ensembling for Semi-Supervised Learning", 2017, section 3.1; ONE, FFL, OKDDip and PCL
        take L = 80.
    """
    if length < 0:
        raise ValueError(f"A ramp's length must not be negative. Received: length={length}.")
    epoch = ops.cast(epoch, "float32")
    share = ops.minimum(epoch / length, 1.0) if length else ops.ones_like(epoch)
    return ops.exp(-5.0 * ops.square(1.0 - share))
