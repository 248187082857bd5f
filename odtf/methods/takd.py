"""Teacher assistants: knowledge goes to a small student through networks of sizes in between.

Mirzadeh et al., "Improved Knowledge Distillation via Teacher Assistant", AAAI 2020, arXiv 1902.03393; released code:
imirzadeh/Teacher-Assistant-Knowledge-Distillation.
"""

from odtf.methods.shared.chain import TeacherChain


class TAKD(TeacherChain):
    """A chain teacher -> assistants -> student, each taught by the one before it alone.

    Loss of a network: (1 - lambda) CE(z, y) + lambda T^2 KL(sg[p_before] || p); of the teacher: CE(z, y).

    The paper tunes lambda (0.05 to 1) and T (1 to 20) for every case; our defaults are a DESIGN CHOICE. The released
    code averages the divergence over batch and classes, which makes its lambdas others than those of the batch mean.

    Args:
        network: callable `network(seed=int, name=str)` that returns the student, "peer_0", with its named taps.
        teacher_network: the same for the teacher.
        assistant_networks: list of such callables, from the largest assistant down; empty: plain distillation.
        step_epochs: epochs of the teacher, each assistant and the student, see `TeacherChain`; the paper has 160.
            Empty: all at once, which is not in the paper.
        temperature: positive float, T.
        share: float in [0, 1], lambda.
        kl_reduction: "batchmean" (the formula) or "elementmean" (the released code).
        seed: int, see `TeacherChain`.
        weight_decay: float, see `Method`.
        label_smoothing: float, see `Method`.

    Raises:
        ValueError: if the classes of the networks differ, or an argument is out of range.
    """

    def __init__(
        self,
        network,
        *,
        teacher_network,
        assistant_networks=(),
        step_epochs=(160,),
        temperature=5.0,
        share=0.5,
        kl_reduction="batchmean",
        seed=0,
        weight_decay=0.0,
        label_smoothing=0.0,
        name="takd",
    ):
        networks = members(teacher_network, assistant_networks, network)
        names = list(networks)
        super().__init__(
            networks,
            [(name, tuple(names[max(0, i - 1) : i])) for i, name in enumerate(names)],
            step_epochs=step_epochs,
            temperature=temperature,
            share=share,
            kl_reduction=kl_reduction,
            seed=seed,
            weight_decay=weight_decay,
            label_smoothing=label_smoothing,
            name=name,
        )

    @classmethod
    def trained(cls, options):
        return list(members(None, options.get("assistant_networks", ()), None))

    def terms_of(self, name, teachers, labels, outputs):
        hard = self.cross_entropy(name, labels, outputs)
        if not teachers:
            return {f"{name}/cross_entropy": hard}
        soft = self.divergence(outputs[teachers[0]]["logits"], name, outputs)
        return {f"{name}/cross_entropy": (1.0 - self.share) * hard, f"{name}/distillation": self.share * soft}


def members(teacher, assistants, student):
    """Returns the networks of a chain by name: "teacher", "assistant_1" and so on, "peer_0"."""
    between = {f"assistant_{i}": assistant for i, assistant in enumerate(assistants, start=1)}
    return {"teacher": teacher, **between, "peer_0": student}
