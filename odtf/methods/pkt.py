"""PKT: the student's examples lie to each other as the teacher's do.

Passalis, Tefas, "Learning Deep Representations with Probabilistic Knowledge Transfer", ECCV 2018; released code:
passalis/probabilistic_kt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from odtf.losses import conditional_divergence
from odtf.methods.shared.frozen_teacher import TaughtByFrozen, check_relations
from odtf.methods.shared.peers import taps_of

if TYPE_CHECKING:
    from typing import Any

    from odtf.losses.tensors import Targets
    from odtf.methods.shared.signatures import Taps, Terms
    from odtf.models.annotations import Network, Networks


class PKT(TaughtByFrozen):
    """One student and a frozen teacher, whose conditional probabilities of a batch's examples it learns.

    Loss: KL(P || Q) + `labels_weight` L(z, y). P are the teacher's probabilities that example i has j as its neighbour,
    p(j|i) = K(x_i, x_j) / sum over k other than i of K(x_i, x_k) with K = (1 + cos) / 2, and Q the student's; L is the
    task's supervised term. The vectors x are those of one tap of each network and need not be of one width. The
    divergence is a sum over j and a mean over the batch; the released code has the mean over j too, and p(i|i).

    Without labels, as in the paper, the layers behind the tap learn nothing: the answer must then be the tap itself, as
    in retrieval. It depends on the batch, which is each replica's share of it; the paper's has 128 examples.

    Args:
        networks: callable `network(seed=int, name=str)` that returns the student with its named taps.
        teacher: a built network with the student's input and the same tap, trained before; or None.
        teacher_network: callable as `networks`, for a teacher that is trained here, see `TaughtByFrozen`.
        teacher_epochs: int, for how many epochs.
        tap: name of the tap; a map is taken as a vector.
        labels_weight: float, not negative.
        **common: `task`, `seed`, `name`; see `Method`.

    Raises:
        ValueError: if a network has no such tap, nothing would train the answer, or the weight is negative.
    """

    label = "pkt"
    distils = False

    def __init__(
        self,
        networks: Networks,
        teacher: Any = None,
        *,
        teacher_network: Network | None = None,
        teacher_epochs: int = 0,
        tap: str = "embedding",
        labels_weight: float = 0.0,
        **common: Any,
    ) -> None:
        if labels_weight < 0:
            raise ValueError(f"The weight of the labels must not be negative. Received: labels_weight={labels_weight}.")
        check_relations(common.get("task"), tap, labels_weight)
        self.tap, self.labels_weight = tap, float(labels_weight)
        super().__init__(networks, teacher, teacher_network=teacher_network, teacher_epochs=teacher_epochs, **common)
        for whose, network in (("teacher", self.teacher), ("student", self.peers["peer_0"])):
            if tap not in taps_of(network.output, self.task.output):
                raise ValueError(f"The {whose} has the taps {', '.join(network.output)}. Received: tap={tap!r}.")

    def student_terms(self, targets: Targets, student: Taps, teacher: Taps) -> Terms:
        terms = {"peer_0/pkt": conditional_divergence(teacher[self.tap], student[self.tap])}
        if self.labels_weight:
            terms["peer_0/supervised"] = self.labels_weight * self.task.supervised(targets, self.answer(student))
        return terms
