"""InDistill: a student learns the pruned intermediate layers of its teacher one after another, then what it knows.

Sarridis, Koutlis, Kordopatis-Zilos, Kompatsiaris, Papadopoulos, "InDistill: Information flow-preserving knowledge
distillation for model compression", WACV 2025, arXiv 2205.10003; released code: gsarridis/InDistill.
"""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import ops

from odtf.layers import Shift2D
from odtf.losses import (
    attention_transfer,
    check_temperature,
    probabilistic_knowledge_transfer,
    squared_difference,
)
from odtf.methods.attention_transfer import pooled
from odtf.methods.fit_nets import make_regressor, squared_error
from odtf.methods.shared.frozen_teacher import TEACHER, TaughtByFrozen, check_relations, check_share, tap_of
from odtf.methods.shared.peers import embedding_of, peer_seed, stages_of, taps_of
from odtf.metrics import MeanAveragePrecision, PrecisionAtK
from odtf.metrics.ranking import DISTANCES
from odtf.models.graph import call_of
from odtf.quantization import Quantized, QuantizedConvolution, Range

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from odtf.losses.tensors import Targets, Tensor
    from odtf.methods.shared.signatures import Outputs, Taps, Terms
    from odtf.models.annotations import Network, Networks


class InDistill(TaughtByFrozen):
    """A frozen teacher, its intermediate layers pruned to the student's widths, and a curriculum over them.

    For `layer_epochs[l]` epochs the loss is the mean squared difference of the student's map `layers[l]` and the
    teacher's, of which the channels with the smallest L1 norms are left out; no adapter is needed. Then, to the end:
    the main loss. One term at a time; layers that have been learned go on changing.

    Main loss "kd": (1 - alpha) L(z, y) + alpha D(sg[z_teacher], z), L the task's supervised term and D its
    distillation. "pkt": probabilistic knowledge transfer between the embeddings, and `labels_weight` L(z, y); 0, as
    released, is for retrieval, where the embedding is the answer: another answer would learn nothing. "fitnets" and
    "at": L(z, y) and the hint of `FitNets` in one stage, or the attention of `AttentionTransfer` at every stage. "pkt"
    is the paper's first version and the released code; its last one has the curriculum as a warm-up to any
    distillation. The epochs a layer has in that version are UNVERIFIED: those of the code are the default.

    The teacher's maps are those of inference, with the moving statistics of the channels that are kept: pruning is a
    choice among its channels. (The released code normalises the pruned layers by the statistics of the batch, with the
    offsets at 0.) Where several convolutions write to a channel, as in a residual stage, their norms are added, a
    DESIGN CHOICE; the released networks have one. The optimizer is not reset (the released code does, every epoch).

    In classification, beside the task's metrics stand "map_cosine", "map_euclidean" and the precisions of the first
    100, of the embeddings of a split as queries and of the training split as the database; mAP is interpolated over the
    whole list, which the released evaluation is not: its numbers cannot be had again exactly.

    Args:
        networks: callable `network(seed=int, name=str)` that returns the student with its named taps.
        teacher: a built network with the same taps, trained before; or None.
        teacher_network: callable as `networks`, for a teacher that is trained here, see `TaughtByFrozen`.
        teacher_epochs: int, for how many epochs.
        layers: names of the maps that are learned, from the first to the last.
        layer_epochs: epochs of each; empty: the main loss from the start. The released code has 3, 4 and 5.
        main: "kd", "pkt", "fitnets" or "at".
        temperature: positive float, T.
        alpha: float in [0, 1].
        labels_weight: float, not negative, for "pkt".
        hint: name of the tap of teacher and student, for "fitnets".
        hint_weight: float, not negative, likewise.
        beta: float, not negative, the weight of the attention, for "at".
        retrieval_examples: int, of how many images the database, and the queries, consist at most, the first of each
            split; 0: no retrieval. It counts in classification alone: the task of retrieval has metrics of its own.
        **common: `task`, `seed`, `name`; see `Method`.

    Raises:
        ValueError: if the teacher lacks a map, or one is narrower than the student's or of another size; if it cannot
            be told which convolutions write to a map; if nothing would train the answer; if an argument is out of
            range.
    """

    label = "indistill"

    def __init__(
        self,
        networks: Networks,
        teacher: Any = None,
        *,
        teacher_network: Network | None = None,
        teacher_epochs: int = 0,
        layers: Sequence[str] = ("stage1", "stage2", "stage3"),
        layer_epochs: Sequence[int] = (3, 4, 5),
        main: str = "kd",
        temperature: float = 4.0,
        alpha: float = 0.9,
        labels_weight: float = 0.0,
        hint: str = "stage2",
        hint_weight: float = 100.0,
        beta: float = 1000.0,
        retrieval_examples: int = 10_000,
        **common: Any,
    ) -> None:
        if layer_epochs and (len(layer_epochs) != len(layers) or min(layer_epochs) < 0):
            raise ValueError(
                "Every layer has its epochs, or none has. "
                f"Received: layers={tuple(layers)}, layer_epochs={tuple(layer_epochs)}."
            )
        if main not in ("kd", "pkt", "fitnets", "at"):
            raise ValueError(f"main must be 'kd', 'pkt', 'fitnets' or 'at'. Received: {main!r}.")
        if min(labels_weight, hint_weight, beta) < 0:
            raise ValueError(
                "No weight may be negative. "
                f"Received: labels_weight={labels_weight}, hint_weight={hint_weight}, beta={beta}."
            )
        if main == "pkt":
            check_relations(common.get("task"), "embedding", labels_weight)
        self.curriculum = tuple(layers) if layer_epochs else ()
        self.layer_ends = list(itertools.accumulate(layer_epochs))
        self.main, self.labels_weight = main, float(labels_weight)
        self.hint, self.hint_weight, self.beta = hint, float(hint_weight), float(beta)
        self.temperature, self.alpha = check_temperature(temperature), check_share(alpha)
        super().__init__(networks, teacher, teacher_network=teacher_network, teacher_epochs=teacher_epochs, **common)
        self.retrieval_examples = int(retrieval_examples) if self.task.name == "classification" else 0
        if main == "pkt":
            for network in (self.peers["peer_0"], self.teacher):
                embedding_of(taps_of(network.output, self.task.output))
        if main == "fitnets":
            maps = tap_of(self.peers["peer_0"], hint, "student"), tap_of(self.teacher, hint, "teacher")
            self.regressor = make_regressor(*maps, self.synchronized, seed=peer_seed(self.seed, 2))
        if main == "at":
            self.levels = stages_of(self.peers["peer_0"].output)
            for level in self.levels:
                pooled(tap_of(self.teacher, level, "teacher"), tap_of(self.peers["peer_0"], level, "student"))
        # Which channels of the teacher are kept is a state of the run: where it resumes, it must not choose again.
        self.kept = {layer: self._kept_weight(layer) for layer in self.curriculum}
        if teacher is not None:
            self.choose_channels()

    def _kept_weight(self, layer):
        student = tap_of(self.peers["peer_0"], layer, "student")
        teacher = tap_of(self.teacher, layer, "teacher")
        if student.shape[1:3] != teacher.shape[1:3] or student.shape[-1] > teacher.shape[-1]:
            raise ValueError(
                "A map of the teacher must have the student's height and width and at least its channels. "
                f"Received: {layer}, {tuple(teacher.shape[1:])} and {tuple(student.shape[1:])}."
            )
        channel_norms(self.teacher, layer)  # It must be possible; the norms that count come with the trained teacher.
        count = student.shape[-1]
        return self.add_weight(
            shape=(count,),
            initializer=lambda *_, **__: np.arange(count, dtype="int32"),
            dtype="int32",
            trainable=False,
            name=f"kept_{layer}",
        )

    def choose_channels(self) -> None:
        """Chooses, for every layer of the curriculum, the channels of the teacher with the largest norms, in order."""
        for layer, kept in self.kept.items():
            norms = channel_norms(self.teacher, layer)
            # Stable: among equals the first is kept.
            kept.assign(np.sort(np.argsort(-norms, kind="stable")[: kept.shape[0]]))

    # The curriculum -------------------------------------------------------------------------------------------------

    def phase_at(self, epoch: int) -> int:
        """0: the teacher is trained; 1, 2, ...: a layer each; then the main loss."""
        if epoch < self.teacher_epochs:
            return TEACHER
        return 1 + sum(epoch - self.teacher_epochs >= end for end in self.layer_ends)

    def enter_phase(self, phase: int) -> None:
        if phase > TEACHER:
            self.choose_channels()

    @property
    def in_curriculum(self) -> bool:
        """Whether this phase of training is one of a layer's."""
        return TEACHER < self.phase <= len(self.curriculum)

    def call(self, images: Tensor, training: bool = False) -> Outputs:
        outputs = super().call(images, training)
        return self.complete(outputs, training) if training else outputs

    def complete(self, outputs: Outputs, training: bool) -> Outputs:
        if self.main != "fitnets" or self.phase == TEACHER or self.in_curriculum:
            return outputs
        student = outputs["peer_0"]
        return {**outputs, "peer_0": {**student, "regressed": self.regressor(student[self.hint], training=training)}}

    def student_terms(self, targets: Targets, student: Taps, teacher: Taps) -> Terms:
        if self.in_curriculum:
            layer = self.curriculum[self.phase - 1]
            pruned = ops.take(teacher[layer], ops.convert_to_tensor(self.kept[layer]), axis=-1)
            return {f"peer_0/{layer}": squared_difference(pruned, student[layer])}
        hard = self.task.supervised(targets, self.answer(student))
        if self.main == "kd":
            soft = self.distil(targets, self.answer(teacher), self.answer(student), self.temperature)
            return {"peer_0/supervised": (1.0 - self.alpha) * hard, "peer_0/distillation": self.alpha * soft}
        if self.main == "fitnets":
            error = ops.mean(squared_error(teacher[self.hint], student["regressed"]), (1, 2, 3))
            return {"peer_0/supervised": hard, "peer_0/hint": self.hint_weight * error}
        if self.main == "at":
            maps = {level: pooled(teacher[level], student[level]) for level in self.levels}
            looks = {f"peer_0/attention_{level}": self.beta * attention_transfer(*pair) for level, pair in maps.items()}
            return {"peer_0/supervised": hard, **looks}
        terms = {"peer_0/supervised": self.labels_weight * hard} if self.labels_weight else {}
        return {**terms, "peer_0/pkt": probabilistic_knowledge_transfer(teacher["embedding"], student["embedding"])}

    # Retrieval ------------------------------------------------------------------------------------------------------

    def extra_values(self, split: str, examples: Callable[[str], Any]) -> dict[str, float]:
        networks = {"peer_0": self.peers["peer_0"], "teacher": self.teacher}
        return self._retrieved({name: networks[name] for name in networks if name not in self.frozen}, split, examples)

    def frozen_values(self, split: str, examples: Callable[[str], Any]) -> dict[str, float]:
        return self._retrieved(self.frozen, split, examples)

    def _retrieved(self, networks, split, examples):
        def collected(network, name):
            found = self.collect(network, "embedding", examples(name), self.retrieval_examples)
            return dict(zip(("embedding", "label"), found, strict=True))

        values = {}
        for name, network in networks.items():
            if not self.retrieval_examples or "embedding" not in taps_of(network.output, self.task.output):
                continue
            queries, database = collected(network, split), collected(network, "train")
            for metric, figure in _RETRIEVAL.items():
                values[f"{name}/{metric}"] = figure.result(queries, database)
        return values


