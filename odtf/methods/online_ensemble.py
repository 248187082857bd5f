"""Online ensemble model compression (OEM): students of several sizes on one base, taught by their mean.

Walawalkar, Shen, Savvides, "Online Ensemble Model Compression using Knowledge Distillation", ECCV 2020, arXiv
2011.07449; released code: Devwalkar/BOC-KD.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

from odtf.losses import check_temperature, squared_difference
from odtf.methods.shared.branches import Branched
from odtf.methods.shared.fusion import mean_network
from odtf.methods.shared.peers import peer_seed, stages_of
from odtf.methods.shared.players import Player
from odtf.methods.shared.rates import with_rate
from odtf.models.pairs import Pairs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from odtf.losses.tensors import Targets, Tensor
    from odtf.methods.shared.signatures import Outputs, Taps, Terms
    from odtf.models.annotations import Networks


class OnlineEnsemble(Branched):
    """S students that share an uncompressed base; the first, the pseudo teacher, is not compressed at all.

    Loss: alpha sum_i L(z_i, y)
        + beta sum over stages b and compressed students i of MSE(sg[F_b^1], A_b,i(F_b^i))
        + gamma sum_i T^2 KL(sg[p_E] || p_i), z_E = (1/S) sum_i z_i,

    with L the task's supervised term, alpha, beta, gamma = 0.7, 0.15, 0.15 and T = 2. F_b^i is what student i's stage b
    gives, A_b,i a 1x1 convolution with bias to the pseudo teacher's channels that exists in training only. The ensemble
    receives no supervised term. The students have no weights in common but the base's, which runs once in a step. Two
    students that are together no wider than the pseudo teacher are computed as one network (`odtf.models.pairs`).

    Where paper and code differ: T^2 and the batch mean of the divergence, and MSE as a mean over all elements, are the
    code's (the paper sums squares; 0.15 fits the mean); T and the weights are the paper's.

    Args:
        networks: callable `network(seed=int, name=str)` that returns a network with its named taps, or a sequence of
            such callables, one for each student, the uncompressed one first. They are equal up to the cut; the paper's
            have fractions 1, 4/5, 3/5, 2/5, 1/5 of the channels after it, rounded down; `odtf.models.narrow` gives any
            network so, and in a config `networks = (1.0, 0.6, 0.3)` does, with the `cut` named.
        num_peers: int, at least 2; a sequence has its own length.
        cut: name of the tap or layer at which the students part: the base is what comes before it.
        alpha: float, weight of the supervised terms.
        beta: float, weight of the intermediate terms.
        gamma: float, weight of the divergences.
        temperature: positive float.
        base_gradient: "all" lets every student's loss reach the base, which is the true gradient of the loss;
            "pseudo_teacher" stops those of the compressed students. The released code has such a switch, but it
            means one thing for ResNets and the opposite for DenseNets.
        adapter_rate: float, factor on the learning rate for the adapters. They are trained with the rest from the first
            step; the released code leaves them as they start for one epoch and then has 0.5.
        **common: `task`, `seed`, `name`; see `Method`. The base starts as that of the first student. The networks' own
            initialisers stay (the released ResNets have Glorot's normal).

    Raises:
        ValueError: if there are fewer than 2 students, they differ before the cut or in the size of a stage's map, or
            an argument is out of range.
    """

    tells_peers_apart = True

    def __init__(
        self,
        networks: Networks,
        *,
        num_peers: int = 5,
        cut: str | None = "stem_relu",
        alpha: float = 0.7,
        beta: float = 0.15,
        gamma: float = 0.15,
        temperature: float = 2.0,
        base_gradient: str = "all",
        adapter_rate: float = 1.0,
        **common: Any,
    ) -> None:
        if base_gradient not in ("all", "pseudo_teacher"):
            raise ValueError(f"base_gradient must be 'all' or 'pseudo_teacher'. Received: {base_gradient!r}.")
        if min(alpha, beta, gamma) < 0 or not adapter_rate > 0:
            raise ValueError(
                "The weights of the loss must not be negative, and the adapters' rate must be positive. Received: "
                f"alpha={alpha}, beta={beta}, gamma={gamma}, adapter_rate={adapter_rate}."
            )
        self.temperature = check_temperature(temperature)
        self.alpha, self.beta, self.gamma = float(alpha), float(beta), float(gamma)
        self.base_gradient = base_gradient
        self.adapter_rate = float(adapter_rate)
        super().__init__(networks, num_peers=num_peers, cut=cut, **common)
        teacher, *compressed = self.branches
        # Five students take a quarter less time than one by one.
        self.compressed = Pairs({name: self.branches[name] for name in compressed}, limit=self.branches[teacher])
        self.adapters = {
            student: adapters(self.branches[student], self.branches[teacher], peer_seed(self.seed, len(self.peers) + i))
            for i, student in enumerate(compressed)
        }

    def call_branches(self, branches: Mapping[str, keras.Model], cut: Tensor, training: bool) -> Outputs:
        teacher = next(iter(branches))
        taps = {teacher: branches[teacher](cut, training=training)}
        cut = ops.stop_gradient(cut) if self.base_gradient == "pseudo_teacher" else cut
        return taps | self.compressed(cut, training)

    def call_teacher(self, outputs: Outputs, training: bool) -> Taps:
        return {self.task.output: sum(self.answer(outputs[name]) for name in self.peers) / len(self.peers)}

    def ensemble_network(self) -> keras.Model:
        return mean_network(self.trunk, list(self.branches.values()), self.task.output)

    def loss_terms(self, targets: Targets, outputs: Outputs) -> Terms:
        target = ops.stop_gradient(self.answer(outputs["teacher"]))
        pseudo_teacher = outputs[next(iter(self.peers))]
        terms = {}
        for name in self.peers:
            taps, answer = outputs[name], self.answer(outputs[name])
            terms[f"{name}/supervised"] = self.alpha * self.task.supervised(targets, answer)
            terms[f"{name}/distillation"] = self.gamma * self.distil(targets, target, answer, self.temperature)
            if name in self.adapters:
                stages = self.adapters[name].output
                adapted = self.adapters[name]({stage: taps[stage] for stage in stages})
                distances = [squared_difference(ops.stop_gradient(pseudo_teacher[s]), adapted[s]) for s in stages]
                terms[f"{name}/intermediate"] = self.beta * sum(distances)
        return terms

    def players(self) -> list[Player]:
        if self.adapter_rate == 1.0:
            return []
        variables = [v for adapter in self.adapters.values() for v in adapter.trainable_variables]
        return [Player("adapters", variables, optimizer=with_rate(self.optimizer, self.adapter_rate))]


def adapters(student, teacher, seed):
    """Builds 1x1 convolutions with bias from a student's stages to the channels of the same stages of a teacher.

    Args:
        student: network with taps "stageN" `[batch, height, width, channels]`.
        teacher: network with the same taps, of the same heights and widths.
        seed: int.

    Returns:
        `keras.Model` from the student's taps "stageN", as a dict, to a dict of adapted ones.

    Raises:
        ValueError: if the stages differ in number, height or width.
    """
    stages = stages_of(teacher.output)
    shapes = [
        {name: tuple(network.output[name].shape[1:-1]) for name in stages_of(network.output)}
        for network in (student, teacher)
    ]
    if shapes[0] != shapes[1]:
        raise ValueError(f"Students must have the pseudo teacher's stages. Received: {shapes[0]} and {shapes[1]}.")
    inputs = {name: keras.Input(student.output[name].shape[1:], name=name) for name in stages}
    outputs = {
        name: keras.layers.Conv2D(
            teacher.output[name].shape[-1],
            1,
            kernel_initializer=keras.initializers.GlorotNormal(peer_seed(seed, index)),
            name=f"adapter_{name}",
        )(inputs[name])
        for index, name in enumerate(stages)
    }
    return keras.Model(inputs, outputs, name=f"{student.name}_adapters")
