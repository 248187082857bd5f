"""Divergences of class scores other than the plain KL, one value per example.

Scores are `[batch, classes]`, or `[batch, height, width, classes]`, where every pixel is a row and the value of an
example is the mean over its pixels. As in `odtf.losses` nothing is reduced over the batch and nothing is detached, and
all arithmetic is float32.
"""

from __future__ import annotations

from keras import ops

from odtf.losses.answers import check_temperature
from odtf.losses.tensors import Tensor

_FAR_BELOW = -1e9


def standardized_kl(teacher_logits: Tensor, student_logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Temperature-scaled KL of logits standardised row by row: T^2 KL(softmax(Z(t) / T) || softmax(Z(s) / T)).

    Z(z) = (z - mean z) / (std z + 1e-7) over the classes, std with the divisor K - 1. A student must match the form of
    its teacher's logits and not their size. The paper has T = 2, and the weight 9 beside 0.1 of the cross-entropy.

    Args:
        teacher_logits: float tensor `[batch, ..., classes]`; gradients flow into it unless the caller stops them.
        student_logits: float tensor of the same shape.
        temperature: positive float; the result is multiplied by its square.

    Returns:
        float32 tensor `[batch]`, non-negative, in nats.

    Raises:
        ValueError: if `temperature` is not positive.

    Reference:
        Sun, Ren, Li, Wang, Cao, "Logit Standardization in Knowledge Distillation", CVPR 2024, arXiv 2403.01427;
        released code: sunshangquan/logit-standardization-KD.
    """
    temperature = check_temperature(temperature)
    log_t, log_s = (ops.log_softmax(_standardized(z) / temperature) for z in (teacher_logits, student_logits))
    return temperature**2 * _per_example(_kl(log_t, log_s))


def _standardized(logits):
    centred = ops.cast(logits, "float32")
    centred = centred - ops.mean(centred, axis=-1, keepdims=True)
    variance = ops.sum(ops.square(centred), axis=-1, keepdims=True) / (centred.shape[-1] - 1.0)
    # The bound stands inside the root: the gradient at a row of equal logits is finite.
    return centred / (ops.sqrt(ops.maximum(variance, 1e-14)) + 1e-7)


def dkd(
    labels: Tensor,
    teacher_logits: Tensor,
    student_logits: Tensor,
    temperature: float = 1.0,
    alpha: float = 1.0,
    beta: float = 8.0,
    ignore: int | None = None,
) -> Tensor:
    """Decoupled distillation: T^2 (alpha KL(b_t || b_s) + beta KL(q_t || q_s)).

    b = (p_y, 1 - p_y) is the probability of the true class against that of all others, q the distribution over the
    K - 1 others, both at the temperature T. In the plain KL the second part is weighed by 1 - p_y of the teacher, so
    that the surer it is, the less its view of the other classes counts.

    Args:
        labels: integer tensor `[batch, ...]`, class ids; or distributions over the classes, whose largest counts.
        teacher_logits: float tensor `[batch, ..., classes]`; gradients flow into it unless the caller stops them.
        student_logits: float tensor of the same shape.
        temperature: positive float; 4 in the paper.
        alpha, beta: floats, the weights of the two parts; the paper's beta is 8, or 2 or 6 for some pairs of networks.
        ignore: int, the label whose rows count for nothing; None: there is none.

    Returns:
        float32 tensor `[batch]`, non-negative, in nats.

    Raises:
        ValueError: if `temperature` is not positive.

    Reference:
        Zhao, Cui, Song, Qiu, Liang, "Decoupled Knowledge Distillation", CVPR 2022, arXiv 2203.08679; released code:
        megvii-research/mdistiller. Its logarithm of 1 - p_y is that of a difference; here it is the log-sum-exp of the
        other classes, which stays finite.
    """
    temperature = check_temperature(temperature)
    labels = ops.argmax(labels, axis=-1) if ops.ndim(labels) == ops.ndim(student_logits) else labels
    labels = ops.cast(labels, "int32")
    valid = None
    if ignore is not None:
        counts = ops.not_equal(labels, ignore)
        labels, valid = ops.where(counts, labels, 0), ops.cast(counts, "float32")
    true = ops.equal(ops.expand_dims(labels, -1), ops.arange(student_logits.shape[-1]))
    binary, others = zip(*(_decoupled(z, true, temperature) for z in (teacher_logits, student_logits)), strict=True)
    return temperature**2 * _per_example(alpha * _kl(*binary) + beta * _kl(*others), valid)


def _decoupled(logits, true, temperature):
    """The logarithms of b and of q; the true class has no part in the latter."""
    logits = ops.cast(logits, "float32") / temperature
    others = ops.where(true, _FAR_BELOW, logits)
    hit = ops.sum(ops.where(true, logits, 0.0), axis=-1)
    binary = ops.stack([hit, ops.logsumexp(others, axis=-1)], axis=-1)
    return ops.log_softmax(binary), ops.log_softmax(others)


def dist(
    teacher_logits: Tensor, student_logits: Tensor, temperature: float = 1.0, beta: float = 1.0, gamma: float = 1.0
) -> Tensor:
    """Correlations in place of distances: tau^2 (beta inter + gamma intra).

    With Y = softmax(z / tau) and rho the Pearson correlation: inter = 1 - rho(Y_s[i, :], Y_t[i, :]) of every row, and
    intra = 1 - mean over the classes k of rho(Y_s[:, k], Y_t[:, k]), over all rows of the batch. The student follows
    the teacher up to scale and shift, which a much stronger teacher asks for. The paper weighs the whole by 2.

    The second part depends on the batch, which is each replica's share of it, and is the same for all its examples.

    Args:
        teacher_logits: float tensor `[batch, ..., classes]`; gradients flow into it unless the caller stops them.
        student_logits: float tensor of the same shape.
        temperature: positive float, tau; 4 on CIFAR and 1 on ImageNet in the paper.
        beta, gamma: floats, the weights of the two parts.

    Returns:
        float32 tensor `[batch]`, non-negative.

    Raises:
        ValueError: if `temperature` is not positive.

    Reference:
        Huang, You, Wang, Qian, Xu, "Knowledge Distillation from A Stronger Teacher", NeurIPS 2022, arXiv 2205.10536;
        released code: hunto/DIST_KD.
    """
    temperature = check_temperature(temperature)
    teacher, student = (ops.softmax(ops.cast(z, "float32") / temperature) for z in (teacher_logits, student_logits))
    classes = student.shape[-1]
    inter = _per_example(1.0 - _correlation(student, teacher, axis=-1))
    student_rows, teacher_rows = (ops.reshape(y, (-1, classes)) for y in (student, teacher))
    intra = 1.0 - ops.mean(_correlation(student_rows, teacher_rows, axis=0))
    return temperature**2 * (beta * inter + gamma * intra)


def _correlation(first, second, axis):
    first, second = (x - ops.mean(x, axis=axis, keepdims=True) for x in (first, second))
    # The bound stands inside the root: the gradient at a vector of equal numbers is finite.
    norms = (ops.sqrt(ops.maximum(ops.sum(ops.square(x), axis=axis), 1e-24)) for x in (first, second))
    one, other = norms
    return ops.sum(first * second, axis=axis) / (one * other + 1e-8)


def _kl(log_t, log_s):
    return ops.sum(ops.exp(log_t) * (log_t - log_s), axis=-1)


def _per_example(rows, valid=None):
    """The mean over all axes but the first; with `valid`, over the rows that count, and 0 where none does."""
    axes = tuple(range(1, len(rows.shape)))
    if valid is None:
        return ops.mean(rows, axis=axes) if axes else rows
    total, count = (ops.sum(x, axis=axes) if axes else x for x in (rows * valid, valid))
    return total / ops.maximum(count, 1.0)
