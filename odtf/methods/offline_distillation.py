"""Classical knowledge distillation from a teacher that was trained before.

Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from odtf.losses import check_temperature
from odtf.methods.shared.frozen_teacher import TaughtByFrozen, check_share

if TYPE_CHECKING:
    from typing import Any

    from odtf.losses.tensors import Targets
    from odtf.methods.shared.signatures import Taps, Terms
    from odtf.models.annotations import Network, Networks


class OfflineDistillation(TaughtByFrozen):
    """One student and a frozen teacher.

    Loss: (1 - alpha) L(z, y) + alpha D(sg[z_teacher], z), where L is the task's supervised term and D its distillation:
    CE and T^2 KL(sg[p_teacher] || p) in classification. alpha = 0.9 and T = 4 are the values of the released code of
    attention transfer and of RepDistiller. The papers of other divergences weigh the terms otherwise: `labels_weight`,
    and the divergence's own weight, are for that (`configs/kd.py:divergence=dkd`).

    Args:
        networks: callable `network(seed=int, name=str)` that returns the student with its named taps.
        teacher: a `keras.Model` with the student's input that returns an answer of the student's shape or a dict of
            taps with it; or `GivenAnswers`; see `TaughtByFrozen`. None: the teacher is trained here.
        teacher_network: callable as `networks`, for a teacher that is trained here, see `TaughtByFrozen`.
        teacher_epochs: int, for how many epochs.
        temperature: positive float.
        alpha: float in [0, 1], the share of the distillation term.
        labels_weight: float, not negative: the weight of the supervised term; None: 1 - alpha.
        **common: `task`, `seed`, `name`; see `Method`.

    Raises:
        ValueError: if the teacher's answer has another shape than the student's, alpha is outside [0, 1] or the
            temperature is not positive.
    """

    takes_stored = True

    def __init__(
        self,
        networks: Networks,
        teacher: Any = None,
        *,
        teacher_network: Network | None = None,
        teacher_epochs: int = 0,
        temperature: float = 4.0,
        alpha: float = 0.9,
        labels_weight: float | None = None,
        **common: Any,
    ) -> None:
        if labels_weight is not None and labels_weight < 0:
            raise ValueError(f"The weight of the labels must not be negative. Received: labels_weight={labels_weight}.")
        self.alpha = check_share(alpha)
        self.labels_weight = 1.0 - self.alpha if labels_weight is None else float(labels_weight)
        self.temperature = check_temperature(temperature)
        super().__init__(networks, teacher, teacher_network=teacher_network, teacher_epochs=teacher_epochs, **common)

    def student_terms(self, targets: Targets, student: Taps, teacher: Taps) -> Terms:
        answer = self.answer(student)
        return {
            "peer_0/supervised": self.labels_weight * self.task.supervised(targets, answer),
            "peer_0/distillation": self.alpha * self.distil(targets, self.answer(teacher), answer, self.temperature),
        }
