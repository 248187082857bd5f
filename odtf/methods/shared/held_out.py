"""Evaluation of a cohort: the task's metrics of every peer and the teacher, over all replicas."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from odtf import metrics
from odtf.errors import UserError
from odtf.methods.shared import diversity
from odtf.methods.shared.peers import taps_of
from odtf.methods.shared.signatures import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from odtf.losses.tensors import Targets, Tensor
    from odtf.methods.shared.signatures import Outputs


class Evaluation(Part):
    """The part of `odtf.methods.Method` that evaluates; it knows the task, and how a step runs on every replica.

    Attributes:
        judges_loss: whether `measure` gives the task's supervised term too, "NAME/supervised", so that it can be seen
            beside that of training; to be set before the first evaluation. There is none in relational tasks, where the
            loss of an example depends on the batch that it is in, and in those without such a term.
    """

    judges_loss = False

    def sums(self, data: Any, frozen: bool | None = None) -> dict[str, Tensor]:
        """Sums over one replica's share of a batch, of all metrics of every peer and the teacher.

        Args:
            data: images, targets and optionally weights `[batch]`: 0 for padding, else 1.
            frozen: as for `measure`.

        Returns:
            As `sums_of`, and those of how much the peers differ, see `odtf.methods.shared.diversity`.
        """
        images, targets, weights = keras.utils.unpack_x_y_sample_weight(data)
        outputs = self(images, training=False) if frozen is None else self._outputs_of(images, frozen)
        targets, weights = self.task.standard(targets), _weights(outputs, weights)
        differ = diversity.sums(self.task, targets, self.answers(outputs), weights)
        return self.sums_of(targets, outputs, weights) | differ | self._held_out_losses(targets, outputs, weights)

    def _held_out_losses(self, targets, outputs, weights):
        if not self.judges_loss or self.task.relational:
            return {}
        found = {}
        for who, output in self.answers(outputs).items():
            try:
                losses = self.task.supervised(targets, output)
            except UserError:  # A task without such a term, as that of images without pairs.
                return {}
            found[f"held_out/{who}/supervised"] = ops.sum(weights * ops.cast(losses, "float32"))
        return found

    def sums_of(self, targets: Targets, outputs: Outputs, weights: Tensor | None = None) -> dict[str, Tensor]:
        """Returns a dict of tensors: "NAME/METRIC/SUM", "held_out/NAME" of what `held_out_sums` gives, and "count".

        Args:
            targets: targets of the batch, as the task has them.
            outputs: what `call` returned for inference.
            weights: tensor `[batch]`, how much an example counts; None: 1.
        """
        weights = _weights(outputs, weights)
        sums = {
            f"{who}/{name}": value
            for who, output in self.answers(outputs).items()
            for name, value in metrics.sums_of(self.task.metrics, targets, output, weights).items()
        }
        held_out = self.held_out_sums(targets, outputs, weights)
        return {"count": ops.sum(weights), **sums, **{f"held_out/{name}": value for name, value in held_out.items()}}

    def _outputs_of(self, images, frozen):
        """What `call` returns for inference of those that are frozen, or of the peers."""
        if self.autocast:  # As Keras does before `call`.
            images = ops.cast(images, self.compute_dtype)
        networks = self.frozen if frozen else self.peers
        answers = {
            name: network(self.view(images, index), training=False)
            for index, (name, network) in enumerate(networks.items())
        }
        return {name: taps_of(answer, self.task.output) for name, answer in answers.items()}

    def sums_function(self, frozen: bool | None = None) -> Callable[[Iterator[Any]], dict[str, Tensor]]:
        """Returns a function as `step_function`, for `sums`, which are added over replicas, or joined in their order.

        Args:
            frozen: as for `measure`.
        """
        if frozen not in self._sums_functions:
            sums = functools.partial(self.sums, frozen=frozen)
            self._sums_functions[frozen] = self._distribute(sums, tf.distribute.ReduceOp.SUM, self._is_joined)
        return self._sums_functions[frozen]

    def _distribute(self, step, reduction, joined=lambda name: False):
        """Returns a function of an iterator that runs `step` on every replica and reduces what it returns.

        Args:
            step: function of a replica's share of a batch that returns a dict of tensors.
            reduction: `tf.distribute.ReduceOp`.
            joined: callable from a name to whether its tensors are joined along the first axis instead, in the order of
                the replicas.
        """
        strategy = self.distribute_strategy
        if self.jit_compile:
            step = tf.function(step, jit_compile=True, autograph=False)

        def run(iterator):
            values = strategy.run(step, args=(next(iterator),))
            return {
                name: strategy.gather(value, axis=0) if joined(name) else strategy.reduce(reduction, value, axis=None)
                for name, value in values.items()
            }

        # Steps have no control flow on tensors; AutoGraph would only slow the tracing down.
        return run if self.run_eagerly else tf.function(run, autograph=False)

    def _is_joined(self, name):
        """Whether what `sums` gives under a name, NAME/METRIC/SUM, is joined instead of added."""
        return metrics.joined_of(self.task.metrics)(name.partition("/")[2])

    def forward(self, network: keras.Model, tap: str) -> Callable[[Tensor], Tensor]:
        """Returns a function from images to a tap of a network, in inference; traced once, however often asked for."""
        key = id(network), tap
        if key not in self._forwards:
            self._forwards[key] = tf.function(lambda images: network(images, training=False)[tap], autograph=False)
        return self._forwards[key]

    def collect(
        self, network: keras.Model, tap: str, examples: Iterable[Any], limit: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Computes one tap of a network for all examples, or the first of them.

        Args:
            network: network with named taps.
            tap: name of a tap `[batch, ...]`.
            examples: finite dataset of (images, targets, weights); what weighs 0 is left out.
            limit: int or None, how many examples at most.

        Returns:
            numpy arrays: the tap `[examples, ...]`, float32, and the targets `[examples, ...]`.
        """
        forward, taps, all_targets, count = self.forward(network, tap), [], [], 0
        for images, targets, weights in examples:
            real = np.asarray(weights) > 0
            taps.append(np.asarray(forward(images), "float32")[real])
            all_targets.append(np.asarray(targets)[real])
            count += len(taps[-1])
            if limit is not None and count >= limit:
                break
        return np.concatenate(taps)[:limit], np.concatenate(all_targets)[:limit]

    def measure(
        self,
        x: Any,
        y: Targets | None = None,
        batch_size: int | None = None,
        references: Mapping[str, Any] | None = None,
        frozen: bool | None = None,
    ) -> dict[str, float]:
        """Returns the task's metrics of every peer and the teacher over a finite set of examples.

        It is what chooses a student, and no more than that: Keras' `evaluate` computes the loss as well.

        Args:
            x: finite `tf.data.Dataset`, or a distributed one, of (images, targets) or (images, targets, weights); or
                the images themselves, with targets `y`.
            y: targets `[examples, ...]` where `x` is images.
            batch_size: int, for images; 128 by default.
            references: mapping from the name of a split to its examples, as `x`, for metrics that are computed against
                another split (`odtf.metrics.references_of`); where a split is not given, they are left out.
            frozen: True for those that are `frozen` alone, False for the peers alone, None for everything.

        Returns:
            dict "NAME/METRIC" -> float, such as the share of right answers, in [0, 1]; of several peers also how much
            they differ, "disagreement/ONE-OTHER" and "diversity/VALUE": see `odtf.methods.shared.diversity`.

        Raises:
            ValueError: if there is no example.
        """
        if y is not None:
            x = tf.data.Dataset.from_tensor_slices((x, y)).batch(batch_size or 128)
        given = {split: self._totals(examples, frozen) for split, examples in (references or {}).items()}
        return self.values_of(self._totals(x, frozen), given)

    def values_of(
        self, totals: Mapping[str, np.ndarray], given: Mapping[str, Mapping[str, np.ndarray]] | None = None
    ) -> dict[str, float]:
        """Returns what `measure` does, from the total of all sums.

        Args:
            totals: dict as `sums_of` returns it, numpy arrays.
            given: the same of the splits that metrics refer to, by their names.

        Raises:
            ValueError: if there is no example.
        """
        totals = dict(totals)
        count = float(totals.pop("count", 0.0))
        if not count:
            raise ValueError("There is nothing to evaluate on: the data set is empty.")
        held_out = {name: totals.pop(name) for name in list(totals) if name.startswith("held_out/")}
        values = {name.removeprefix("held_out/"): float(total) / count for name, total in held_out.items()}
        values |= diversity.results(self.task, totals)
        given = given or {}
        known = {name: metric for name, metric in self.task.metrics.items() if metric.reference in (None, *given)}
        for who in dict.fromkeys(name.partition("/")[0] for name in totals):
            own = _of(who, totals)
            there = {key.partition("/")[0] for key in own}
            found = metrics.results(
                own,
                {name: metric for name, metric in known.items() if (metric.kept_as or name) in there},
                {split: _of(who, sums) for split, sums in given.items()},
            )
            values |= {f"{who}/{name}": value for name, value in found.items()}
        return values

    def _totals(self, examples, frozen):
        """Returns what `sums` gives for all batches together."""
        return metrics.merged(self._sums(examples, frozen), self._is_joined)

    def _sums(self, examples, frozen):
        """Yields what `sums` gives for every batch, over all replicas."""
        sums_function, iterator = self.sums_function(frozen), iter(examples)
        while True:
            try:
                yield sums_function(iterator)
            except (tf.errors.OutOfRangeError, StopIteration):
                return


def _weights(outputs, weights):
    """How much every example of a batch counts, float32 `[batch]`; 1 where nothing is said."""
    if weights is None:
        weights = ops.ones(ops.shape(keras.tree.flatten(outputs)[0])[:1])
    return ops.cast(weights, "float32")


def _of(who, totals):
    """The part of the totals that is one network's, as `odtf.metrics.sums_of` names it."""
    return {name.removeprefix(f"{who}/"): total for name, total in totals.items() if name.startswith(f"{who}/")}
