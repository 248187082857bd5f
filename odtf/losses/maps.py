"""Losses of maps: pure functions of a class for every pixel, or of two networks' logits, one value per example.

As in `odtf.losses` nothing is reduced over the batch and nothing is detached, and all arithmetic is float32. Pixels of
the ignored value count for nothing, in the sum and in what it is divided by; an image of such pixels alone has the
loss 0.
"""

from __future__ import annotations

from keras import ops

from odtf.losses.answers import check_temperature
from odtf.losses.tensors import Tensor

_FAR_BELOW = -1e9


def pixel_cross_entropy(
    labels: Tensor, logits: Tensor, ignore: int | None = None, class_weights: Tensor | None = None
) -> Tensor:
    """Softmax cross-entropy of every pixel, its mean over the pixels of an image.

    Args:
        labels: integer tensor `[batch, height, width]`, class ids.
        logits: float tensor `[batch, height, width, classes]`.
        ignore: int, the label that counts for nothing; None: there is none.
        class_weights: float tensor `[classes]`, factors on the terms of each class; None: all are 1. The divisor stays
            the number of pixels, so that an image of rare classes weighs more than one of common ones.

    Returns:
        float32 tensor `[batch]`, in nats.
    """
    losses, safe, valid = _pixel_terms(labels, logits, ignore)
    if class_weights is not None:
        losses = losses * ops.take(ops.convert_to_tensor(class_weights, "float32"), safe)
    return _mean(losses, valid)


def focal(labels: Tensor, logits: Tensor, ignore: int | None = None, gamma: float = 2.0) -> Tensor:
    """Cross-entropy times (1 - p)^gamma, p the probability of the true class: pixels that are right count less.

    Args:
        labels, logits, ignore: as for `pixel_cross_entropy`.
        gamma: float, 0 or more; 0 is the cross-entropy.

    Returns:
        float32 tensor `[batch]`.

    Raises:
        ValueError: if `gamma` is negative.

    Reference:
        Lin et al., "Focal Loss for Dense Object Detection", 2017, equation 4.
    """
    if gamma < 0:
        raise ValueError(f"The exponent of the focal loss must not be negative. Received: gamma={gamma}.")
    losses, _, valid = _pixel_terms(labels, logits, ignore)
    # The base stays above 0: its power has no gradient there.
    missing = ops.maximum(1.0 - ops.exp(-losses), 1e-7)
    return _mean(missing**gamma * losses, valid)


def hard_pixels(labels: Tensor, logits: Tensor, ignore: int | None = None, share: float = 0.25) -> Tensor:
    """Mean cross-entropy of the hardest pixels of each image, those of the largest cross-entropy.

    Args:
        labels, logits, ignore: as for `pixel_cross_entropy`.
        share: float in (0, 1], of the pixels that count; rounded up to whole pixels.

    Returns:
        float32 tensor `[batch]`, in nats.

    Raises:
        ValueError: if `share` is out of range.

    Reference:
        Wu, Shen, van den Hengel, "Bridging Category-level and Instance-level Semantic Image Segmentation", 2016,
        section 3.2 (online bootstrapping), with a share in place of a number of pixels.
    """
    if not 0.0 < share <= 1.0:
        raise ValueError(f"The share of hard pixels must lie in (0, 1]. Received: share={share}.")
    losses, _, valid = _pixel_terms(labels, logits, ignore)
    # What does not count comes last, below every loss.
    hardest = -ops.sort(-ops.where(valid > 0, losses, -1.0), axis=1)
    # A little is taken off before rounding up: 0.1 * 10 may be more than 1.
    count = ops.ceil(share * ops.sum(valid, axis=1) - 1e-4)
    rank = ops.cast(ops.arange(losses.shape[1]), "float32")
    return _mean(hardest, ops.cast(rank[None] < count[:, None], "float32"))


def dice(labels: Tensor, logits: Tensor, ignore: int | None = None) -> Tensor:
    """1 - Dice coefficient of each class that an image shows, its mean over those classes.

    Of class c it is 1 - 2 sum p_c g_c / (sum p_c + sum g_c), p_c the probabilities and g_c the truth, over the pixels
    that count. Classes that an image does not show would have the coefficient 0 whatever the network says.

    Args:
        labels, logits, ignore: as for `pixel_cross_entropy`.

    Returns:
        float32 tensor `[batch]`, in [0, 1].

    Reference:
        Milletari, Navab, Ahmadi, "V-Net", 2016, section 3, with plain sums in the divisor instead of squares.
    """
    labels, logits, valid = _flat(labels, logits, ignore)
    truth = ops.one_hot(labels, logits.shape[-1], dtype="float32") * valid[..., None]
    probabilities = ops.softmax(logits, axis=-1) * valid[..., None]
    area = ops.sum(truth, axis=1)
    overlap, total = ops.sum(truth * probabilities, axis=1), area + ops.sum(probabilities, axis=1)
    shown = ops.cast(area > 0, "float32")
    return _mean(1.0 - 2.0 * overlap / ops.maximum(total, 1e-7), shown)


