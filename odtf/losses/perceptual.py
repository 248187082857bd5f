"""Perceptual losses: functions of the maps that a fixed network has of two images, one value per example."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from keras import ops

from odtf.losses.images import absolute_difference
from odtf.losses.tensors import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

# Of online multi-granularity distillation, with torchvision's VGG16 for features, and which of its maps the content
# term takes: relu2_2.
STYLE_WEIGHT, FEATURE_WEIGHT, FEATURE_MAP = 1e4, 10.0, 1


def gram(features: Tensor) -> Tensor:
    """Gram matrix of the channels: F F^T / (channels * height * width).

    Args:
        features: float tensor `[batch, height, width, channels]`.

    Returns:
        float32 tensor `[batch, channels, channels]`.

    Reference:
        Johnson, Alahi, Fei-Fei, "Perceptual Losses for Real-Time Style Transfer", 2016, equation 3.
    """
    _, height, width, channels = features.shape
    rows = ops.reshape(ops.cast(features, "float32"), (-1, height * width, channels))
    return ops.matmul(ops.transpose(rows, (0, 2, 1)), rows) / float(channels * height * width)


def style_difference(teacher_maps: Sequence[Tensor], student_maps: Sequence[Tensor]) -> Tensor:
    """Mean absolute difference of Gram matrices, summed over the maps.

    Args:
        teacher_maps, student_maps: lists of float tensors `[batch, h, w, channels]`; gradients flow into both unless
            the caller stops them.

    Returns:
        float32 tensor `[batch]`, non-negative.

    Raises:
        ValueError: if the lists are empty or of different lengths.
    """
    if not teacher_maps or len(teacher_maps) != len(student_maps):
        raise ValueError(
            "Styles are compared map by map, of as many of either image. "
            f"Received: {len(teacher_maps)} and {len(student_maps)}."
        )
    terms = [absolute_difference(gram(t), gram(s)) for t, s in zip(teacher_maps, student_maps, strict=True)]
    return sum(terms[1:], terms[0])


def feature_difference(
    teacher_maps: Sequence[Tensor], student_maps: Sequence[Tensor], index: int = FEATURE_MAP
) -> Tensor:
    """Mean absolute difference of one of the maps.

    Args:
        teacher_maps, student_maps: as for `style_difference`.
        index: int, which of them; a network with one map has that alone.

    Returns:
        float32 tensor `[batch]`, non-negative.
    """
    index = min(index, len(teacher_maps) - 1)
    return absolute_difference(teacher_maps[index], student_maps[index])


def mean_terms(
    features: Callable[[Tensor], Sequence[Tensor]], batches: Iterable[tuple[Tensor, Tensor]]
) -> dict[str, float]:
    """Mean style and feature differences over pairs of images, without weights.

    Args:
        features: callable from images `[batch, height, width, 3]` to a list of maps.
        batches: iterable of pairs (teacher's images, student's images).

    Returns:
        dict with the floats "style" and "feature": means over all images.

    Raises:
        ValueError: if there are no batches.
    """
    sums, count = {"style": 0.0, "feature": 0.0}, 0
    for teacher, student in batches:
        maps = features(teacher), features(student)
        sums["style"] += float(ops.sum(style_difference(*maps)))
        sums["feature"] += float(ops.sum(feature_difference(*maps)))
        count += len(teacher)
    if not count:
        raise ValueError("Terms are measured on pairs of images. Received: no batches.")
    return {name: value / count for name, value in sums.items()}


def fitted_weights(
    features: Callable[[Tensor], Sequence[Tensor]],
    reference_means: Mapping[str, float],
    batches: Iterable[tuple[Tensor, Tensor]],
    reference_weights: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Weights of the style and the feature term for features other than torchvision's VGG16: a DESIGN CHOICE.

    The published weights belong to that network alone: others have activations of another scale. The fitted ones give
    the weighted terms the means that they have there, on pairs of images of networks at their initialisation. Nothing
    of the paper says so.

    Args:
        features: callable from images `[batch, height, width, 3]` to a list of maps.
        reference_means: dict with "style" and "feature": what `mean_terms` gives of the reference's features on such
            images.
        batches: iterable of pairs (teacher's images, student's images) of networks at their initialisation.
        reference_weights: dict with "style" and "feature", of the reference; None: 1e4 and 10.

    Returns:
        dict with the floats "style" and "feature".

    Raises:
        ValueError: if a mean of either is not a positive number.
    """
    weights = reference_weights or {"style": STYLE_WEIGHT, "feature": FEATURE_WEIGHT}
    means = mean_terms(features, batches)
    for words, values in (("the features", means), ("the reference", reference_means)):
        if not all(math.isfinite(values[name]) and values[name] > 0 for name in weights):
            raise ValueError(f"Weights are fitted to positive means. Received: {values} of {words}.")
    return {name: weight * reference_means[name] / means[name] for name, weight in weights.items()}
