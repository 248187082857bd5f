"""FitNets: a map within the teacher is a hint for a map within the student.

Romero, Ballas, Kahou, Chassang, Gatta, Bengio, "FitNets: Hints for Thin Deep Nets", ICLR 2015; the form in one stage is
that of RepDistiller's released code (HobbitLong/RepDistiller, distiller_zoo/FitNet.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import layers, ops

from odtf.layers import BatchNormalization, Conv2D
from odtf.layers.initializers import kaiming_normal
from odtf.losses import check_temperature
from odtf.methods.shared.frozen_teacher import STUDENT, TEACHER, TaughtByFrozen, tap_of
from odtf.methods.shared.peers import peer_seed

if TYPE_CHECKING:
    from typing import Any

    from odtf.losses.tensors import Targets, Tensor
    from odtf.methods.shared.signatures import Outputs, Taps, Terms
    from odtf.models.annotations import Network, Networks

HINT = 2


class FitNets(TaughtByFrozen):
    """One student and a frozen teacher; a convolution regresses the teacher's map H_t from the student's G_s.

    In one stage (the default): L(z, y) + hint_weight mean (sg[H_t] - r(G_s))^2 + alpha T^2 KL(sg[p_teacher] || p),
    with hint_weight = 100 and alpha = 0; L is the task's supervised term.

    In two stages, as in the paper (`hint_epochs` > 0): first 0.5 ||sg[H_t] - r(G_s)||^2 alone, which trains the
    regressor and the student up to the hint; then L(z, y) + alpha(e) T^2 KL, where alpha falls linearly from
    `alpha_start` to `alpha` in `anneal_epochs`. The paper's values, from 4 to 1 at T = 3, are UNVERIFIED. The learning
    rate stays on the run's one schedule.

    Deviation: the regressor's weights start as all convolutions here do (Kaiming normal), its bias at 0.

    Args:
        networks: callable `network(seed=int, name=str)` that returns the student with its named taps.
        teacher: a built `keras.Model` with the student's input and answer and the tap `hint`; frozen here. None: the
            teacher is trained here.
        teacher_network: callable as `networks`, for a teacher that is trained here, see `TaughtByFrozen`.
        teacher_epochs: int, for how many epochs.
        hint: name of the tap of teacher and student; "stage2" is RepDistiller's choice for networks of three stages.
        hint_weight: float, not negative, in one stage.
        hint_epochs: int, for how many epochs the hint is the whole loss; 0 for one stage.
        alpha: float, not negative: the weight of the distillation of the answers.
        alpha_start: None, or the weight from which it falls, or rises, to `alpha`.
        anneal_epochs: int, in how many epochs.
        temperature: positive float, of that distillation.
        **common: `task`, `seed`, `synchronized`, `name`; see `Method`.

    Raises:
        ValueError: if the answers of teacher and student differ in shape, one of them lacks the hint, the maps cannot
            be regressed, or a coefficient is out of range.
    """

    def __init__(
        self,
        networks: Networks,
        teacher: Any = None,
        *,
        teacher_network: Network | None = None,
        teacher_epochs: int = 0,
        hint: str = "stage2",
        hint_weight: float = 100.0,
        hint_epochs: int = 0,
        alpha: float = 0.0,
        alpha_start: float | None = None,
        anneal_epochs: int = 0,
        temperature: float = 4.0,
        **common: Any,
    ) -> None:
        weights = {"hint_weight": hint_weight, "hint_epochs": hint_epochs, "alpha": alpha, "alpha_start": alpha_start}
        for key, value in weights.items():
            if value is not None and value < 0:
                raise ValueError(f"{key} must not be negative. Received: {value}.")
        if (alpha_start is None) != (anneal_epochs < 1):
            raise ValueError(
                "alpha_start and a positive anneal_epochs belong together. "
                f"Received: alpha_start={alpha_start}, anneal_epochs={anneal_epochs}."
            )
        self.hint = hint
        self.hint_weight = float(hint_weight)
        self.hint_epochs = int(hint_epochs)
        self.alpha = float(alpha)
        self.alpha_start = alpha_start
        self.anneal_epochs = int(anneal_epochs)
        self.temperature = check_temperature(temperature)
        super().__init__(networks, teacher, teacher_network=teacher_network, teacher_epochs=teacher_epochs, **common)
        maps = tap_of(self.peers["peer_0"], hint, "student"), tap_of(self.teacher, hint, "teacher")
        self.regressor = make_regressor(*maps, self.synchronized, seed=peer_seed(self.seed, 2))

    def phase_at(self, epoch: int) -> int:
        if epoch < self.teacher_epochs:
            return TEACHER
        return HINT if epoch < self.teacher_epochs + self.hint_epochs else STUDENT

    def call(self, images: Tensor, training: bool = False) -> Outputs:
        outputs = super().call(images, training)
        return self.complete(outputs, training) if training else outputs

    def complete(self, outputs: Outputs, training: bool) -> Outputs:
        if self.phase == TEACHER or (self.phase != HINT and self.hint_epochs):
            return outputs
        student = outputs["peer_0"]
        return {**outputs, "peer_0": {**student, "regressed": self.regressor(student[self.hint], training=training)}}

    def student_terms(self, targets: Targets, student: Taps, teacher: Taps) -> Terms:
        if self.phase == HINT:
            return {"peer_0/hint": 0.5 * ops.sum(squared_error(teacher[self.hint], student["regressed"]), (1, 2, 3))}
        terms = {"peer_0/supervised": self.task.supervised(targets, self.answer(student))}
        if not self.hint_epochs:
            error = ops.mean(squared_error(teacher[self.hint], student["regressed"]), (1, 2, 3))
            terms["peer_0/hint"] = self.hint_weight * error
        if self.alpha or self.alpha_start:
            divergence = self.distil(targets, self.answer(teacher), self.answer(student), self.temperature)
            terms["peer_0/distillation"] = self.distillation_weight * divergence
        return terms

    @property
    def distillation_weight(self) -> float | Tensor:
        """The weight alpha(e) of the running epoch."""
        if self.alpha_start is None:
            return self.alpha
        past = (self.epoch - (self.teacher_epochs + self.hint_epochs)) / self.anneal_epochs
        return self.alpha_start + (self.alpha - self.alpha_start) * ops.clip(past, 0.0, 1.0)


def squared_error(first, second):
    """Returns the squared difference of two maps, float32."""
    return ops.square(ops.cast(first, "float32") - ops.cast(second, "float32"))


def make_regressor(student, teacher, synchronized, seed):
    """Builds the convolution from the student's map to the teacher's, then BN and ReLU, as RepDistiller has it.

    Equal sizes take a 1x1 convolution, a student of twice the size a 3x3 one with stride 2, one of half the size a
    transposed 4x4 one, any other larger student a convolution without padding; all have a bias.

    Args:
        student, teacher: KerasTensors `[batch, height, width, channels]`.
        synchronized: bool, whether batch normalisation spans all replicas.
        seed: int, seeds the convolution.

    Returns:
        `keras.Model` from the student's map to one of the teacher's shape.

    Raises:
        ValueError: if the student's map is smaller than the teacher's and not half of it.
    """
    (height, width), (wanted_height, wanted_width) = student.shape[1:3], teacher.shape[1:3]
    options = {"kernel_initializer": kaiming_normal(seed), "use_bias": True, "name": "regressor"}
    filters = teacher.shape[-1]
    if (height, width) == (2 * wanted_height, 2 * wanted_width):
        convolution = Conv2D(filters, 3, 2, **options)
    elif (2 * height, 2 * width) == (wanted_height, wanted_width):
        # "same" takes one row and column from every side of the full output, as a padding of 1 does.
        convolution = layers.Conv2DTranspose(filters, 4, 2, padding="same", **options)
    elif height >= wanted_height and width >= wanted_width:
        kernel_size = (1 + height - wanted_height, 1 + width - wanted_width)
        convolution = Conv2D(filters, kernel_size, padding="valid", **options)
    else:
        raise ValueError(
            "The student's map must be of the teacher's size, half of it, or larger. "
            f"Received: {(height, width)} and {(wanted_height, wanted_width)}."
        )
    inputs = keras.Input(student.shape[1:], dtype=student.dtype)
    norm = BatchNormalization(momentum=0.9, epsilon=1e-5, synchronized=synchronized, name="norm")
    return keras.Model(inputs, layers.ReLU(name="relu")(norm(convolution(inputs))), name="regressor")
