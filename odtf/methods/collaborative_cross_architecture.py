"""Collaborative online distillation of networks of different architectures (MCOD).

Gao, Lan, Mi, Feng, Xu, Peng, "Multistructure-Based Collaborative Online Distillation", Entropy 2019, 21(4), 357. Its
authors released no code; of the paper the abstract was read, so that most of what follows is a DESIGN CHOICE.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from keras import ops

from odtf import metrics
from odtf.losses import check_temperature
from odtf.methods.base import Method
from odtf.methods.shared.fusion import mean_network
from odtf.methods.shared.peers import check_answers, independent_peers, several
from odtf.methods.shared.players import Player
from odtf.methods.shared.ramps import sigmoid_ramp
from odtf.methods.shared.rates import with_rate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    import keras

    from odtf.losses.tensors import Targets, Tensor
    from odtf.methods.shared.signatures import Outputs, Taps, Terms
    from odtf.models.annotations import Networks


class CollaborativeCrossArchitecture(Method):
    """m independent networks follow their ensemble, now and then, and ever more strictly.

    Loss: sum over networks i of [ CE(z_i, y) + g w T^2 KL(sg[p_E] || p_i) ], z_E = sum_i a_i z_i, sum_i a_i = 1.

    The gate g is 0 or 1: distillation is interrupted in time, so that the networks stay different. The weight w rises:
    the constraint is enhanced progressively. Both are functions of the step alone, which checkpoints hold: a run that
    is resumed goes on in the same phase of the gate. All networks see the same images, and exchange logits alone.

    From the abstract: different architectures, an ensemble that teaches each of them, distillation that is interrupted
    and strengthened. DESIGN CHOICES, each of them an argument: the length of the cycle and how much of it distils;
    whether it is counted in epochs or in steps (the words fit both); the form of w; the ensemble's weights. T = 3, the
    batch mean, T^2 and the detached target are those of ONE (Lan et al., 2018), by an author of both papers.

    Args:
        networks: callable `network(seed=int, name=str)` that returns a network with its named taps, or a sequence of
            such callables, one for each peer, of any architectures with the same input and classes.
        num_peers: int, at least 2; a sequence has its own length.
        temperature: positive float.
        gate_unit: "epoch" or "step", what `period` and `duty` count.
        period: int, the length of the gate's cycle.
        duty: int, how much of its end distils: g = 1 where (e mod period) >= period - duty. 0 never, `period` always.
        enhancement: "exponential": w = max_weight exp(-5 (1 - min(e, R) / R)^2), e the epoch and R the
            `ramp_epochs`; or "cycle": w = max_weight (c + 1) / C, at most max_weight, in cycle c of the C that
            `ramp_epochs` hold.
        ramp_epochs: positive number of epochs until w has reached `max_weight`; ONE has 80, or the whole run.
        max_weight: float, not negative.
        ensemble: "uniform": a_i = 1/m; or "accuracy": a_i proportional to the running accuracy of network i on the
            training batches, renewed at the start of every epoch and never by gradient.
        rates: list of floats, a factor on the learning rate for each network: AlexNet and VGG need a lower one than
            residual networks. None: 1 for all.
        **common: `task`, `seed`, `name`; see `Method`.

    Raises:
        ValueError: if there are fewer than 2 networks, their classes differ, or an argument is out of range.
    """

    only = ("classification",)

    label = "mcod"

    def __init__(
        self,
        networks: Networks,
        *,
        num_peers: int = 2,
        temperature: float = 3.0,
        gate_unit: str = "epoch",
        period: int = 5,
        duty: int = 2,
        enhancement: str = "exponential",
        ramp_epochs: float = 80,
        max_weight: float = 1.0,
        ensemble: str = "uniform",
        rates: Sequence[float] | None = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        makers = several(networks, num_peers)
        rates = [1.0] * len(makers) if rates is None else [float(rate) for rate in rates]
        _check(len(makers), gate_unit, period, duty, enhancement, ramp_epochs, max_weight, ensemble, rates)
        self.temperature = check_temperature(temperature)
        self.gate_unit, self.period, self.duty = gate_unit, int(period), int(duty)
        self.enhancement, self.ramp_epochs, self.max_weight = enhancement, float(ramp_epochs), float(max_weight)
        self.ensemble, self.rates = ensemble, tuple(rates)
        self.peers = independent_peers(makers, self.seed)
        check_answers(self.peers, self.task)
        state = {"shape": (len(makers),), "trainable": False, "autocast": False, "aggregation": "mean"}
        self.running_accuracy = self.add_weight(initializer="zeros", dtype="float32", name="running_accuracy", **state)
        self.shares = self.add_weight(
            initializer=lambda *_, **__: self._uniform(), dtype="float32", name="shares", **state
        )

    def _uniform(self):
        return np.full(len(self.peers), 1.0 / len(self.peers), "float32")

    @classmethod
    def rate_of(cls, options: Mapping[str, Any], name: str, rate: float) -> float:
        rates = options.get("rates")
        return rate * rates[int(name.removeprefix("peer_"))] if rates else rate

    # Now and then, and ever more strictly ---------------------------------------------------------------------------

    @property
    def position(self) -> Tensor:
        """The running epoch or step, 0-based, as a float32 scalar: what the gate's cycle counts."""
        return self.epoch if self.gate_unit == "epoch" else ops.cast(self.optimizer.iterations, "float32")

    @property
    def gate(self) -> Tensor:
        """1.0 while the networks follow their ensemble, else 0.0."""
        return ops.cast(ops.floor(self.position % self.period) >= self.period - self.duty, "float32")

    @property
    def strength(self) -> Tensor:
        """The weight w of the running epoch."""
        if self.enhancement == "exponential":
            return self.max_weight * sigmoid_ramp(self.epoch, self.ramp_epochs)
        length = self.ramp_epochs * (1 if self.gate_unit == "epoch" else self.steps_per_epoch)
        cycles = max(1, math.ceil(length / self.period))
        return self.max_weight * ops.minimum((self.position // self.period + 1.0) / cycles, 1.0)

    # The ensemble ---------------------------------------------------------------------------------------------------

    def call_teacher(self, outputs: Outputs, training: bool) -> Taps:
        shares = ops.convert_to_tensor(self.shares)
        return {"logits": sum(shares[i] * outputs[name]["logits"] for i, name in enumerate(self.peers))}

    def ensemble_network(self) -> keras.Model:
        shares = ops.convert_to_numpy(self.shares)
        return mean_network(None, list(self.peers.values()), self.task.output, shares)

    def loss_terms(self, targets: Targets, outputs: Outputs) -> Terms:
        target = ops.stop_gradient(outputs["teacher"]["logits"])
        weight = self.gate * self.strength
        terms = {}
        for name in self.peers:
            logits = outputs[name]["logits"]
            terms[f"{name}/supervised"] = self.task.supervised(targets, logits)
            terms[f"{name}/distillation"] = weight * self.distil(targets, target, logits, self.temperature)
        return terms

    def after_step(self, targets: Targets, outputs: Outputs) -> None:
        if self.ensemble == "accuracy":
            accuracy = metrics.Accuracy()
            batch = ops.stack([accuracy.mean(targets, outputs[name]["logits"]) for name in self.peers])
            self.running_accuracy.assign(0.99 * self.running_accuracy + 0.01 * batch)

    def begin_epoch(self, epoch: int, resumed: bool = False) -> None:
        super().begin_epoch(epoch, resumed)
        if self.ensemble == "accuracy" and not resumed:
            # The average starts at 0 for all, which cancels in the shares.
            accuracy = ops.convert_to_numpy(self.running_accuracy)
            self.shares.assign(accuracy / accuracy.sum() if accuracy.sum() > 0 else self._uniform())

    def players(self) -> list[Player]:
        return [
            Player(name, peer.trainable_variables, optimizer=with_rate(self.optimizer, rate))
            for (name, peer), rate in zip(self.peers.items(), self.rates, strict=True)
            if rate != 1.0
        ]


def _check(networks, gate_unit, period, duty, enhancement, ramp_epochs, max_weight, ensemble, rates):
    for name, value, known in (
        ("gate_unit", gate_unit, ("epoch", "step")),
        ("enhancement", enhancement, ("exponential", "cycle")),
        ("ensemble", ensemble, ("uniform", "accuracy")),
    ):
        if value not in known:
            raise ValueError(f"{name} must be {known[0]!r} or {known[1]!r}. Received: {value!r}.")
    if period < 1 or not 0 <= duty <= period:
        raise ValueError(f"The gate needs 0 <= duty <= period, period >= 1. Received: duty={duty}, period={period}.")
    if not ramp_epochs > 0 or max_weight < 0:
        raise ValueError(
            "The constraint needs ramp_epochs > 0 and max_weight >= 0. "
            f"Received: ramp_epochs={ramp_epochs}, max_weight={max_weight}."
        )
    if len(rates) != networks or not all(rate > 0 for rate in rates):
        raise ValueError(f"There is one positive rate for each of {networks} networks. Received: rates={rates}.")
