"""Averages of a cohort's weights over the last steps, and what is evaluated and exported with them."""

import contextlib

import keras
import numpy as np
from keras import ops

from odtf.methods.shared.own_rates import norms_of

KINDS = ("ema", "lookahead")


class Averaging:
    """Averages of all trainable weights of a cohort: what validation sees, chooses and keeps, and a run exports.

    After every `every` steps, average <- d * average + (1 - d) * weight, with d = decay * (step / total_steps)^power:
    early on the average follows, for what was learned first is soon wrong. "ema" leaves the weights as they are;
    "lookahead" then continues from the average, optimizers keeping their momentum.

    A method's attribute `averaging` is one of these, set before `compile`::

        cohort.averaging = Averaging("ema", decay=0.99)

    `fit` moves the averages and validates on the weights as they are; odtf's own loop, and whoever enters `applied`,
    evaluates the averages. They have other activations than those whose statistics batch normalisation has
    kept, so `applied` estimates these anew, on given batches.

    Args:
        kind: "ema" or "lookahead".
        decay: float in [0, 1).
        every: int, in how many steps the average moves once.
        power: float, 0 or more; 0 for a constant decay.
        total_steps: int, of the run; None: no end is known, and the decay is constant.

    Raises:
        ValueError: if an argument is out of range.

    Reference:
        Polyak, Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992; Zhang et al., "Lookahead
        Optimizer", arXiv 1907.08610; the growing decay, and lookahead as an average that is copied back, are those of
        hlb-CIFAR10 and airbench.
    """

    def __init__(self, kind="ema", *, decay=0.99, every=1, power=0.0, total_steps=None):
        if kind not in KINDS or not 0 <= decay < 1 or every < 1 or power < 0:
            raise ValueError(
                f"An average is one of {', '.join(KINDS)}, its decay in [0, 1), every at least 1 and power not "
                f"negative. Received: {kind!r}, decay={decay}, every={every}, power={power}."
            )
        self.kind, self.decay, self.every = kind, float(decay), int(every)
        self.power, self.total_steps = float(power), total_steps
        self.averages, self._weights = [], []

    def build(self, method):
        """Makes the averages, equal to the weights; `compile` does so, under the strategy's scope."""
        self._weights = list(method.trainable_variables)
        self.averages = [
            keras.Variable(ops.convert_to_numpy(v), trainable=False, dtype=v.dtype, name=f"average_{i}")
            for i, v in enumerate(self._weights)
        ]

    def after_step(self, method):
        """Moves the averages, inside the step and on every replica, after everything else."""
        step = method.optimizer.iterations
        due = ops.equal(step % self.every, 0)
        decay = self.decay
        if self.power and self.total_steps:
            decay = decay * (ops.cast(step, "float32") / self.total_steps) ** self.power
        pairs = list(zip(self.averages, self._weights, strict=True))
        method.follow(pairs, ops.where(due, decay, 1.0))
        if self.kind == "lookahead":
            method.follow([(weight, average) for average, weight in pairs], ops.where(due, 0.0, 1.0))

    @contextlib.contextmanager
    def applied(self, method, batches):
        """Lets the weights be the averages within, with statistics of batch normalisation that are theirs.

        Args:
            method: the compiled `Method`.
            batches: callable without arguments that returns an iterator of batches, as `Method.step_function` takes
                it, and how many of them to take; called where there is batch normalisation.
        """
        norms = [layer for layer in norms_of(method) if layer.trainable]
        statistics = [v for norm in norms for v in (norm.moving_mean, norm.moving_variance)]
        kept = [(v, v.numpy()) for v in (*self._weights, *statistics)]
        try:
            for weight, average in zip(self._weights, self.averages, strict=True):
                weight.assign(average)
            if norms:
                _estimate(method, norms, statistics, *batches())
            yield
        finally:
            for variable, value in kept:
                variable.assign(value)


def _estimate(method, norms, statistics, iterator, count):
    """Sets statistics to their mean over some batches, each as a training step has them.

    Without momentum a forward pass in training leaves those of its batch; what an earlier pass left plays no part.
    """
    momenta = [norm.momentum for norm in norms]
    totals = [np.zeros(v.shape, np.float64) for v in statistics]
    for norm in norms:
        norm.momentum = 0.0
    try:
        forward = method.pass_function
        for _ in range(count):
            forward(iterator)
            for total, v in zip(totals, statistics, strict=True):
                total += v.numpy()
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
    for v, total in zip(statistics, totals, strict=True):
        v.assign((total / count).astype("float32"))


def refusal(method, epochs):
    """Returns why the weights of a method cannot be averaged, or None where they can.

    Args:
        method: `Method`.
        epochs: int, how many the run has.
    """
    if method.quantization is not None:
        return "training for int8 keeps ranges of activations, which are those of the weights of the last step"
    if any(method.phase_at(epoch) != method.phase_at(0) for epoch in range(epochs)):
        return f"{type(method).__name__} trains in phases, and an average would mix the weights of several"
    if method.warm_start is not None and method.warm_start.frozen_epochs:
        return "layers that wait at first keep their statistics, which are of the weights that they start from"
    return None
