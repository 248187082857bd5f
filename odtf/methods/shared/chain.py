"""Base of methods with a chain of teachers, from the largest network down to the student."""

from __future__ import annotations

import inspect
import itertools
from typing import TYPE_CHECKING

from keras import ops

from odtf.losses import check_temperature
from odtf.methods.base import Method
from odtf.methods.shared.peers import check_answers, peer_seed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from odtf.losses.tensors import Targets, Tensor
    from odtf.methods.shared.signatures import Outputs, Spans, Terms
    from odtf.models.annotations import Network


# Not named after its file: it is what methods are made from, and none itself.
class TeacherChain(Method):
    """Networks trained one after another, each by some that come before it; or all at once.

    In steps, each network is trained for its epochs and then frozen: it teaches with its moving statistics, and
    nothing of it changes. With `config.schedule.restarts` where the steps begin, each has a whole learning-rate
    schedule; its momentum starts from zero by itself. All at once, a step is made of every network, and the teachers
    teach with the outputs of the same forward pass.

    A subclass defines `terms_of`. The student is "peer_0"; the others are there to teach.

    Args:
        members: mapping from name to callable `network(seed=int, name=str)`, from the top of the chain down to
            "peer_0".
        steps: list of pairs: the name of the network that a step trains, and a tuple of the names of its teachers. A
            network may have several steps; all at once, the last counts.
        step_epochs: sequence of int, the epochs of each step; one number counts for every step. The last step goes on
            for as long as training does. Empty: all networks are trained at once.
        temperature: positive float.
        share: float in [0, 1], the weight of the distillation against that of the supervised term.
        kl_reduction: the `reduction` of the divergence "kl"; None: as `divergence` says.
        **common: `task`, `seed`, `name`; see `Method`. The student starts as if it were alone.

    Raises:
        ValueError: if the answers of the networks differ in shape, or an argument is out of range.
    """

    def __init__(
        self,
        members: Mapping[str, Network],
        steps: Sequence[tuple[str, tuple[str, ...]]],
        *,
        step_epochs: Sequence[int],
        temperature: float,
        share: float,
        kl_reduction: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        lengths = _lengths(step_epochs, len(steps))
        if lengths and (len(lengths) != len(steps) or not all(isinstance(n, int) and n > 0 for n in lengths)):
            trained = ", ".join(name for name, _ in steps)
            raise ValueError(
                f"There are the steps {trained}: step_epochs has one positive integer for all of them, one for each, "
                f"or none. Received: step_epochs={tuple(step_epochs)}."
            )
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"The share of the distillation term must lie in [0, 1]. Received: share={share}.")
        self.divergence.take(kl_reduction=kl_reduction)
        self.steps = list(steps)
        self.step_ends = list(itertools.accumulate(lengths))
        self.temperature = check_temperature(temperature)
        self.share = float(share)
        self.peers = {
            name: make(seed=peer_seed(self.seed, len(members) - 1 - index), name=name)
            for index, (name, make) in enumerate(members.items())
        }
        check_answers(self.peers, self.task)

    def terms_of(self, name: str, teachers: Sequence[str], targets: Targets, outputs: Outputs) -> Terms:
        """Returns the terms of the loss of one network, each a float32 tensor `[batch]`.

        Args:
            name: of the network.
            teachers: tuple of the names of its teachers; empty for the top of the chain.
            targets: targets of the batch.
            outputs: what `call` returned.
        """
        raise NotImplementedError

    @classmethod
    def trained(cls, options: Mapping[str, Any]) -> list[str]:
        """Returns the names of the networks that the steps train, in the order of the steps.

        Each network of a `chain_of` has one, unless a subclass says otherwise.

        Args:
            options: dict, `config.method` without its name.
        """
        return list(chain_of(None, options.get("assistant_networks", ()), None))

    @classmethod
    def epochs_of(cls, options: Mapping[str, Any], networks: Mapping[str, Any], epochs: int) -> Spans:
        names = cls.trained(options)
        lengths = options.get("step_epochs", inspect.signature(cls).parameters["step_epochs"].default)
        if not lengths:
            return super().epochs_of(options, dict.fromkeys(names), epochs)
        lengths = _lengths(lengths, len(names))
        firsts = [min(first, epochs) for first in (0, *itertools.accumulate(lengths[:-1]))]
        spans: Spans = {}
        # The last step goes on for as long as training does.
        for name, first, end in zip(names, firsts, [*firsts[1:], epochs], strict=False):
            spans[name] = (spans[name][0] if name in spans else first, end)
        return spans

    @property
    def students(self) -> tuple[str, ...]:
        return ("peer_0",)

    @property
    def current(self) -> dict[str, tuple[str, ...]]:
        """The networks that are trained in this phase: name -> tuple of the names of the teachers."""
        return dict(self.steps[self.phase : self.phase + 1] if self.step_ends else self.steps)

    def phase_at(self, epoch: int) -> int:
        return sum(epoch >= end for end in self.step_ends[:-1])

    def call(self, images: Tensor, training: bool = False) -> Outputs:
        if not (training and self.step_ends):
            return super().call(images, training)
        needed = set(self.current).union(*self.current.values())
        return {
            name: network(self.view(images, index), training=name in self.current)
            for index, (name, network) in enumerate(self.peers.items())
            if name in needed
        }

    def loss_terms(self, targets: Targets, outputs: Outputs) -> Terms:
        terms: Terms = {}
        for name, teachers in self.current.items():
            terms |= self.terms_of(name, teachers, targets, outputs)
        return terms

    def supervised(self, name: str, targets: Targets, outputs: Outputs) -> Tensor:
        """Returns the supervised term of a network, `[batch]`."""
        return self.task.supervised(targets, self.answer(outputs[name]))

    def taught(self, teacher: Tensor, name: str, targets: Targets, outputs: Outputs) -> Tensor:
        """Returns the divergence T^2 KL(sg[teacher] || network) of a network from a teacher's answer, `[batch]`."""
        return self.distil(targets, ops.stop_gradient(teacher), self.answer(outputs[name]), self.temperature)


def chain_of(teacher, assistants, student):
    """Returns the networks of a chain by name: "teacher", "assistant_1" and so on, "peer_0"."""
    between = {f"assistant_{i}": assistant for i, assistant in enumerate(assistants, start=1)}
    return {"teacher": teacher, **between, "peer_0": student}


def _lengths(step_epochs, count):
    """The epochs of every one of `count` steps; one number counts for all of them."""
    return list(step_epochs) * (count if len(step_epochs) == 1 else 1)
