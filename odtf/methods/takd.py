"""Teacher assistants: knowledge goes to a small student through networks of sizes in between.

Mirzadeh et al., "Improved Knowledge Distillation via Teacher Assistant", AAAI 2020, arXiv 1902.03393; released code:
imirzadeh/Teacher-Assistant-Knowledge-Distillation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from odtf.methods.shared.chain import TeacherChain, chain_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from odtf.losses.tensors import Targets
    from odtf.methods.shared.signatures import Outputs, Terms
    from odtf.models.annotations import Network


class TAKD(TeacherChain):
    """A chain teacher -> assistants -> student, each taught by the one before it alone.

    Loss of a network: (1 - lambda) L(z, y) + lambda T^2 KL(sg[p_before] || p); of the teacher: L(z, y), the
    task's supervised term.

    The paper tunes lambda (0.05 to 1) and T (1 to 20) for every case; our defaults are a DESIGN CHOICE. The released
    code averages the divergence over batch and classes, which makes its lambdas others than those of the batch mean.

    Args:
        networks: callable `network(seed=int, name=str)` that returns the student, "peer_0", with its named taps.
        teacher_network: the same for the teacher.
        assistant_networks: list of such callables, from the largest assistant down; empty: plain distillation.
        step_epochs: epochs of the teacher, each assistant and the student, see `TeacherChain`; the paper has 160.
            Empty: all at once, which is not in the paper.
        temperature: positive float, T.
        share: float in [0, 1], lambda.
        kl_reduction: the `reduction` of the divergence "kl": "batchmean" (the default, the formula) or "elementmean"
            (the released code).
        **common: `task`, `seed`, `name`; see `Method`.

    Raises:
        ValueError: if the answers of the networks differ in shape, or an argument is out of range.
    """

    def __init__(
        self,
        networks: Network,
        *,
        teacher_network: Network,
        assistant_networks: Sequence[Network] = (),
        step_epochs: Sequence[int] = (160,),
        temperature: float = 5.0,
        share: float = 0.5,
        kl_reduction: str | None = None,
        **common: Any,
    ) -> None:
        members = chain_of(teacher_network, assistant_networks, networks)
        names = list(members)
        super().__init__(
            members,
            [(name, tuple(names[max(0, i - 1) : i])) for i, name in enumerate(names)],
            step_epochs=step_epochs,
            temperature=temperature,
            share=share,
            kl_reduction=kl_reduction,
            **common,
        )

    def terms_of(self, name: str, teachers: Sequence[str], targets: Targets, outputs: Outputs) -> Terms:
        hard = self.supervised(name, targets, outputs)
        if not teachers:
            return {f"{name}/supervised": hard}
        soft = self.taught(self.answer(outputs[teachers[0]]), name, targets, outputs)
        return {f"{name}/supervised": (1.0 - self.share) * hard, f"{name}/distillation": self.share * soft}
