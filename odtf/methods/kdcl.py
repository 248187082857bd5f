"""KDCL: networks learn together from one soft target that is better than any of them.

Guo, Wang, Wu, Yu, Liang, Hu, Luo, "Online Knowledge Distillation via Collaborative Learning", CVPR 2020.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from keras import ops

from odtf.losses import check_temperature, cross_entropy, distribution
from odtf.methods.base import Method
from odtf.methods.shared.peers import check_answers, independent_peers, several

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from odtf.losses.tensors import Targets, Tensor
    from odtf.methods.shared.signatures import Outputs, Terms
    from odtf.models.annotations import Networks

TARGETS = ("naive", "linear", "min_logit", "general")


class KDCL(Method):
    """m independent networks, of one architecture or several; each may see an augmentation of its own.

    Loss: sum_i CE(z_i, y) + weight sum_i T^2 KL(sg[p(z_t)] || p_i), with weight = 1 and T = 2 (UNVERIFIED: notes on
    the paper give T = 2 for CIFAR and 4 for ImageNet). The logits z_t of the target are, by `target`:

    * "naive": for each example, those of the network with the lowest cross-entropy on it;
    * "linear": sum_i a_i z_i, where the a on the simplex minimise the mean CE(sum_i a_i z_i, y) of a replica's batch;
    * "min_logit": z_t[k] = min_i (z_i[k] - z_i[y]), so that z_t[y] = 0;
    * "general": sum_i w_i z_i, w = C^-1 1 / (1' C^-1 1), where C_ij is the mean of <p_i - t, p_j - t> over the
      validation split (t one-hot, p at T = 1), refreshed after each validation; the mean until the first one. These
      weights may be negative.

    "Invariant collaborative learning", a view of its own for every network, is a matter of the data:
    `config.data.num_views` equal to the number of peers. The default target is a DESIGN CHOICE: the one with the least
    machinery.

    Args:
        networks: callable `network(seed=int, name=str)` that returns a network with its named taps, or a sequence of
            such callables, one for each peer.
        num_peers: int, at least 2; a sequence has its own length.
        target: "naive", "linear", "min_logit" or "general".
        temperature: positive float.
        weight: float, not negative: that of the distillation.
        **common: `task`, `seed`, `name`; see `Method`.

    Raises:
        ValueError: if there are fewer than 2 peers, their classes differ, a coefficient is out of range or the target
            unknown.
    """

    only = ("classification",)

    label = "kdcl"

    def __init__(
        self,
        networks: Networks,
        *,
        num_peers: int = 2,
        target: str = "min_logit",
        temperature: float = 2.0,
        weight: float = 1.0,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        if target not in TARGETS:
            raise ValueError(f"target must be one of {', '.join(TARGETS)}. Received: target={target!r}.")
        if weight < 0:
            raise ValueError(f"The weight of the distillation must not be negative. Received: weight={weight}.")
        self.temperature = check_temperature(temperature)
        self.target = target
        self.weight = float(weight)
        self.peers = independent_peers(several(networks, num_peers), self.seed)
        check_answers(self.peers, self.task)
        if target == "general":
            # A variable of the model, so that checkpoints hold it.
            self.ensemble_weights = self.add_weight(
                shape=(len(self.peers),),
                initializer=lambda shape, dtype=None: ops.full(shape, 1.0 / len(self.peers), dtype=dtype),
                trainable=False,
                dtype="float32",
                name="ensemble_weights",
            )

    def loss_terms(self, targets: Targets, outputs: Outputs) -> Terms:
        logits = [ops.cast(outputs[name]["logits"], "float32") for name in self.peers]
        target = self.target_logits(targets, ops.stop_gradient(ops.stack(logits)))
        terms = {}
        for name, own in zip(self.peers, logits, strict=True):
            terms[f"{name}/supervised"] = self.task.supervised(targets, own)
            terms[f"{name}/distillation"] = self.weight * self.distil(targets, target, own, self.temperature)
        return terms

    def target_logits(self, labels: Tensor, logits: Tensor) -> Tensor:
        """Returns the logits `[batch, classes]` of the target.

        Args:
            labels: integer tensor `[batch]`, or distributions `[batch, classes]`.
            logits: float32 tensor `[peers, batch, classes]`, a constant.
        """
        if self.target == "naive":
            return naive(labels, logits)
        if self.target == "min_logit":
            return min_logit(labels, logits)
        weights = self.ensemble_weights if self.target == "general" else linear_weights(labels, logits)
        return ops.sum(ops.reshape(weights, (-1, 1, 1)) * logits, axis=0)

    def held_out_sums(self, targets: Targets, outputs: Outputs, weights: Tensor) -> dict[str, Tensor]:
        if self.target != "general":
            return {}
        errors = [
            ops.softmax(ops.cast(taps["logits"], "float32")) - distribution(targets, taps["logits"].shape[-1])
            for taps in outputs.values()
        ]
        return {
            f"covariance/{i}_{j}": ops.sum(weights * ops.sum(errors[i] * errors[j], axis=-1))
            for i in range(len(errors))
            for j in range(i + 1)
        }

    def after_validation(self, values: Mapping[str, float]) -> None:
        if self.target == "general":
            count = len(self.peers)
            covariance = [[values[f"covariance/{max(i, j)}_{min(i, j)}"] for j in range(count)] for i in range(count)]
            self.ensemble_weights.assign(general_weights(covariance))


def naive(labels, logits):
    """Logits of the network with the lowest cross-entropy on each example.

    Args:
        labels: integer tensor `[batch]`, or distributions `[batch, classes]`.
        logits: float tensor `[peers, batch, classes]`.

    Returns:
        float tensor `[batch, classes]`.
    """
    losses = ops.stack([cross_entropy(labels, z) for z in ops.unstack(logits)])
    best = ops.one_hot(ops.argmin(losses, axis=0), logits.shape[0], axis=0, dtype=logits.dtype)
    return ops.sum(ops.expand_dims(best, -1) * logits, axis=0)


def min_logit(labels, logits):
    """The least margin of every class below the true one, over the networks.

    Args:
        labels: integer tensor `[batch]`, or distributions `[batch, classes]`.
        logits: float tensor `[peers, batch, classes]`.

    Returns:
        float tensor `[batch, classes]`, 0 at the true class.
    """
    hit = distribution(labels, logits.shape[-1], dtype=logits.dtype)
    return ops.min(logits - ops.sum(hit * logits, axis=-1, keepdims=True), axis=0)


def linear_weights(labels, logits, steps=20):
    """Weights on the simplex that minimise the mean cross-entropy of the weighted logits, a convex problem.

    Frank-Wolfe with pairwise steps: weight goes from the network with the largest gradient to the one with the
    smallest. Along such a line the curvature h changes by at most exp(r t), r the largest range of the difference of
    their logits, so that the step log(1 + r g / h) / r for the slope g never overshoots and becomes Newton's. 20 steps
    come within 1e-4 nats of the minimum, for 2 to 5 networks.

    Args:
        labels: integer tensor `[batch]`, or distributions `[batch, classes]`.
        logits: float32 tensor `[peers, batch, classes]`.
        steps: int.

    Returns:
        float32 tensor `[peers]`, non-negative, of sum 1.

    Reference:
        Lacoste-Julien, Jaggi, "On the Global Linear Convergence of Frank-Wolfe Optimization Variants", 2015; Bach,
        "Self-concordant analysis for logistic regression", 2010, for the step.
    """
    count, hit = logits.shape[0], distribution(labels, logits.shape[-1])

    def step(_, weights):
        p = ops.softmax(ops.einsum("i,ibk->bk", weights, logits))
        gradient = ops.einsum("ibk,bk->i", logits, p - hit) / ops.cast(ops.shape(p)[0], "float32")
        receiver = ops.one_hot(ops.argmin(gradient), count)
        giver = ops.one_hot(ops.argmax(ops.where(weights > 0, gradient, -np.inf)), count)
        line = ops.einsum("i,ibk->bk", receiver - giver, logits)
        slope = ops.sum(gradient * (giver - receiver))
        curvature = ops.mean(ops.sum(p * ops.square(line - ops.sum(p * line, axis=-1, keepdims=True)), axis=-1))
        span = ops.max(ops.max(line, axis=-1) - ops.min(line, axis=-1)) + 1e-12
        length = ops.log1p(span * slope / ops.maximum(curvature, 1e-12)) / span
        return weights + ops.clip(length, 0.0, ops.sum(giver * weights)) * (receiver - giver)

    return ops.fori_loop(0, steps, step, ops.full((count,), 1.0 / count))


def general_weights(covariance, ridge=1e-4):
    """Weights of sum 1 that minimise w' C w, the squared error of the weighted ensemble.

    Args:
        covariance: array `[peers, peers]`, C.
        ridge: float; this share of the mean variance is added to the diagonal, a DESIGN CHOICE: networks that agree
            everywhere make C singular.

    Returns:
        float array `[peers]`; entries may be negative.
    """
    covariance = np.asarray(covariance, "float64")
    covariance = covariance + (ridge * np.trace(covariance) / len(covariance) + 1e-12) * np.eye(len(covariance))
    weights = np.linalg.solve(covariance, np.ones(len(covariance)))
    return weights / weights.sum()
