"""Losses of answers: logits against labels or other logits, one value per example."""

from __future__ import annotations

from keras import ops

from odtf.losses.tensors import Tensor


def _log_softmax(logits, temperature=1.0):
    return ops.log_softmax(ops.cast(logits, "float32") / temperature, axis=-1)


def check_temperature(temperature: float) -> float:
    """Raises ValueError unless `temperature` is a positive number; returns it as a float."""
    if not temperature > 0:
        raise ValueError(f"The temperature must be a positive number. Received: temperature={temperature}.")
    return float(temperature)


def check_smoothing(label_smoothing: float) -> float:
    """Raises ValueError unless `label_smoothing` lies in [0, 1); returns it as a float."""
    if not 0.0 <= label_smoothing < 1.0:
        raise ValueError(f"Label smoothing must lie in [0, 1). Received: label_smoothing={label_smoothing}.")
    return float(label_smoothing)


def cross_entropy(labels: Tensor, logits: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Softmax cross entropy, one value per example.

    Args:
        labels: integer tensor `[batch]`, class ids; or float tensor `[batch, classes]`, distributions.
        logits: float tensor `[batch, classes]`.
        label_smoothing: float in [0, 1); this share of the target mass is spread evenly over all classes.

    Returns:
        float32 tensor `[batch]`, in nats.

    Raises:
        ValueError: if `label_smoothing` is outside [0, 1), or distributions are of other classes.

    Reference:
        Label smoothing: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016.
    """
    label_smoothing = check_smoothing(label_smoothing)
    log_p = _log_softmax(logits)
    if ops.ndim(labels) == len(log_p.shape):
        hit = ops.sum(distribution(labels, log_p.shape[-1]) * log_p, axis=-1)
    else:
        hit = ops.take_along_axis(log_p, ops.expand_dims(ops.cast(labels, "int32"), -1), axis=-1)[..., 0]
    if label_smoothing == 0.0:
        return -hit
    return -(1.0 - label_smoothing) * hit - label_smoothing * ops.mean(log_p, axis=-1)


def distribution(labels: Tensor, num_classes: int, dtype: str = "float32") -> Tensor:
    """Returns labels as distributions over the classes.

    Args:
        labels: integer tensor `[batch]`; or `[batch, num_classes]`, distributions already.
        num_classes: int.
        dtype: of the result.

    Returns:
        float tensor `[batch, num_classes]`.

    Raises:
        ValueError: if distributions are of another number of classes.
    """
    if ops.ndim(labels) == 1:
        return ops.one_hot(labels, num_classes, dtype=dtype)
    if labels.shape[-1] != num_classes:
        raise ValueError(
            f"Labels are class ids [batch], or distributions over the {num_classes} classes. "
            f"Received: labels of shape {tuple(labels.shape)}."
        )
    return ops.cast(labels, dtype)


def kl_divergence(teacher_logits: Tensor, student_logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Temperature-scaled KL(teacher || student), one value per example.

    Args:
        teacher_logits: float tensor `[batch, classes]`; gradients flow into it unless the caller stops them.
        student_logits: float tensor `[batch, classes]`.
        temperature: positive float; the result is multiplied by its square, so that gradients keep their scale.

    Returns:
        float32 tensor `[batch]`, non-negative, in nats.

    Raises:
        ValueError: if `temperature` is not positive.

    Reference:
        Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015.
    """
    temperature = check_temperature(temperature)
    log_t = _log_softmax(teacher_logits, temperature)
    log_s = _log_softmax(student_logits, temperature)
    return temperature**2 * ops.sum(ops.exp(log_t) * (log_t - log_s), axis=-1)
