"""The training step of a cohort: one forward pass, one tape, all players; and the loop's view of it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import keras
import tensorflow as tf
from keras import ops

from odtf.errors import UserError
from odtf.methods.shared.signatures import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from odtf.losses.tensors import Targets, Tensor
    from odtf.methods.shared.signatures import Outputs


class TrainingStep(Part):
    """The part of `odtf.methods.Method` that makes a step on every replica, and knows which phase of training it is."""

    phase: int
    _step_functions: dict[Any, Any]
    _pass_function: Any
    _sums_functions: dict[bool | None, Any]

    @property
    def epoch(self) -> Tensor:
        """The 0-based number of the running epoch, a float32 scalar; for ramps and schedules inside a loss.

        Raises:
            ValueError: if `compile` was not told how many steps an epoch has.
        """
        if not self.steps_per_epoch:
            raise ValueError(f"{type(self).__name__} depends on the epoch: compile(..., steps_per_epoch=N) is needed.")
        return ops.cast(self.optimizer.iterations // self.steps_per_epoch, "float32")

    def step(self, data: Any) -> dict[str, Tensor]:
        """One step on one replica's share of a batch.

        Args:
            data: images, targets and optionally weights `[batch]`, how much an example counts in every term.

        Returns:
            dict of scalars: "loss", the mean of every term by its name, and "NAME/METRIC" of every peer and the
            teacher, for what the task calls progress.
        """
        return self._step_with(data, None)

    def _step_with(self, data, resting):
        """A step in which it is known which players rest; None: in which it is not."""
        images, targets, weights = keras.utils.unpack_x_y_sample_weight(data)
        return self.learn(images, self.task.standard(targets), weights, resting)[0]

    def learn(
        self, images: Tensor, targets: Targets, weights: Tensor | None = None, resting: frozenset[str] | None = None
    ) -> tuple[dict[str, Tensor], Outputs]:
        """As `step`, for targets as the task has them; returns its values, and what `call` returned.

        Of players that are known to rest in it, no gradient is computed; `resting` is what `Update.resting` returns.
        """
        images = images if self.resizing is None else self.resizing(images)
        # The one place that scales: optimizers sum gradients over replicas, and the loss scale of mixed precision
        # must reach the decay too.
        scale = self.optimizer.scale_loss(1.0 / self.distribute_strategy.num_replicas_in_sync)
        with tf.GradientTape(persistent=self.update.has_several_objectives) as tape:
            with contextlib.nullcontext() if self.warm_start is None else self.warm_start.as_in_inference(self):
                outputs = self.with_targets(self(images, training=True), targets, training=True)
            terms = self.mean_terms(targets, outputs, weights)
            objectives = {key: loss * scale for key, loss in self.update.objectives(terms).items()}
        waiting = {id(v) for v in self.waiting()} | self.update.variables_of(resting or ())
        waiting |= set() if self.warm_start is None else self.warm_start.waiting(self)
        gradients = self.update.gradients(tape, objectives, waiting)
        self.reached.note(self.update.variables, gradients)
        gradients, penalties = self.update.regularized(gradients, scale)
        # All of the forward pass first: what it reads, an optimizer or `after_step` may assign to.
        computed = outputs, terms
        self.update.apply(gradients, scale, forward_pass=computed, when=(targets, *computed), resting=resting)
        self.after_step(targets, outputs)
        if self.averaging is not None:
            self.averaging.after_step(self)
        progress = {
            f"{who}/{name}": value
            for who, output in self.answers(outputs).items()
            for name, value in self.task.progress(targets, output).items()
        }
        terms |= penalties
        return {"loss": sum(terms.values()), **terms, **progress}, outputs

    def mean_terms(self, targets: Targets, outputs: Outputs, weights: Tensor | None = None) -> dict[str, Tensor]:
        """Returns the mean of every term of the loss, name -> scalar; with weights, of each example's times its own.

        "added" is what layers of a network add to its loss (`add_loss`, activity regularizers), where there are such.
        """
        terms = self.loss_terms(targets, outputs)
        if not isinstance(terms, dict):
            raise UserError(
                "loss_terms returns a dict from the names of the terms to tensors [batch]. "
                f"Received: {terms!r} of {type(self).__name__}."
            )
        if weights is not None:
            if len(weights.shape) > 1 and weights.shape[1:] != (1,):
                raise ValueError(f"A weight is one number for each example. Received: weights of {weights.shape}.")
            weights = ops.reshape(ops.cast(weights, "float32"), (-1,))
            terms = {name: term * weights for name, term in terms.items()}
        means = {name: ops.mean(term) for name, term in terms.items()}
        # What layers add themselves; the regularizers of weights come last in Keras' list, and are the update's.
        regularized = sum(v.regularizer is not None for v in self.trainable_weights)
        added = self.losses[: len(self.losses) - regularized]
        return {**means, "added": sum(map(ops.sum, added))} if added else means

    def begin_epoch(self, epoch: int, resumed: bool = False) -> None:
        """Tells the method that an epoch begins; the training loop calls it, and `fit` does.

        Args:
            epoch: int, 0-based.
            resumed: bool, whether training goes on in the middle of this epoch.
        """
        phase = self.phase_at(epoch)
        if not resumed and (epoch == 0 or phase != self.phase_at(epoch - 1)):
            self.enter_phase(phase)
        turned = self.quantization is not None and self.quantization.begin_epoch(epoch)
        if turned:  # Inference computes otherwise, too.
            self._sums_functions = {}
            self._forwards.clear()
        turned |= self.warm_start is not None and self.warm_start.begin_epoch(epoch)
        turned |= self.resizing is not None and self.resizing.begin_epoch(epoch)
        if turned or phase != self.phase:
            self.phase, self.phase_began = phase, self._first_epoch_of(phase, epoch)
            self._step_functions = {}
            self.forget_loops()

    def has_begun(self, name: str) -> bool:
        """Returns whether a peer has begun to learn: whether any loss, in a step so far, reached a part of it.

        Args:
            name: of the peer.
        """
        return self.reached.begun(self.peers[name])

    @property
    def current_rate(self) -> float:
        """The learning rate of this moment, a float, as logs show it: that of the optimizer of `compile`."""
        return float(self.optimizer.learning_rate)

    def _first_epoch_of(self, phase, epoch):
        while epoch and self.phase_at(epoch - 1) == phase:
            epoch -= 1
        return epoch

    def check_reached(self, epoch: int, epochs: int) -> None:
        """Refuses to train a student on whose answer no term of the loss has any effect; the training loop calls it.

        Args:
            epoch: int, 0-based; a step of it was made.
            epochs: int, how many the run has. Where its phases are not over, another may still reach the answer.

        Raises:
            UserError: naming the student and the layer.
        """
        waits = self.warm_start is not None and self.warm_start.freezes
        if not waits and all(self.phase_at(later) == self.phase for later in range(epoch, epochs)):
            for name in self.students:
                self.reached.check(name, self.peers[name], self.task.output)

    @property
    def step_function(self) -> Callable[[Iterator[Any]], dict[str, Tensor]]:
        """A function of an iterator that takes a batch from it, makes one step, and returns the values of that step.

        On every replica at once; the values are those of the global batch.
        """
        return self._step_function(None)

    def step_function_at(self, step: int) -> Callable[[Iterator[Any]], dict[str, Tensor]]:
        """As `step_function`, for one step alone: no gradient is computed of a player that rests in it.

        Args:
            step: int, the number of the step from 1, over the whole run.
        """
        return self._step_function(self.update.resting(step))

    def _step_function(self, resting):
        if resting not in self._step_functions:
            step = self.step if resting is None else lambda data: self._step_with(data, resting)
            self._step_functions[resting] = self._distribute(step, tf.distribute.ReduceOp.MEAN)
        return self._step_functions[resting]

    @property
    def pass_function(self) -> Callable[[Iterator[Any]], dict[str, Tensor]]:
        """As `step_function`, of the forward pass alone, as training has it: it moves statistics and no weight."""
        if self._pass_function is None:

            def forward(data):
                self(keras.utils.unpack_x_y_sample_weight(data)[0], training=True)
                return {"passes": ops.ones(())}

            self._pass_function = self._distribute(forward, tf.distribute.ReduceOp.MEAN)
        return self._pass_function
