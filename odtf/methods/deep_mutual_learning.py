"""Deep mutual learning: peers teach each other, without a teacher.

Zhang, Xiang, Hospedales, Lu, "Deep Mutual Learning", CVPR 2018.
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


class DeepMutualLearning(Method):
    """m independent networks; each follows the targets and the mean divergence from every other.

    Loss of peer i: L(z_i, y) + 1/(m-1) sum over j != i of D(sg[z_j], z_i), where L is the task's supervised term and D
    its distillation: CE and T^2 KL(sg[p_j] || p_i) in classification, T = 1 in the paper.

    All peers are updated at once from the predictions of one forward pass; the paper's algorithm refreshes them in
    turn, and its authors count both as the method. The released code sums over j instead of taking the mean.

    Args:
        networks: callable `network(seed=int, name=str)` that returns a network with its named taps, or a sequence of
            such callables, one for each peer.
        num_peers: int, at least 2; a sequence has its own length.
        temperature: positive float.
        **common: `task`, `seed`, `name`; see `Method`.

    Raises:
        ValueError: if there are fewer than 2 peers, their answers differ in shape, or the temperature is not positive.
    """

    def __init__(self, networks: Networks, *, num_peers: int = 2, temperature: float = 1.0, **common: Any) -> None:
        super().__init__(**common)
        self.temperature = check_temperature(temperature)
        self.peers = independent_peers(several(networks, num_peers), self.seed)
        check_answers(self.peers, self.task)

    def loss_terms(self, targets: Targets, outputs: Outputs) -> Terms:
        terms = {}
        for name in self.peers:
            answer = self.answer(outputs[name])
            others = [ops.stop_gradient(self.answer(outputs[other])) for other in self.peers if other != name]
            divergences = [self.distil(targets, other, answer, self.temperature) for other in others]
            terms[f"{name}/supervised"] = self.task.supervised(targets, answer)
            terms[f"{name}/mutual"] = sum(divergences) / len(others)
        return terms
