"""Pacemaker: students of horizontal 1xN convolutions learn from N x N teachers through a network in between.

Son, Kim, Song, Moon, Hwang, arXiv 2003.03944, 2020. Its authors released no code; of the paper the abstract was read,
so that most of what follows is a DESIGN CHOICE. The formulas are those of the same laboratory's DGKD.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from odtf.methods.shared.chain import TeacherChain
from odtf.methods.shared.peers import check_answers, peer_seed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from odtf.losses.tensors import Targets
    from odtf.methods.shared.signatures import Outputs, Terms
    from odtf.models.annotations import Network


class Pacemaker(TeacherChain):
    """An N x N teacher, a 1 x N student of the same depth, and a pacemaker between them.

    Loss of the teacher: L(z_T, y). Of the pacemaker: (1 - l) L(z_P, y) + l KD(T -> P). Of the student:
    (1 - l) L(z_S, y) + l G, KD(a -> b) = T^2 KL(sg[p_a] || p_b); L is the task's supervised term.

    From the abstract: 1xN students for line processing on a chip, N x N teachers, an intermediate or ensemble teacher,
    learning from both step by step. DESIGN CHOICES, each of them an argument: what the pacemaker is, G, l and T.

    Args:
        networks: callable `network(seed=int, name=str)` that returns the student, "peer_0", with its named taps.
        teacher_network: the same for the teacher.
        pacemaker_network: the same for the pacemaker: a network half-way between, such as one whose blocks have an
            N x N and then a 1 x N convolution. None: an ensemble of two branches, one like the teacher and one like
            the student, that share what comes before `cut` and average their answers.
        cut: name of the layer at which the two branches part.
        guidance: what G is: "mean": [KD(P -> S) + KD(T -> S)] / 2; "ensemble": one divergence from the mean of the
            answers of P and T; "sequence": KD(P -> S) in one step and KD(T -> S) in a further one.
        step_epochs: epochs of the steps teacher, pacemaker, student (twice for "sequence"), see `TeacherChain`; 200 are
            usual for wide ResNets. Empty: jointly online, all in one step.
        temperature: positive float, T.
        share: float in [0, 1], l.
        **common: `task`, `seed`, `name`; see `Method`.

    Raises:
        ValueError: if the answers of the networks differ in shape, two branches cannot share what comes before the cut,
            or an argument is out of range.
    """

    def __init__(
        self,
        networks: Network,
        *,
        teacher_network: Network,
        pacemaker_network: Network | None = None,
        cut: str | None = "stem",
        guidance: str = "mean",
        step_epochs: Sequence[int] = (200,),
        temperature: float = 4.0,
        share: float = 0.5,
        **common: Any,
    ) -> None:
        if guidance not in ("mean", "ensemble", "sequence"):
            raise ValueError(f"guidance must be 'mean', 'ensemble' or 'sequence'. Received: {guidance!r}.")
        if guidance == "sequence" and not step_epochs:
            raise ValueError("A sequence of teachers needs steps. Received: guidance='sequence', step_epochs=().")
        self.guidance = guidance
        both = ("pacemaker", "teacher")
        lessons = [(teacher,) for teacher in both] if guidance == "sequence" else [both]

        def both_in_one(**arguments):  # The task is known when the networks are built.
            return two_branches(teacher_network, networks, cut, self.task.output)(**arguments)

        super().__init__(
            {"teacher": teacher_network, "pacemaker": pacemaker_network or both_in_one, "peer_0": networks},
            [("teacher", ()), ("pacemaker", ("teacher",)), *(("peer_0", teachers) for teachers in lessons)],
            step_epochs=step_epochs,
            temperature=temperature,
            share=share,
            **common,
        )
        if guidance == "ensemble":
            check_answers({name: self.peers[name] for name in both}, self.task, averaged=True)

    @classmethod
    def trained(cls, options: Mapping[str, Any]) -> list[str]:
        return ["teacher", "pacemaker", *["peer_0"] * (2 if options.get("guidance") == "sequence" else 1)]

    def terms_of(self, name: str, teachers: Sequence[str], targets: Targets, outputs: Outputs) -> Terms:
        hard = self.supervised(name, targets, outputs)
        if not teachers:
            return {f"{name}/supervised": hard}
        terms = {f"{name}/supervised": (1.0 - self.share) * hard}
        answers = {teacher: self.answer(outputs[teacher]) for teacher in teachers}
        if self.guidance == "ensemble":
            answers = {"ensemble" if len(teachers) > 1 else teachers[0]: sum(answers.values()) / len(teachers)}
        for teacher, answer in answers.items():
            terms[f"{name}/from_{teacher}"] = self.share / len(answers) * self.taught(answer, name, targets, outputs)
        return terms


def two_branches(first, second, cut, answer="logits"):
    """Joins two networks into one that averages their answers and has the first layers but once.

    Args:
        first: callable `network(seed=int, name=str)` whose layers up to the cut serve both.
        second: such a callable.
        cut: name of the layer, in both, at which they part; all that follows it comes from its output alone.
        answer: name of the tap that is a network's answer.

    Returns:
        callable `network(seed=int, name=str)` that returns a network with the answer as its one tap.
    """

    def network(*, seed, name):
        one, other = (make(seed=peer_seed(seed, i), name=f"{name}_{i}") for i, make in enumerate((first, second)))
        known = {layer.name for layer in one.layers} & {layer.name for layer in other.layers}
        if cut not in known or one.get_layer(cut).output.shape != other.get_layer(cut).output.shape:
            raise ValueError(f"The two branches must part at a layer of one shape. Received: cut={cut!r}.")
        values = {id(other.get_layer(cut).output): one.get_layer(cut).output}
        for layer in other.layers:
            inputs, output = layer.input, layer.output
            if isinstance(layer, keras.layers.InputLayer) or not all(
                id(x) in values for x in keras.tree.flatten(inputs)
            ):
                continue
            layer.name = f"branch_{layer.name}"  # Names are unique in a network, and both have the same.
            values[id(output)] = layer(keras.tree.map_structure(lambda x: values[id(x)], inputs))
        branches = [one.output[answer], values[id(other.output[answer])]]
        if branches[0].shape != branches[1].shape:
            raise ValueError(
                "The answers of the two branches are averaged, and must have one shape. "
                f"Received: {tuple(branches[0].shape[1:])} and {tuple(branches[1].shape[1:])}."
            )
        mean = keras.layers.Average(dtype="float32", name=f"{answer}_mean")(branches)
        return keras.Model(one.input, {answer: mean}, name=name)

    return network
