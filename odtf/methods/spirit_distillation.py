"""Spirit Distillation: a compact front learns, without labels, to see as the front of a teacher of another domain.

Wu, Jiang, Zhao, Cui, Yang, Xue, Qi, "Spirit Distillation: Precise Real-time Semantic Segmentation of Road Scenes with
Insufficient Data", arXiv 2103.13733, 2021, and its enhanced form, arXiv 2104.14696, 2021. Their abstracts were read,
and no code was found: what they leave open is a DESIGN CHOICE here, an argument where possible, and not the paper's.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from keras import ops

from odtf.losses import squared_difference
from odtf.methods.shared.frozen_teacher import TEACHER, TaughtByFrozen
from odtf.models.graph import calls
from odtf.models.halves import CUT, halves

if TYPE_CHECKING:
    from typing import Any

    import keras

    from odtf.losses.tensors import Targets, Tensor
    from odtf.methods.shared.signatures import Outputs, Terms
    from odtf.models.annotations import Network, Networks

IMITATION, STATISTICS, PARTLY_FROZEN, ALL = 1, 2, 3, 4


class SpiritDistillation(TaughtByFrozen):
    """A teacher R_T o F_T of a source domain, and a student R_S o F_S whose front F_S is compact.

    Imitation, of images alone: mean over height, width and channels of (F_S(x) - sg[F_T(x)])^2. Then R_S takes the
    weights of R_T, and the student is fine-tuned on the labels of the target domain: L(R_S(F_S(x)), y), L being the
    task's supervised term.

    From the abstracts: the teacher of a source domain, the compact front that learns the representation of the
    teacher's front, fine-tuning on few images of the target domain; in the enhanced form (ESD), images of a proximity
    domain in the imitation too, several domains shuffled and a few images drawn as the mini-batch. Which images these
    are is for the data to say: `config.data.domains`, with the epochs of the stages below. DESIGN CHOICES: the place of
    the cut, the networks, the mean of squares, the stages of the fine-tuning and the statistics before them.

    The stages, each of as many epochs as its argument says, the last one of what is left:

    0. The teacher learns from labels, if it is trained here (`teacher_epochs`).
    1. Imitation (`imitation_epochs`): the teacher's batch normalisation uses its moving statistics, the student's those
       of the batch. The rears take no part.
    2. Statistics (`statistics_epochs`): no weight changes; the moving statistics of the whole student become those of
       the images that are given, which should be the target domain's. Of the former, momentum ** steps are left.
    3. Fine-tuning with one half frozen (`frozen_epochs`): its weights stay, and it uses its moving statistics.
    4. Fine-tuning of all.

    The learning rate stays on the run's one schedule, which may begin anew, or fall, where a stage begins.

    Args:
        networks: callable `network(seed=int, name=str)` that returns the student with its named taps. Its rear has the
            layers and shapes of the teacher's, its front an output of the same shape: such as the teacher's
            specification with `cheap` convolutions in the front.
        teacher: a built network that was trained on the source domain; or None.
        teacher_network: callable as `networks`, for a teacher that is trained here, see `TaughtByFrozen`.
        teacher_epochs: int, for how many epochs.
        cut: where the fronts end: name of a tap or a layer of both networks; or a number in (0, 1), the share of the
            teacher's multiply-accumulates that its front has; see `odtf.models.halves`.
        imitation_epochs: int, not negative.
        statistics_epochs: int, not negative.
        frozen_epochs: int, not negative.
        frozen: "rear", so that the new front first fits to what the teacher's rear wants; or "front", so that the rear
            first fits to what the new front gives.
        new_answer: bool, whether the last layer with weights, which answers, starts afresh; False: as the teacher's.
        imitation_weight: positive float, for maps of very large or very small values.
        **common: `task`, `seed`, `synchronized`, `name`; see `Method`.

    Raises:
        ValueError: if a network cannot be cut there, the fronts' outputs differ in shape, the rears are not alike, or
            an argument is out of range.
    """

    label = "spirit"
    distils = False

    def __init__(
        self,
        networks: Networks,
        teacher: Any = None,
        *,
        cut: str,
        imitation_epochs: int,
        teacher_network: Network | None = None,
        teacher_epochs: int = 0,
        statistics_epochs: int = 1,
        frozen_epochs: int = 0,
        frozen: str = "rear",
        new_answer: bool = False,
        imitation_weight: float = 1.0,
        **common: Any,
    ) -> None:
        lengths = {"imitation": imitation_epochs, "statistics": statistics_epochs, "frozen": frozen_epochs}
        for stage, length in lengths.items():
            if not isinstance(length, int) or length < 0:
                raise ValueError(f"{stage}_epochs must be an integer of at least 0. Received: {length!r}.")
        if frozen not in ("front", "rear"):
            raise ValueError(f"frozen is 'front' or 'rear'. Received: frozen={frozen!r}.")
        if imitation_weight <= 0:
            raise ValueError(f"imitation_weight must be positive. Received: {imitation_weight}.")
        self.stage_ends = list(itertools.accumulate((teacher_epochs, *lengths.values())))
        self.frozen_half, self.new_answer, self.imitation_weight = frozen, bool(new_answer), float(imitation_weight)
        super().__init__(networks, teacher, teacher_network=teacher_network, teacher_epochs=teacher_epochs, **common)
        self.taught = halves(self.teacher, cut, self.task.output)
        self.student = halves(self.peers["peer_0"], self.taught.name, self.task.output)
        shapes = [tuple(each.front.output.shape[1:]) for each in (self.taught, self.student)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"The fronts of teacher and student must end in one shape at {self.taught.name}. "
                f"Received: {shapes[0]} and {shapes[1]}."
            )
        self.rears = matching(self.taught.rear, self.student.rear)

    # The stages -----------------------------------------------------------------------------------------------------

    def phase_at(self, epoch: int) -> int:
        return sum(epoch >= end for end in self.stage_ends)

    def enter_phase(self, phase: int) -> None:
        # The first behind the teacher's own.
        if phase == self.phase_at(self.teacher_epochs):
            self.take_rear()

    def take_rear(self) -> None:
        """Gives the student's rear the weights of the teacher's, moving statistics included."""
        own = set()
        if self.new_answer:
            weighted = [call.operation for call in calls(self.student.rear) if getattr(call.operation, "weights", ())]
            own = {id(v) for v in weighted[-1].weights}
        for theirs, ours in self.rears:
            if id(ours) not in own:
                ours.assign(theirs)

    def waiting(self) -> list[keras.Variable]:
        if self.phase == STATISTICS:
            return self.peers["peer_0"].trainable_variables
        if self.phase == PARTLY_FROZEN:
            return getattr(self.student, self.frozen_half).trainable_variables
        return []

    # The loss -------------------------------------------------------------------------------------------------------

    def call(self, images: Tensor, training: bool = False) -> Outputs:
        image = self.view(images, 0)
        if self.phase == IMITATION:
            return self._imitated(image, training)
        if self.phase == TEACHER or not training:
            return super().call(images, training)
        # Labels alone teach from here on.
        if self.phase == PARTLY_FROZEN:
            features = self.student.front(image, training=self.frozen_half != "front")
            return {"peer_0": self.student.rear(features, training=self.frozen_half != "rear")}
        return {"peer_0": self.peers["peer_0"](image, training=True)}

    def _imitated(self, image, training):
        networks = {"peer_0": (self.student, training), "teacher": (self.taught, False)}
        if not training:
            return {name: each.whole(image, training=False) for name, (each, _) in networks.items()}
        return {name: {CUT: each.front(image, training=learns)} for name, (each, learns) in networks.items()}

    def loss_terms(self, targets: Targets, outputs: Outputs) -> Terms:
        if self.phase == TEACHER:
            return super().loss_terms(targets, outputs)
        if self.phase == IMITATION:
            error = squared_difference(ops.stop_gradient(outputs["teacher"][CUT]), outputs["peer_0"][CUT])
            return {"peer_0/imitation": self.imitation_weight * error}
        return {"peer_0/supervised": self.task.supervised(targets, self.answer(outputs["peer_0"]))}


def matching(teacher, student):
    """Pairs the variables of two rears by their paths.

    Args:
        teacher, student: `keras.Model`; the student's may know ranges for quantisation too.

    Returns:
        list of pairs of `keras.Variable`, the teacher's first.

    Raises:
        ValueError: if the teacher has a variable, or the student one that is trained, that the other has not.
    """
    theirs, ours = ({v.path: v for v in network.variables} for network in (teacher, student))
    wanted = theirs.keys() | {v.path for v in student.trainable_variables}
    for path in sorted(wanted):
        shapes = [tuple(each[path].shape) if path in each else "none" for each in (theirs, ours)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                "Behind the cut the student must have the layers of the teacher, whose weights it takes. "
                f"Received: {path} of shape {shapes[0]} in the teacher and {shapes[1]} in the student."
            )
    return [(theirs[path], ours[path]) for path in theirs]
