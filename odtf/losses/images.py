"""Losses of images against images, one value per example.

As in `odtf.losses` nothing is reduced over the batch and nothing is detached, and all arithmetic is float32.
"""

from __future__ import annotations

import numpy as np
from keras import ops

from odtf.losses.tensors import Tensor

WINDOW, SIGMA = 11, 1.5
# (0.01 L)^2 and (0.03 L)^2 for images of the range L = 1. Online multi-granularity distillation keeps them for its
# images in [-1, 1].
C1, C2 = 1e-4, 9e-4


def absolute_difference(first: Tensor, second: Tensor) -> Tensor:
    """Mean absolute difference (L1) of two tensors of one shape: images, or maps of features.

    Args:
        first, second: float tensors `[batch, ...]`; gradients flow into both unless the caller stops them.

    Returns:
        float32 tensor `[batch]`, the mean over all other axes.

    Raises:
        ValueError: if the shapes differ.
    """
    difference = ops.abs(_float32(first) - _float32(_of_shape(second, first)))
    return ops.mean(difference, axis=tuple(range(1, len(difference.shape))))


def cycle_consistency(images: Tensor, cycled: Tensor) -> Tensor:
    """L1 between images and what two generators make of them, there and back.

    Args:
        images: float tensor `[batch, height, width, channels]`.
        cycled: float tensor of the same shape, F(G(images)).

    Returns:
        float32 tensor `[batch]`. CycleGAN weighs it by 10.

    Reference:
        Zhu, Park, Isola, Efros, "Unpaired Image-to-Image Translation", 2017, equation 2.
    """
    return absolute_difference(images, cycled)


def identity_mapping(images: Tensor, mapped: Tensor) -> Tensor:
    """L1 between images of a generator's target domain and what it makes of them: it should leave them as they are.

    Args:
        images: float tensor `[batch, height, width, channels]`.
        mapped: float tensor of the same shape, G(images).

    Returns:
        float32 tensor `[batch]`. CycleGAN weighs it by 5, half of what its cycles have.

    Reference:
        Zhu, Park, Isola, Efros, "Unpaired Image-to-Image Translation", 2017, section 5.2.
    """
    return absolute_difference(images, mapped)


def structural_similarity(first: Tensor, second: Tensor) -> Tensor:
    """SSIM of two images, its mean over pixels and channels.

    The window is a Gaussian of 11x11 and sigma 1.5 on images with five zeros around, C1 is 1e-4 and C2 9e-4: for images
    of the range 1, but used as they are in [-1, 1] by online multi-granularity distillation. A loss is 1 minus it.

    Args:
        first, second: float tensors `[batch, height, width, channels]`; gradients flow into both unless the caller
            stops them.

    Returns:
        float32 tensor `[batch]`, at most 1.

    Raises:
        ValueError: if the shapes differ.

    Reference:
        Wang, Bovik, Sheikh, Simoncelli, "Image Quality Assessment", 2004, equation 13.
    """
    x, y = _float32(first), _float32(_of_shape(second, first))
    moments = _blurred(ops.concatenate([x, y, x * x, y * y, x * y], axis=-1))
    mean_x, mean_y, square_x, square_y, product = ops.split(moments, 5, axis=-1)
    variances = square_x - mean_x * mean_x + square_y - mean_y * mean_y
    covariance = product - mean_x * mean_y
    luminance = (2.0 * mean_x * mean_y + C1) / (mean_x * mean_x + mean_y * mean_y + C1)
    return ops.mean(luminance * (2.0 * covariance + C2) / (variances + C2), axis=(1, 2, 3))


def _blurred(maps):
    """Every channel under the window, which is a product of a column and a row."""
    positions = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-(positions**2) / (2 * SIGMA**2))
    weights = np.tile((weights / weights.sum()).astype("float32")[:, None], (1, maps.shape[-1]))
    for shape in ((WINDOW, 1), (1, WINDOW)):
        kernel = ops.convert_to_tensor(weights.reshape(*shape, -1, 1))
        maps = ops.depthwise_conv(maps, kernel, padding="same", data_format="channels_last")
    return maps


def total_variation(images: Tensor) -> Tensor:
    """Sum of the absolute differences between neighbouring pixels, down and to the right, over pixels and channels.

    A sum, not a mean: its weight belongs to a size of images. Where a published weight is for the sum over a batch too,
    as in online multi-granularity distillation, it is multiplied by the size of the batch.

    Args:
        images: float tensor `[batch, height, width, channels]`.

    Returns:
        float32 tensor `[batch]`, non-negative.

    Reference:
        Johnson, Alahi, Fei-Fei, "Perceptual Losses for Real-Time Style Transfer", 2016, section 3.2.
    """
    x = _float32(images)
    total = 0.0
    for axis in (1, 2):
        # Splits, for the gradient of a slice takes ten times as long on a CPU.
        _, behind = ops.split(x, [1], axis=axis)
        before, _ = ops.split(x, [x.shape[axis] - 1], axis=axis)
        total = total + ops.sum(ops.abs(behind - before), axis=(1, 2, 3))
    return total


def channel_distillation(teacher_maps: Tensor, student_maps: Tensor) -> Tensor:
    """Mean squared difference between channels' means, summed over the maps.

    Args:
        teacher_maps: list of float tensors `[batch, h, w, channels]`; gradients flow into them unless the caller stops
            them, as online multi-granularity distillation does.
        student_maps: list of as many tensors of the same channels: a student's maps behind its adapters.

    Returns:
        float32 tensor `[batch]`: a sum over the maps, as in the released code whose weights are published, where the
        paper's formula has their mean.

    Raises:
        ValueError: if the lists are empty or of different lengths, or channels differ.

    Reference:
        Ren, Wu, Xiao, Yang, "Online Multi-Granularity Distillation for GAN Compression", 2021; released code,
        github.com/bytedance/OMGD.
    """
    if not teacher_maps or len(teacher_maps) != len(student_maps):
        raise ValueError(
            "Channels are distilled from map to map: as many of the student as of the teacher. "
            f"Received: {len(teacher_maps)} and {len(student_maps)}."
        )
    terms = []
    for teacher, student in zip(teacher_maps, student_maps, strict=True):
        means = [ops.mean(_float32(each), axis=(1, 2)) for each in (teacher, student)]
        terms.append(ops.mean(ops.square(means[0] - _of_shape(means[1], means[0])), axis=-1))
    return sum(terms[1:], terms[0])


def _float32(values):
    return ops.cast(values, "float32")


def _of_shape(values, like):
    if tuple(values.shape[1:]) != tuple(like.shape[1:]):
        raise ValueError(
            "Images and maps are compared in one shape. Received: "
            f"{tuple(like.shape[1:])} and {tuple(values.shape[1:])}."
        )
    return values
