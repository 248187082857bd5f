"""What Keras' own methods do with a cohort: `compile`, `fit`, `evaluate`, `predict` and those on a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import tensorflow as tf
from keras import ops

from odtf.layers.strided_pointwise import protect
from odtf.methods.shared.players import Update
from odtf.methods.shared.running import Running
from odtf.methods.shared.signatures import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    import numpy as np

    from odtf.losses.tensors import Targets, Tensor
    from odtf.methods.shared.signatures import Outputs


TRAINING, INFERENCE = "training", "inference"


class KerasLoops(Part):
    """The part of `odtf.methods.Method` that Keras' loops call: the loops are Keras' own, with all their arguments.

    What they show is the mean over an epoch: "loss", the own metrics of `compile`, every term of the loss, and
    "NAME/METRIC" of every peer and the teacher. In training the latter is what the task calls progress, of the examples
    as they come; in evaluation an example counts by its weight.

    Own metrics and `predict` take the answer of the first of `students` (logits, in classification). In a phase of
    training in which it waits, the metrics take that of the first network that learns.
    """

    # The outputs that `predict` was asked for by name.
    _wanted: tuple[str, ...] = ()
    # An int; None as long as nobody has said it.
    steps_per_epoch: Any
    train_function: Any
    test_function: Any
    _sums_functions: dict[bool | None, Any]

    def compile(
        self,
        optimizer: str | keras.optimizers.Optimizer = "rmsprop",
        loss: None = None,
        *,
        weight_decay: float = 0.0,
        jit_compile: bool | str = False,
        steps_per_epoch: int | None = None,
        **kwargs: Any,
    ) -> None:
        """As `keras.Model.compile`, without a loss: that belongs to the method.

        Args:
            optimizer: Keras optimizer or its name, of everything that `players` give no other one.
            loss: None.
            weight_decay: float; `weight_decay * w` is added to the gradient of every variable that has one, batch
                normalisation and biases included, before the momentum: the coupled decay of PyTorch's SGD, not the
                decoupled one of Keras' optimizers.
            jit_compile: bool, or "auto" for False. XLA is off unless it is asked for, and refused on a CPU, where it
                makes depthwise convolutions 28 times slower.
            steps_per_epoch: int, for methods whose loss depends on the epoch; None: as many as an epoch of `fit` has,
                where it knows.
            **kwargs: `metrics`, `weighted_metrics`, `run_eagerly`, `steps_per_execution`, `auto_scale_loss` of
                `keras.Model.compile`.

        Raises:
            ValueError: if there is no peer, `weight_decay` is negative, or there is a loss or XLA on a CPU.
        """
        if not self.peers:
            raise ValueError("A method needs at least one peer. Received: none.")
        if loss is not None or kwargs.get("loss_weights") is not None:
            given = f"loss={loss!r}" if loss is not None else f"loss_weights={kwargs['loss_weights']!r}"
            raise ValueError(f"The loss of a cohort is its method's; its arguments weigh the terms. Received: {given}.")
        if weight_decay < 0:
            raise ValueError(f"Weight decay must not be negative. Received: weight_decay={weight_decay}.")
        jit_compile = jit_compile not in (False, None, "auto")
        if jit_compile and not tf.config.list_physical_devices("GPU") + tf.config.list_physical_devices("TPU"):
            raise ValueError("On a CPU XLA makes cheap convolutions many times slower. Received: jit_compile=True.")
        super().compile(optimizer=optimizer, jit_compile=jit_compile, **kwargs)
        protect(self)
        self.weight_decay = float(weight_decay)
        self.steps_per_epoch = self.told_steps_per_epoch = steps_per_epoch
        players = self.players()
        if self.warm_start is not None:
            players = self.warm_start.players(players, self.optimizer, self)
        factors = None
        if self.norms is not None:
            players, factors = self.norms.players(players, self.optimizer, self), self.norms.decay_factors(self)
        self.update = Update(self.optimizer, self.trainable_variables, self.weight_decay, players, factors)
        if self.averaging is not None:
            self.averaging.build(self)
        self._step_functions: dict[Any, Any] = {}
        self._pass_function = None
        self._sums_functions = {}
        self.forget_loops()

    # The steps of Keras' loops --------------------------------------------------------------------------------------

    def train_step(self, data: Any) -> dict[str, Tensor]:
        """As Keras has it: one `step` on one replica's share of a batch; returns the means since the epoch began."""
        images, given, weights, targets = self._unpacked(data)
        values, outputs = self.learn(images, targets, weights)
        self._show(TRAINING, values, given)
        return self.compute_metrics(images, given, outputs, sample_weight=weights)

    def test_step(self, data: Any) -> dict[str, Tensor]:
        """As Keras has it: the loss and all metrics of one replica's share of a batch; returns the means so far."""
        images, given, weights, targets = self._unpacked(data)
        outputs = self(images, training=False)
        completed = self.with_targets(self.complete(outputs, training=False), targets, training=False)
        terms = self.mean_terms(targets, completed, weights)
        penalties = [v.regularizer(v) for v in self.trainable_variables if v.regularizer is not None]
        terms |= {"regularization": sum(penalties)} if penalties else {}
        self._show(INFERENCE, {"loss": sum(terms.values()), **terms}, given)
        sums = self.sums_of(targets, outputs, None if weights is None else ops.reshape(weights, (-1,)))
        # What is joined has no fixed size; `measure` has it.
        sums = {name: total for name, total in sums.items() if not self._is_joined(name)}
        self._running[INFERENCE].add_sums(self.task.metrics, sums)
        return self.compute_metrics(images, given, outputs, sample_weight=weights)

    def predict_step(self, data: Any) -> Tensor | dict[str, Tensor]:
        """As Keras has it: what `predict` returns of one replica's share of a batch."""
        images = keras.utils.unpack_x_y_sample_weight(data)[0]
        wanted = self._wanted or (self.students[0],)
        parts = [name.partition("/")[::2] for name in wanted]
        names = list(self.peers)
        if all(who in self.peers for who, _ in parts):
            needed = dict.fromkeys(who for who, _ in parts)
            outputs = {who: self.peers[who](self.view(images, names.index(who)), training=False) for who in needed}
        else:
            outputs = self(images, training=False)
        found = {}
        for name, (who, tap) in zip(wanted, parts, strict=True):
            taps = outputs.get(who, {})
            if (tap or self.task.output) not in taps:
                known = ", ".join(f"{key}/{each}" for key, value in outputs.items() for each in value)
                raise ValueError(f"The outputs are {known}. Received: outputs={name!r}.")
            found[name] = taps[tap or self.task.output]
        return found if self._wanted else found[wanted[0]]

    def compute_metrics(
        self, x: Tensor, y: Targets, y_pred: Outputs, sample_weight: Tensor | None = None
    ) -> dict[str, Tensor]:
        """As Keras has it, of one network's answer; `y_pred` is what `call` returned."""
        student = self.students[0]
        who = student if student in y_pred else next(iter(self.answers(y_pred)))
        return super().compute_metrics(x, y, self.answer(y_pred[who]), sample_weight=sample_weight)

    def _unpacked(self, data):
        """Returns images, targets as given, weights, and targets as the task has them."""
        images, targets, weights = keras.utils.unpack_x_y_sample_weight(data)
        if targets is None:
            raise ValueError("A cohort learns from images and targets. Received: no targets.")
        return images, targets, weights, self.task.standard(targets)

    def _show(self, mode, values, targets):
        values = dict(values)
        count = ops.shape(keras.tree.flatten(targets)[0])[0]
        loss = next(metric for metric in super().metrics if metric.name == "loss")
        loss.update_state(values.pop("loss"), sample_weight=count)
        self._running[mode].add_means(values, count)

    # The loops ------------------------------------------------------------------------------------------------------

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """As Keras has it: the loss, the own metrics of `compile`, and what `Running` holds of the running loop."""
        return [*super().metrics, *self._running[self._mode].metrics]

    def reset_metrics(self) -> None:
        """As Keras has it, for all loops: `fit` resets what it shows before it says that an epoch begins."""
        super().reset_metrics()
        for running in self._running.values():
            for metric in running.metrics:
                metric.reset_state()

    def make_train_function(self, force: bool = False) -> Callable[..., Any]:
        """As Keras has it; returns the function."""
        self._mode = TRAINING
        if not self._spans_workers:
            super().make_train_function(force)
        elif self.train_function is None or force:
            self.train_function = self._distribute(self.train_step, tf.distribute.ReduceOp.MEAN)
        return self.train_function

    def make_test_function(self, force: bool = False) -> Callable[..., Any]:
        """As Keras has it; returns the function."""
        self._mode = INFERENCE
        if not self._spans_workers:
            super().make_test_function(force)
        elif self.test_function is None or force:
            self.test_function = self._distribute(self.test_step, tf.distribute.ReduceOp.MEAN)
        return self.test_function

    @property
    def _spans_workers(self):
        """Whether Keras' own functions fail, as they do under `MultiWorkerMirroredStrategy` (keras issue 20585)."""
        return isinstance(self.distribute_strategy, tf.distribute.MultiWorkerMirroredStrategy)

    def forget_loops(self) -> None:
        """Lets Keras' loops trace their steps anew, which then show other values."""
        self._mode, self._running = TRAINING, {TRAINING: Running(), INFERENCE: Running()}
        self.train_function = self.test_function = self.predict_function = None

    def fit(
        self,
        x: Any = None,
        y: Targets | None = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Sequence[keras.callbacks.Callback] | None = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """As `keras.Model.fit`.

        Raises:
            UserError: where the epochs end before any term of the loss has reached a student's answer.
        """
        if isinstance(callbacks, keras.callbacks.CallbackList):
            raise ValueError("fit takes a list of callbacks. Received: a CallbackList.")
        callbacks = [_Epochs(), *keras.tree.flatten(callbacks or [])]
        return super().fit(x, y, batch_size, epochs, verbose, callbacks, **kwargs)

    def evaluate(
        self,
        x: Any = None,
        y: Targets | None = None,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        sample_weight: Tensor | None = None,
        steps: int | None = None,
        callbacks: Sequence[keras.callbacks.Callback] | None = None,
        return_dict: bool = False,
        **kwargs: Any,
    ) -> list[float] | dict[str, float]:
        """As `keras.Model.evaluate`: a list, "loss" and own metrics first, or with `return_dict` a dict.

        "loss" is that of the method at this moment, on what its networks answer in inference. Metrics that compare a
        split with another, or need all of it at once, are not in it: see `measure`.
        """
        logs = super().evaluate(x, y, batch_size, verbose, sample_weight, steps, callbacks, return_dict=True, **kwargs)
        logs |= self.values_of(self._running[INFERENCE].sums)
        return logs if return_dict else self._flatten_metrics_in_order(logs)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        steps: int | None = None,
        callbacks: Sequence[keras.callbacks.Callback] | None = None,
        outputs: str | Sequence[str] | None = None,
    ) -> np.ndarray | dict[str, np.ndarray]:
        """As `keras.Model.predict`: the answers of the student, the first of `students`, or the outputs that are named.

        Args:
            x, batch_size, verbose, steps, callbacks: as for `keras.Model.predict`.
            outputs: None; or "NAME/TAP", or "NAME" for its answer, of a peer or the teacher; or several such names.

        Returns:
            numpy array `[examples, ...]`; where several outputs are named, a dict of such arrays.

        Raises:
            ValueError: if there is no output of a name.
        """
        self._wanted = (outputs,) if isinstance(outputs, str) else tuple(outputs or ())
        self.predict_function = None
        try:
            found = super().predict(x, batch_size, verbose, steps, callbacks)
        finally:
            if self._wanted:
                self._wanted, self.predict_function = (), None
        return found[outputs] if isinstance(outputs, str) else found


class _Epochs(keras.callbacks.Callback):
    """Tells a cohort what its training loop knows: how long an epoch is, which one begins, what validation found."""

    def on_train_begin(self, logs=None):
        steps = self.model.told_steps_per_epoch or self.params.get("steps")
        if steps != self.model.steps_per_epoch:
            self.model.steps_per_epoch = steps
            self.model.forget_loops()
            self.model.make_train_function()

    def on_epoch_begin(self, epoch, logs=None):
        self.model.begin_epoch(epoch)
        self.model.make_train_function()
        self._epoch, self._steps = epoch, 0

    def on_train_batch_end(self, batch, logs=None):
        if not self._steps:
            self.model.check_reached(self._epoch, self.params["epochs"])
        self._steps += 1

    def on_epoch_end(self, epoch, logs=None):
        found = {name.removeprefix("val_"): value for name, value in (logs or {}).items() if name.startswith("val_")}
        if found:
            self.model.after_validation(found)
