"""Attention transfer: the student looks where the teacher looks.

Zagoruyko, Komodakis, "Paying More Attention to Attention", ICLR 2017; released code: szagoruyko/attention-transfer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras import ops

from odtf.losses import attention_transfer, check_temperature
from odtf.methods.shared.frozen_teacher import TaughtByFrozen, check_share, tap_of
from odtf.methods.shared.peers import stages_of, taps_of

if TYPE_CHECKING:
    from typing import Any

    from odtf.losses.tensors import Targets
    from odtf.methods.shared.signatures import Taps, Terms
    from odtf.models.annotations import Network, Networks


class AttentionTransfer(TaughtByFrozen):
    """One student and a frozen teacher whose attention maps it follows, level by level.

    Loss: (1 - alpha) L(z, y) + alpha T^2 KL(sg[p_teacher] || p) + beta sum over levels of mean (A - sg[A_teacher])^2,
    where L is the task's supervised term and A the mean over channels of the squared map, normalised to length 1 for
    each example; the mean is over the positions, which makes beta = 1000 sensible. alpha = 0 is attention transfer
    alone, 0.9 the published mix with distillation at T = 4.

    Where the maps of a level differ in size, the larger one is average-pooled before it is squared, as in RepDistiller;
    sizes that do not divide are refused.

    Args:
        networks: callable `network(seed=int, name=str)` that returns the student with its named taps.
        teacher: a built `keras.Model` with the student's input and answer and the same taps "stageN"; frozen here.
            None: the teacher is trained here.
        teacher_network: callable as `networks`, for a teacher that is trained here, see `TaughtByFrozen`.
        teacher_epochs: int, for how many epochs.
        beta: float, not negative.
        alpha: float in [0, 1], the share of the distillation of the answers.
        temperature: positive float, of that distillation.
        **common: `task`, `seed`, `name`; see `Method`.

    Raises:
        ValueError: if the answers or the taps of teacher and student differ, maps cannot be pooled to one size, or a
            coefficient is out of range.
    """

    def __init__(
        self,
        networks: Networks,
        teacher: Any = None,
        *,
        teacher_network: Network | None = None,
        teacher_epochs: int = 0,
        beta: float = 1000.0,
        alpha: float = 0.0,
        temperature: float = 4.0,
        **common: Any,
    ) -> None:
        if beta < 0:
            raise ValueError(f"The weight of attention transfer must not be negative. Received: beta={beta}.")
        self.beta = float(beta)
        self.alpha = check_share(alpha)
        self.temperature = check_temperature(temperature)
        super().__init__(networks, teacher, teacher_network=teacher_network, teacher_epochs=teacher_epochs, **common)
        student, teacher = self.peers["peer_0"], self.teacher
        self.levels = stages_of({**student.output, **taps_of(teacher.output, self.task.output)})
        for level in self.levels:
            pooled(tap_of(teacher, level, "teacher"), tap_of(student, level, "student"))

    def student_terms(self, targets: Targets, student: Taps, teacher: Taps) -> Terms:
        answer = self.answer(student)
        terms = {"peer_0/supervised": (1.0 - self.alpha) * self.task.supervised(targets, answer)}
        if self.alpha:
            soft = self.distil(targets, self.answer(teacher), answer, self.temperature)
            terms["peer_0/distillation"] = self.alpha * soft
        for level in self.levels:
            maps = pooled(teacher[level], student[level])
            terms[f"peer_0/attention_{level}"] = self.beta * attention_transfer(*maps)
        return terms


def pooled(first, second):
    """Average-pools the larger of two maps to the size of the other.

    Args:
        first, second: float tensors `[batch, height, width, channels]`.

    Returns:
        The two maps, of one height and width.

    Raises:
        ValueError: if one size does not divide the other.
    """
    sizes = [tuple(x.shape[1:3]) for x in (first, second)]
    small = min(sizes)
    factors = [(h // small[0], w // small[1]) for h, w in sizes]
    if any((h * small[0], w * small[1]) != size for (h, w), size in zip(factors, sizes, strict=True)):
        raise ValueError(f"Maps of one level must have sizes that divide. Received: {sizes[0]} and {sizes[1]}.")
    return tuple(
        x if factor == (1, 1) else ops.average_pool(x, factor, factor)
        for x, factor in zip((first, second), factors, strict=True)
    )
