"""Base of methods in which a frozen teacher teaches one student."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import ops

from odtf.methods.base import Method
from odtf.methods.shared.given_answers import GivenAnswers
from odtf.methods.shared.peers import check_answers, independent_peers, peer_seed, several, taps_of
from odtf.models.graphless import answers_to_noise
from odtf.tasks import Classification

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from odtf.losses.tensors import Targets, Tensor
    from odtf.methods.shared.signatures import Outputs, Spans, Taps, Terms
    from odtf.models.annotations import Network, Networks


TEACHER, STUDENT = 0, 1


class TaughtByFrozen(Method):
    """One student "peer_0" and a teacher that was trained before: in another run, or in the first epochs of this one.

    A teacher of this run learns from the targets alone for `teacher_epochs`, while the student waits; then it is frozen
    and the student begins. With `config.schedule.restarts` at that epoch, each has a whole learning-rate schedule. The
    teacher is that of its last epoch, where a teacher of another run is the one that validation chose.

    Subclasses define `student_terms`.

    Args:
        networks: callable `network(seed=int, name=str)` that returns the student with its named taps.
        teacher: a `keras.Model` with the student's input that returns an answer of the student's shape or a dict of
            taps; or None. It may be functional, a Sequential or a class of its own. Where it answers with
            probabilities, their logarithm is taken: logits. It is frozen here: no variable of it is trained, its batch
            normalisation uses the moving statistics. Or, where the method takes that, `GivenAnswers`: batches then have
            a dict of "images" and "answers" in place of the images, no forward pass of a teacher is made, and held-out
            examples have none.
        teacher_network: callable as `networks`, for a teacher that is trained here; or None.
        teacher_epochs: int, for how many epochs.
        **common: `task`, `seed`, `synchronized`, `name`; see `Method`.

    Raises:
        ValueError: if there is not exactly one teacher, the epochs do not fit, or its answer has another shape than the
            student's.
    """

    def __init__(
        self,
        networks: Networks,
        teacher: keras.Model | GivenAnswers | None = None,
        *,
        teacher_network: Network | None = None,
        teacher_epochs: int = 0,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        if (teacher is None) == (teacher_network is None):
            received = "neither" if teacher is None else "both"
            raise ValueError(f"Either a trained teacher or a teacher_network would be right. Received: {received}.")
        if (teacher_epochs > 0) != (teacher_network is not None):
            raise ValueError(
                "teacher_epochs must be positive where the teacher is trained here, and 0 elsewhere. "
                f"Received: teacher_epochs={teacher_epochs}."
            )
        self.peers = independent_peers(several(networks, least=1, most=1), self.seed)
        if isinstance(teacher, GivenAnswers):
            self._expect_answers(teacher)
            teacher = None
        elif teacher_network is not None:
            teacher = teacher_network(seed=peer_seed(self.seed, 1), name="teacher")
        else:
            assert teacher is not None
            teacher.trainable = False
            teacher = with_answer(teacher, self.peers["peer_0"].input, self.task)
        self.teacher = teacher
        if teacher is not None:
            check_answers({"teacher": teacher, **self.peers}, self.task)
        self.teacher_epochs = int(teacher_epochs)
        self.phase = self.phase_at(0)

    def _expect_answers(self, teacher):
        if not self.takes_stored:
            raise ValueError(
                f"{type(self).__name__} learns from more than a teacher's answers; a network as its teacher, or "
                "OfflineDistillation, would be right. Received: stored answers."
            )
        own = tuple(self.answer(self.peers["peer_0"].output).shape[1:])
        if tuple(teacher.answer_shape) != own:
            raise ValueError(
                "Networks that teach each other must answer in one shape. "
                f"Received: {own} of peer_0, {tuple(teacher.answer_shape)} of the stored teacher."
            )
        self.stored_shape = own
        self.autocast = False  # Every network casts its images itself; answers keep their precision.

    def student_terms(self, targets: Targets, student: Taps, teacher: Taps) -> Terms:
        """Returns the named terms of the student's loss, each a float32 tensor `[batch]`.

        Args:
            targets: targets of the batch.
            student: dict of the student's taps.
            teacher: dict of the teacher's taps, all constants.
        """
        raise NotImplementedError

    @classmethod
    def epochs_of(cls, options: Mapping[str, Any], networks: Mapping[str, Any], epochs: int) -> Spans:
        first = min(options.get("teacher_epochs", 0), epochs)
        teacher = {"teacher": (0, first)} if first else {}
        return {**teacher, **dict.fromkeys(networks, (first, epochs))}

    @property
    def frozen(self) -> dict[str, keras.Model]:
        # What a subclass of one's own makes of the teacher's answers may change.
        if self.teacher is None or self.teacher_epochs or not type(self).__module__.startswith("odtf."):
            return {}
        return {"teacher": self.teacher}

    def phase_at(self, epoch: int) -> int:
        return TEACHER if epoch < self.teacher_epochs else STUDENT

    def call(self, images: Tensor | Mapping[str, Tensor], training: bool = False) -> Outputs:
        if self.stored_shape is not None:
            return self._call_stored(images, training)
        learns = training and self.phase == TEACHER
        # The student's moving statistics, too, wait for the teacher.
        outputs = {} if learns else super().call(images, training)
        taught = self.teacher(self.view(images, 0), training=learns)
        return {**outputs, "teacher": taps_of(taught, self.task.output)}

    def _call_stored(self, images, training):
        if not isinstance(images, dict):
            return super().call(images, training)
        outputs = super().call(images["images"], training)
        return {**outputs, "teacher": {self.task.output: images["answers"]}}

    def loss_terms(self, targets: Targets, outputs: Outputs) -> Terms:
        if "teacher" not in outputs:
            raise ValueError(
                "A stored teacher answers beside the images: a dict of images and answers would be right. "
                "Received: images alone."
            )
        teacher = outputs["teacher"]
        if self.phase == TEACHER:
            return {"teacher/supervised": self.task.supervised(targets, self.answer(teacher))}
        constant = {name: ops.stop_gradient(tap) for name, tap in teacher.items()}
        return self.student_terms(targets, outputs["peer_0"], constant)


def with_answer(teacher, image, task):
    """Returns a teacher as a functional model, whose answer is one that the losses take.

    Args:
        teacher: `keras.Model` of any kind.
        image: KerasTensor, the student's input.
        task: `odtf.tasks.Task`.

    Returns:
        The teacher itself where it is so already.

    Raises:
        ValueError: if it gives several outputs without names, or none of the task's name.
    """
    try:
        outputs = teacher.output
    except (AttributeError, ValueError):  # A class of its own, or not built: one layer of a new model.
        image = keras.Input(image.shape[1:], name="image")
        outputs = teacher(image)
        teacher = keras.Model(image, taps_of(outputs, task.output), name=teacher.name)
    if isinstance(outputs, list | tuple) or task.output not in taps_of(outputs, task.output):
        given = ", ".join(outputs) if isinstance(outputs, dict) else f"{len(outputs)} outputs"
        raise ValueError(f"A teacher gives one output, or taps with {task.output!r} among them. Received: {given}.")
    shown = taps_of(answers_to_noise(teacher, image.shape[1:]), task.output)[task.output]
    if not task.is_finished(np.asarray(shown, "float32")):
        return teacher
    taps = taps_of(teacher.output, task.output)
    taps = {**taps, task.output: task.unfinished(taps[task.output])}
    unfinished = keras.Model(teacher.input, taps, name=teacher.name)
    unfinished.trainable = False
    return unfinished


def check_share(alpha):
    """Raises ValueError unless `alpha`, the share of the distillation term, lies in [0, 1]; returns it as a float."""
    if not 0.0 <= alpha <= 1.0:
        raise ValueError(f"The share of the distillation term must lie in [0, 1]. Received: alpha={alpha}.")
    return float(alpha)


def check_relations(task, tap, labels_weight):
    """Raises ValueError if a student learned the relations of a tap alone, and its answer is another.

    Args:
        task: `odtf.tasks.Task`, or None for classification.
        tap: name of the tap whose relations are learned.
        labels_weight: float, of the supervised term.
    """
    task = task or Classification()
    if tap != task.output and not labels_weight:
        raise ValueError(
            f"Without labels nothing trains the answer {task.output!r}: a labels_weight above 0, or the task "
            "'retrieval', whose answer is the embedding, would be right. "
            f"Received: labels_weight=0 with task={task.name!r} and the tap {tap!r}."
        )


def tap_of(network, name, whose):
    """Returns the tap of a network, a KerasTensor.

    Raises:
        ValueError: if there is none of that name, or it is no map `[batch, height, width, channels]`.
    """
    taps = network.output if isinstance(network.output, dict) else {}
    maps = {tap: x for tap, x in taps.items() if len(x.shape) == 4}
    if name not in maps:
        known = f"the maps {', '.join(maps)}" if maps else "no maps"
        raise ValueError(f"The {whose} has {known}. Received: {name!r}.")
    return maps[name]