def pixel_kl(
    teacher_logits: Tensor, student_logits: Tensor, temperature: float = 1.0, valid: Tensor | None = None
) -> Tensor:
    """Temperature-scaled KL(teacher || student) of every pixel's classes, its mean over the pixels of an image.

    Args:
        teacher_logits: float tensor `[batch, height, width, classes]`; gradients flow into it unless the caller stops
            them.
        student_logits: float tensor of the same shape.
        temperature: positive float; the result is multiplied by its square.
        valid: tensor `[batch, height, width]`, bool or 0 and 1: which pixels count; None: all of them.

    Returns:
        float32 tensor `[batch]`, non-negative, in nats.

    Raises:
        ValueError: if `temperature` is not positive.

    Reference:
        Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015, pixel by pixel as in Liu et al.,
        "Structured Knowledge Distillation for Semantic Segmentation", 2019, equation 1.
    """
    temperature, valid = check_temperature(temperature), _flat_valid(valid, student_logits)
    log_t, log_s = (ops.log_softmax(_rows(z) / temperature, axis=-1) for z in (teacher_logits, student_logits))
    return temperature**2 * _mean(ops.sum(ops.exp(log_t) * (log_t - log_s), axis=-1), valid)


def channel_kl(
    teacher_logits: Tensor, student_logits: Tensor, temperature: float = 1.0, valid: Tensor | None = None
) -> Tensor:
    """Temperature-scaled KL of the place of every channel: softmax over the pixels of an image, mean over the channels.

    It compares where a class is seen rather than which class a pixel shows, so that large even areas weigh little.

    Args:
        teacher_logits, student_logits, valid: as for `pixel_kl`; features of one shape would do as well.
        temperature: positive float; the result is multiplied by its square. The paper has 4.

    Returns:
        float32 tensor `[batch]`, non-negative, in nats.

    Raises:
        ValueError: if `temperature` is not positive.

    Reference:
        Shu, Liu, Gao, Yan, Shen, "Channel-wise Knowledge Distillation for Dense Prediction", 2021, equations 2 and 4.
    """
    temperature, valid = check_temperature(temperature), _flat_valid(valid, student_logits)

    def log_places(logits):
        rows = _rows(logits) / temperature
        return ops.log_softmax(ops.where(valid[..., None] > 0, rows, _FAR_BELOW), axis=1)

    log_t, log_s = log_places(teacher_logits), log_places(student_logits)
    divergence = ops.mean(ops.sum(valid[..., None] * ops.exp(log_t) * (log_t - log_s), axis=1), axis=-1)
    return temperature**2 * divergence


def _rows(maps):
    """`[batch, height, width, channels]` to float32 `[batch, pixels, channels]`."""
    return ops.reshape(ops.cast(maps, "float32"), (-1, maps.shape[1] * maps.shape[2], maps.shape[3]))


def _flat(labels, logits, ignore):
    """int32 labels `[batch, pixels]`, class 0 where none counts; logits of their pixels; 1 where a pixel counts."""
    rows = _rows(logits)
    labels = ops.reshape(ops.cast(labels, "int32"), (-1, rows.shape[1]))
    if ignore is None:
        return labels, rows, ops.ones_like(labels, dtype="float32")
    counts = ops.not_equal(labels, ignore)
    return ops.where(counts, labels, 0), rows, ops.cast(counts, "float32")


def _flat_valid(valid, logits):
    pixels = logits.shape[1] * logits.shape[2]
    if valid is None:
        return ops.ones((1, pixels))
    return ops.cast(ops.reshape(valid, (-1, pixels)), "float32")


def _pixel_terms(labels, logits, ignore):
    """The cross-entropy of every pixel `[batch, pixels]`, and the labels and what counts as `_flat` has them."""
    labels, rows, valid = _flat(labels, logits, ignore)
    # Forward and backward in two thirds of the time of the kernel that takes labels, on a CPU: that one has few classes
    # in many rows and no vectors.
    truth = ops.one_hot(labels, rows.shape[-1], dtype="float32")
    return -ops.sum(truth * ops.log_softmax(rows, axis=-1), axis=-1), labels, valid


def _mean(values, weights):
    """The weighted mean of each row; 0 where nothing has a weight."""
    weights = ops.broadcast_to(weights, ops.shape(values))
    return ops.sum(values * weights, axis=1) / ops.maximum(ops.sum(weights, axis=1), 1.0)
