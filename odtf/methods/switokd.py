"""SwitOKD: a large teacher and a small student learn together from scratch; the teacher waits when it is too far ahead.

Qian, Wang, Yin, Xie, Yang, "Switchable Online Knowledge Distillation", ECCV 2022, arXiv 2209.04996; released code:
hfutqian/SwitOKD.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras import ops

from odtf.losses import check_temperature, distribution
from odtf.methods.base import Method
from odtf.methods.shared.peers import check_answers, independent_peers, peer_seed, several
from odtf.methods.shared.players import Player, mean_over_replicas
from odtf.methods.shared.rates import with_rate

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from odtf.losses.tensors import Targets, Tensor
    from odtf.methods.shared.signatures import Outputs, Spans, Terms
    from odtf.models.annotations import Network, Networks


class SwitOKD(Method):
    """One teacher and one student "peer_0", both from scratch, on the same batch.

    Loss of the student: CE(z_s, y) + T^2 KL(sg[p_t] || p_s), in every step. Of the teacher: CE(z_t, y) +
    T^2 KL(sg[p_s] || p_t), in the steps of the learning mode alone.

    With means over the batch of l1 distances of probabilities, d_s = |p_s - y|, d_t = |p_t - y|, the gap
    G = |p_s - p_t| and the adaptive threshold delta = d_s - exp(-d_t / (d_s + d_t)) d_t, a step is in expert mode where
    G > delta and d_t < d_s: the teacher waits for the student. All of these are constants, at the temperature 1.

    In expert mode the teacher's weights and its momentum stay as they are; its learning rate goes by the epochs all the
    same, and its moving statistics follow each batch, as in the released code. Over several replicas the mode is that
    of the global batch.

    Args:
        networks: callable `network(seed=int, name=str)` that returns the student with its named taps.
        teacher_network: the same for the teacher; a larger network. It is trained by an optimizer of its own, like that
            of `compile`.
        temperature: positive float, T; 1 in the paper.
        **common: `task`, `seed`, `divergence`, `name`; see `Method`. The student starts as if it were alone.

    Raises:
        ValueError: if the classes of the two networks differ, or the temperature is not positive.
    """

    only = ("classification",)

    def __init__(
        self, networks: Networks, *, teacher_network: Network, temperature: float = 1.0, **common: Any
    ) -> None:
        super().__init__(**common)
        self.temperature = check_temperature(temperature)
        self.peers = independent_peers(several(networks, least=1, most=1), self.seed)
        self.teacher = teacher_network(seed=peer_seed(self.seed, 1), name="teacher")
        check_answers({"teacher": self.teacher, **self.peers}, self.task)

    @classmethod
    def epochs_of(cls, options: Mapping[str, Any], networks: Mapping[str, Any], epochs: int) -> Spans:
        return super().epochs_of(options, {"teacher": None, **networks}, epochs)

    def call(self, images: Tensor, training: bool = False) -> Outputs:
        outputs = super().call(images, training)
        return {**outputs, "teacher": self.teacher(self.view(images, 0), training=training)}

    def loss_terms(self, targets: Targets, outputs: Outputs) -> Terms:
        logits = {name: outputs[name]["logits"] for name in ("peer_0", "teacher")}
        terms = {}
        for name, other in (("peer_0", "teacher"), ("teacher", "peer_0")):
            target = ops.stop_gradient(logits[other])
            terms[f"{name}/supervised"] = self.task.supervised(targets, logits[name])
            terms[f"{name}/distillation"] = self.distil(targets, target, logits[name], self.temperature)
        return terms

    def players(self) -> list[Player]:
        return [
            Player(
                "teacher",
                self.teacher.trainable_variables,
                optimizer=with_rate(self.optimizer, 1.0),
                terms=("teacher/",),
                when=self.teacher_learns,
                counts="all",
            )
        ]

    def teacher_learns(self, targets: Targets, outputs: Outputs, terms: Terms | None = None) -> Tensor:
        """Returns whether the step is in learning mode, a bool scalar tensor, the same on all replicas.

        Args:
            targets: targets of the batch.
            outputs: what `call` returned.
            terms: as `Player.when` has it.
        """
        logits = {name: ops.cast(outputs[name]["logits"], "float32") for name in ("peer_0", "teacher")}
        student, teacher = (ops.softmax(z) for z in logits.values())
        labels = distribution(targets, student.shape[-1])
        of_student, of_teacher, gap = mean_over_replicas(
            [_distance(student, labels), _distance(teacher, labels), _distance(student, teacher)]
        )
        threshold = of_student - ops.exp(-of_teacher / ops.maximum(of_student + of_teacher, 1e-12)) * of_teacher
        return ops.logical_not(ops.logical_and(gap > threshold, of_teacher < of_student))


def _distance(first, second):
    """The mean over the batch of the l1 distance of rows, a scalar."""
    return ops.mean(ops.sum(ops.abs(first - second), axis=-1))
