"""No distillation: the baseline that every other method is measured against."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odtf.methods.base import Method
from odtf.methods.shared.peers import independent_peers, several

if TYPE_CHECKING:
    from typing import Any

    from odtf.losses.tensors import Targets
    from odtf.methods.shared.signatures import Outputs, Terms
    from odtf.models.annotations import Networks


class Solo(Method):
    """One network, trained on the targets alone.

    Loss: L(z, y), the task's supervised term.

    Args:
        networks: callable `network(seed=int, name=str)` that returns the network with its named taps.
        **common: `task`, `seed`, `name`; see `Method`.
    """

    distils = False

    def __init__(self, networks: Networks, **common: Any) -> None:
        super().__init__(**common)
        self.peers = independent_peers(several(networks, least=1, most=1), self.seed)

    def loss_terms(self, targets: Targets, outputs: Outputs) -> Terms:
        return {"peer_0/supervised": self.task.supervised(targets, self.answer(outputs["peer_0"]))}
