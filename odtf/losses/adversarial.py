"""Losses of generators and discriminators: functions of a discriminator's answers, one value per example.

A discriminator of patches answers with a map; the loss of an image is the mean over it. Nothing is detached: the caller
gives the discriminator's terms images that are constants, and the generator's term a discriminator whose variables it
leaves alone.
"""

from __future__ import annotations

from keras import ops

from odtf.losses.tensors import Tensor


def hinge_real(answers: Tensor) -> Tensor:
    """The discriminator's hinge loss of real images: -min(0, D - 1).

    Args:
        answers: float tensor `[batch, ...]`, any real numbers.

    Returns:
        float32 tensor `[batch]`, non-negative.

    Reference:
        Lim, Ye, "Geometric GAN", 2017.
    """
    return _mean(-ops.minimum(0.0, ops.cast(answers, "float32") - 1.0))


def hinge_fake(answers: Tensor) -> Tensor:
    """The discriminator's hinge loss of generated images: -min(0, -D - 1).

    Args, Returns, Reference:
        As for `hinge_real`.
    """
    return _mean(-ops.minimum(0.0, -ops.cast(answers, "float32") - 1.0))


def hinge_generator(answers: Tensor) -> Tensor:
    """The generator's loss beside a discriminator of hinge losses: -D.

    Args:
        answers: as for `hinge_real`, of generated images.

    Returns:
        float32 tensor `[batch]`.
    """
    return _mean(-ops.cast(answers, "float32"))


def least_squares(answers: Tensor, target: float) -> Tensor:
    """Squared distance of a discriminator's answers to 1 for real images or 0 for generated ones (LSGAN).

    Args:
        answers: as for `hinge_real`.
        target: 1 or 0 for the discriminator; 1 for the generator, which wants its images taken for real.

    Returns:
        float32 tensor `[batch]`, non-negative.

    Reference:
        Mao et al., "Least Squares Generative Adversarial Networks", 2017, without the factor 1/2.
    """
    return _mean(ops.square(ops.cast(answers, "float32") - float(target)))


def _mean(values):
    return ops.mean(values, axis=tuple(range(1, len(values.shape))))
