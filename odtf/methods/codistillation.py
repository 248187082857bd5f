"""Codistillation: every peer follows the average prediction of the others, once all have learnt a little alone.

Anil, Pereyra, Passos, Ormandi, Dahl, Hinton, "Large scale distributed neural network training through online
distillation", ICLR 2018, arXiv 1804.03235, algorithm 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras import ops

from odtf.losses import check_temperature
from odtf.methods.base import Method
from odtf.methods.shared.peers import check_answers, independent_peers, several

if TYPE_CHECKING:
    from typing import Any

    from odtf.losses.tensors import Targets
    from odtf.methods.shared.signatures import Outputs, Terms
    from odtf.models.annotations import Networks


class Codistillation(Method):
    """m independent networks; each follows the targets and, after a burn-in, the mean probabilities of the others.

    Loss of peer i: L(z_i, y) + [epoch >= burn-in] alpha T^2 KL(sg[1/(m-1) sum over j != i of p_j] || p_i).

    L is the task's supervised term. One divergence from a mean, where mutual learning takes the mean of divergences.
    The paper's term is a cross-entropy with the mean as target, whose gradient is the same at alpha = 1, T = 1. The
    paper spreads the peers over machines, gives them different batches and lets them see stale copies of one another;
    here they share a step, so that they see one batch and each other's present predictions.

    Args:
        networks: callable `network(seed=int, name=str)` that returns a network with its named taps, or a sequence of
            such callables, one for each peer.
        num_peers: int, at least 2; a sequence has its own length.
        burn_in_epochs: float, not negative: for so long there are the targets alone. The paper counts steps and tunes
            them; the default 1 is a DESIGN CHOICE.
        alpha: float, not negative: the weight of the divergence.
        temperature: positive float.
        **common: `task`, `seed`, `name`; see `Method`.

    Raises:
        ValueError: if there are fewer than 2 peers, their answers differ in shape, or a coefficient is out of range.
    """

    only = ("classification", "segmentation")

    def __init__(
        self,
        networks: Networks,
        *,
        num_peers: int = 2,
        burn_in_epochs: float = 1.0,
        alpha: float = 1.0,
        temperature: float = 1.0,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        if burn_in_epochs < 0 or alpha < 0:
            raise ValueError(
                "Neither the burn-in nor the weight of the divergence may be negative. "
                f"Received: burn_in_epochs={burn_in_epochs}, alpha={alpha}."
            )
        self.burn_in_epochs = float(burn_in_epochs)
        self.alpha = float(alpha)
        self.temperature = check_temperature(temperature)
        self.peers = independent_peers(several(networks, num_peers), self.seed)
        check_answers(self.peers, self.task)

    def loss_terms(self, targets: Targets, outputs: Outputs) -> Terms:
        probabilities = {name: ops.softmax(self.answer(outputs[name]) / self.temperature) for name in self.peers}
        everything = sum(probabilities.values())
        weight = self.alpha * ops.cast(self.epoch >= self.burn_in_epochs, "float32")
        terms = {}
        for name in self.peers:
            logits = self.answer(outputs[name])
            others = (everything - probabilities[name]) / (len(self.peers) - 1)
            # As logits, whose softmax they are; the floor keeps what rounding made zero or less out of the logarithm.
            target = self.temperature * ops.log(ops.maximum(ops.stop_gradient(others), 1e-8))
            terms[f"{name}/supervised"] = self.task.supervised(targets, logits)
            terms[f"{name}/distillation"] = weight * self.distil(targets, target, logits, self.temperature)
        return terms
