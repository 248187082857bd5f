"""Classical knowledge distillation from a teacher that was trained before.

Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015.
"""

from keras import ops

from odtf.losses import check_temperature, cross_entropy, kl_divergence
from odtf.methods.base import Method, peer_seed


class OfflineDistillation(Method):
    """One student and a frozen teacher.

    Loss: (1 - alpha) CE(z, y) + alpha T^2 KL(sg[p_teacher] || p), with alpha = 0.9 and T = 4 by default, the values
    of the released code of attention transfer and of RepDistiller.

    Args:
        network: callable `network(seed=int, name=str)` that returns the student with its named taps.
        teacher: a built `keras.Model` with the student's input and classes that returns logits or a dict with
            "logits". It is frozen here: no variable of it is trained, its batch normalisation uses the moving
            statistics.
        temperature: positive float.
        alpha: float in [0, 1], the share of the distillation term.
        seed: int, seeds the student's initialisation.
        weight_decay: float, see `Method`.
        label_smoothing: float, see `Method`.

    Raises:
        ValueError: if the teacher's classes differ from the student's, alpha is outside [0, 1] or the temperature is
            not positive.
    """

    def __init__(
        self,
        network,
        teacher,
        *,
        temperature=4.0,
        alpha=0.9,
        seed=0,
        weight_decay=0.0,
        label_smoothing=0.0,
        name="offline_distillation",
    ):
        if not 0.0 <= alpha <= 1.0:
            raise ValueError(f"The share of the distillation term must lie in [0, 1]. Received: alpha={alpha}.")
        student = network(seed=peer_seed(seed, 0), name="peer_0")
        given, wanted = self._logits(teacher.output).shape[-1], self._logits(student.output).shape[-1]
        if given != wanted:
            raise ValueError(f"Teacher and student must share their classes. Received: {given} and {wanted} classes.")
        self.temperature = check_temperature(temperature)
        self.alpha = float(alpha)
        teacher.trainable = False
        super().__init__({"peer_0": student}, weight_decay=weight_decay, label_smoothing=label_smoothing, name=name)
        self.teacher = teacher

    @staticmethod
    def _logits(outputs):
        return outputs["logits"] if isinstance(outputs, dict) else outputs

    def call(self, images, training=False):
        outputs = super().call(images, training)
        return {**outputs, "teacher": {"logits": self._logits(self.teacher(self.view(images, 0), training=False))}}

    def loss_terms(self, labels, outputs):
        student = outputs["peer_0"]["logits"]
        teacher = ops.stop_gradient(outputs["teacher"]["logits"])
        return {
            "peer_0/cross_entropy": (1.0 - self.alpha) * cross_entropy(labels, student, self.label_smoothing),
            "peer_0/distillation": self.alpha * kl_divergence(teacher, student, self.temperature),
        }
