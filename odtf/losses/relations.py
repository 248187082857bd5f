"""Losses of relations: how the examples of a batch lie to each other, one value per example.

They depend on the batch, which is each replica's share of it.
"""

from __future__ import annotations

from keras import ops

from odtf.losses.answers import check_temperature
from odtf.losses.features import unit_norm
from odtf.losses.tensors import Tensor

# Signed features can be opposite; their cosine kernel is 0, and its logarithm must stay finite.
_SMALLEST = 1e-7


def supervised_contrastive(labels: Tensor, embeddings: Tensor, temperature: float = 0.1) -> Tensor:
    """Supervised contrastive loss, the form L_out with the sum over positives outside the logarithm.

    With z of length 1, P(i) the other examples of the class of i and A(i) all other examples of the batch:
    -1 / |P(i)| * sum over p in P(i) of ln(exp(z_i z_p / T) / sum over a in A(i) of exp(z_i z_a / T)).

    Args:
        labels: integer tensor `[batch]`, class ids.
        embeddings: float tensor `[batch, features]`; they are brought to length 1 here.
        temperature: positive float, T; 0.1 in the paper.

    Returns:
        float32 tensor `[batch]`, in nats; 0 for an example that is alone of its class.

    Raises:
        ValueError: if `temperature` is not positive.

    Reference:
        Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020, equation 2.
    """
    temperature = check_temperature(temperature)
    z = unit_norm(embeddings)
    scores = ops.matmul(z, ops.transpose(z)) / temperature
    others = 1.0 - ops.eye(ops.shape(z)[0])
    same = ops.cast(ops.equal(labels[:, None], labels[None, :]), "float32") * others
    # An example itself is none of A(i): its score is what no logarithm of a sum notices.
    log_p = scores - ops.logsumexp(scores - 1e9 * (1.0 - others), axis=-1, keepdims=True)
    return -ops.sum(same * log_p, axis=-1) / ops.maximum(ops.sum(same, axis=-1), 1.0)


def conditional_divergence(teacher_features: Tensor, student_features: Tensor) -> Tensor:
    """KL divergence of the conditional probabilities of two networks' examples, one value per example.

    The probability that example i has j as its neighbour is K(x_i, x_j) / sum over k other than i of K(x_i, x_k), with
    K = (1 + cos) / 2; the loss of i is the sum over j other than i of p(j|i) ln(p(j|i) / q(j|i)), p the teacher's.

    Args:
        teacher_features: float tensor `[batch, ...]`; gradients flow into it unless the caller stops them.
        student_features: float tensor `[batch, ...]`; its features may be more or fewer.

    Returns:
        float32 tensor `[batch]`, non-negative, in nats.

    Reference:
        Passalis, Tefas, "Learning Deep Representations with Probabilistic Knowledge Transfer", ECCV 2018, equations 3
        to 6.
    """
    log_p, log_q = (_log_conditional(x) for x in (teacher_features, student_features))
    return ops.sum(ops.exp(log_p) * (log_p - log_q), axis=-1)


def _log_conditional(features):
    """The logarithms of p(j|i), `[batch, batch]`; 0 on the diagonal, where two networks do not differ."""
    kernel = _cosine_kernel(ops.reshape(ops.cast(features, "float32"), (ops.shape(features)[0], -1)))
    others = 1.0 - ops.eye(ops.shape(kernel)[0])
    kernel = ops.maximum(kernel, _SMALLEST)
    total = ops.maximum(ops.sum(kernel * others, axis=-1, keepdims=True), _SMALLEST)
    return others * ops.log(kernel / total)


def probabilistic_knowledge_transfer(teacher_features: Tensor, student_features: Tensor) -> Tensor:
    """Divergence of how two networks see the examples of a batch relative to each other, one value per example.

    Each network gives every example i a distribution p(i, j) over the examples of the batch, itself included: a kernel
    of the features, normalised by row. The loss is the symmetric (Jeffreys) divergence (p - q)(ln p - ln q), as a mean
    over j, for the kernels (1 + cos(x_i, x_j)) / 2 and 1 / (1 + |x_i - x_j|) together. It compares relations, so that
    the widths of the networks need not agree; it depends on the size of the batch, of each replica's share of it.

    Args:
        teacher_features: float tensor `[batch, features]`; gradients flow into it unless the caller stops them.
        student_features: float tensor `[batch, other features]`.

    Returns:
        float32 tensor `[batch]`, non-negative.

    Reference:
        Passalis, Tefas, "Learning Deep Representations with Probabilistic Knowledge Transfer", ECCV 2018; the two
        kernels and the symmetric form are those of the released code of InDistill (gsarridis/InDistill).
    """
    loss = 0.0
    for kernel in (_cosine_kernel, _student_t_kernel):
        log_p, log_q = (_log_rows(kernel(ops.cast(x, "float32"))) for x in (teacher_features, student_features))
        loss = loss + ops.mean((ops.exp(log_p) - ops.exp(log_q)) * (log_p - log_q), axis=-1)
    return loss


def _cosine_kernel(x):
    # The norm's epsilon is 1e-6, as released: a vector of zeros gets gradients of that scale and no larger.
    x = x * ops.rsqrt(ops.sum(ops.square(x), axis=-1, keepdims=True) + 1e-12)
    return (1.0 + ops.matmul(x, ops.transpose(x))) / 2.0


def _student_t_kernel(x):
    # Differences rather than |a|^2 + |b|^2 - 2ab, which cancels where examples are close; batches are small.
    squares = ops.sum(ops.square(ops.expand_dims(x, 1) - ops.expand_dims(x, 0)), axis=-1)
    return 1.0 / (1.0 + ops.sqrt(squares + 1e-6))


def _log_rows(kernel):
    kernel = ops.maximum(kernel, _SMALLEST)
    return ops.log(kernel / ops.sum(kernel, axis=-1, keepdims=True))