_RETRIEVAL = {
    f"{name}_{distance}": make(distance=distance)
    for distance in DISTANCES
    for name, make in (("map", MeanAveragePrecision), ("precision_100", functools.partial(PrecisionAtK, 100)))
}
_CHANNELWISE = (
    keras.layers.BatchNormalization,
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.Dropout,
    keras.layers.MaxPooling2D,
    keras.layers.AveragePooling2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.Add,
    Range,
    Shift2D,
)


def channel_norms(network, tap):
    """Sums, for every channel of a map, the L1 norms of the filters that write to it.

    Args:
        network: functional network with named taps.
        tap: name of a map `[batch, height, width, channels]`.

    Returns:
        numpy array `[channels]`.

    Raises:
        ValueError: if a layer between the map and its convolutions mixes or joins channels.
    """

    def norms(tensor):
        call = call_of(tensor)
        layer = _plain(call.operation)
        if isinstance(layer, keras.layers.Conv2D):
            return np.abs(ops.convert_to_numpy(layer.kernel)).sum((0, 1, 2))
        if not isinstance(layer, _CHANNELWISE):
            raise ValueError(f"It must be clear which filters write to a channel of {tap}. Received: {layer.name}.")
        return sum(norms(x) for x in call.input_tensors)

    return norms(network.output[tap])


def _plain(layer):
    """The layer inside one that trains quantised."""
    if isinstance(layer, QuantizedConvolution):
        return layer.convolution
    return layer.layer if isinstance(layer, Quantized) else layer
