"""Densely guided distillation: every larger network of a chain teaches every smaller one.

Son, Na, Choi, Hwang, "Densely Guided Knowledge Distillation using Multiple Teacher Assistants", ICCV 2021, arXiv
2009.08825; released code: wonchulSon/DGKD.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from keras import ops

from odtf.methods.shared.chain import TeacherChain, chain_of
from odtf.methods.shared.peers import peer_seed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from odtf.losses.tensors import Targets
    from odtf.methods.shared.signatures import Outputs, Terms
    from odtf.models.annotations import Network

# Which terms are dropped is drawn in advance and used in turn: a function of the step, the same on every replica.
_DRAWS = 4096


class DGKD(TeacherChain):
    """A chain teacher -> assistants -> student, each taught by all that come before it.

    Loss of a network with the teachers k = 1..n: (1 - lambda) L(z, y) + lambda sum_k T^2 KL(sg[p_k] || p), T = 5 and
    lambda = 1, so that the targets reach the teacher alone. Of the teacher: L(z, y), the task's supervised term.

    Stochastic: at every step `num_dropped` of the n terms, drawn uniformly, are left out; the teacher's may be among
    them. One is kept always (DESIGN CHOICE: the released code would leave a network with one teacher nothing).

    Args:
        networks: callable `network(seed=int, name=str)` that returns the student, "peer_0", with its named taps.
        teacher_network: the same for the teacher.
        assistant_networks: list of such callables, from the largest assistant down.
        num_dropped: int, how many terms each step leaves out; the released code has 1. 0: none, the plain form.
        labels_weight: "code": 1 - lambda; or "paper": n (1 - lambda), for the loss is a sum of n standard ones in the
            paper. That reading is UNVERIFIED.
        step_epochs: epochs of the teacher, each assistant and the student, see `TeacherChain`; the released code has
            160. Empty: all at once, which is not in the paper.
        temperature: positive float, T.
        share: float in [0, 1], lambda.
        kl_reduction: the `reduction` of the divergence "kl": "batchmean" (the default, the formula) or "elementmean"
            (the released code).
        **common: `task`, `seed`, `name`; see `Method`. The draws follow from the seed, too.

    Raises:
        ValueError: if the answers of the networks differ in shape, or an argument is out of range.
    """

    def __init__(
        self,
        networks: Network,
        *,
        teacher_network: Network,
        assistant_networks: Sequence[Network] = (),
        num_dropped: int = 0,
        labels_weight: float | str = "code",
        step_epochs: Sequence[int] = (160,),
        temperature: float = 5.0,
        share: float = 1.0,
        kl_reduction: str | None = None,
        **common: Any,
    ) -> None:
        if labels_weight not in ("code", "paper"):
            raise ValueError(f"labels_weight must be 'code' or 'paper'. Received: {labels_weight!r}.")
        if num_dropped < 0:
            raise ValueError(f"The number of dropped terms must not be negative. Received: num_dropped={num_dropped}.")
        self.num_dropped = int(num_dropped)
        self.labels_weight = labels_weight
        members = chain_of(teacher_network, assistant_networks, networks)
        names = list(members)
        super().__init__(
            members,
            [(name, tuple(names[:i])) for i, name in enumerate(names)],
            step_epochs=step_epochs,
            temperature=temperature,
            share=share,
            kl_reduction=kl_reduction,
            **common,
        )
        self.draws = {
            name: draw(len(teachers), self.num_dropped, peer_seed(self.seed, 1000 + index))
            for index, (name, teachers) in enumerate(self.steps)
            if teachers
        }

    def terms_of(self, name: str, teachers: Sequence[str], targets: Targets, outputs: Outputs) -> Terms:
        hard = self.supervised(name, targets, outputs)
        if not teachers:
            return {f"{name}/supervised": hard}
        weight = (1.0 - self.share) * (len(teachers) if self.labels_weight == "paper" else 1)
        terms = {f"{name}/supervised": weight * hard}
        kept = self._kept(name) if self.num_dropped else [1.0] * len(teachers)
        for index, teacher in enumerate(teachers):
            soft = self.taught(self.answer(outputs[teacher]), name, targets, outputs)
            terms[f"{name}/from_{teacher}"] = self.share * kept[index] * soft
        return terms

    def _kept(self, name):
        row = ops.cast(self.optimizer.iterations, "int32") % _DRAWS
        return ops.take(ops.convert_to_tensor(self.draws[name]), row, axis=0)


def draw(count, num_dropped, seed):
    """Draws which of the terms every step keeps.

    Args:
        count: int, number of terms.
        num_dropped: int, how many of them are left out; one is kept always.
        seed: int.

    Returns:
        float32 numpy array `[4096, count]` of 1 and 0.
    """
    order = np.argsort(np.random.default_rng(seed).random((_DRAWS, count)), axis=-1)
    return (order >= min(num_dropped, count - 1)).astype("float32")
