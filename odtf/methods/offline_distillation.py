"""Classical knowledge distillation from a teacher that was trained before.

Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015.
"""

from odtf.losses import check_temperature, cross_entropy, kl_divergence
from odtf.methods.shared.frozen_teacher import TaughtByFrozen, check_share


class OfflineDistillation(TaughtByFrozen):
    """One student and a frozen teacher.

    Loss: (1 - alpha) CE(z, y) + alpha T^2 KL(sg[p_teacher] || p), with alpha = 0.9 and T = 4 by default, the values
    of the released code of attention transfer and of RepDistiller.

    Args:
        network: callable `network(seed=int, name=str)` that returns the student with its named taps.
        teacher: a built `keras.Model` with the student's input and classes that returns logits or a dict with
            "logits". It is frozen here: no variable of it is trained, its batch normalisation uses the moving
            statistics. None: the teacher is trained here.
        teacher_network: callable as `network`, for a teacher that is trained here, see `TaughtByFrozen`.
        teacher_epochs: int, for how many epochs.
        temperature: positive float.
        alpha: float in [0, 1], the share of the distillation term.
        seed: int, seeds the initialisation.
        weight_decay: float, see `Method`.
        label_smoothing: float, see `Method`.

    Raises:
        ValueError: if the teacher's classes differ from the student's, alpha is outside [0, 1] or the temperature is
            not positive.
    """

    def __init__(
        self,
        network,
        teacher=None,
        *,
        teacher_network=None,
        teacher_epochs=0,
        temperature=4.0,
        alpha=0.9,
        seed=0,
        weight_decay=0.0,
        label_smoothing=0.0,
        name="offline_distillation",
    ):
        self.alpha = check_share(alpha)
        self.temperature = check_temperature(temperature)
        super().__init__(
            network,
            teacher,
            teacher_network=teacher_network,
            teacher_epochs=teacher_epochs,
            seed=seed,
            weight_decay=weight_decay,
            label_smoothing=label_smoothing,
            name=name,
        )

    def student_terms(self, labels, student, teacher):
        logits = student["logits"]
        return {
            "peer_0/cross_entropy": (1.0 - self.alpha) * cross_entropy(labels, logits, self.label_smoothing),
            "peer_0/distillation": self.alpha * kl_divergence(teacher["logits"], logits, self.temperature),
        }
