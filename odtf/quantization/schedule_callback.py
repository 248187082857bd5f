"""The schedule of quantisation-aware training for stock `fit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from odtf.quantization.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


class ScheduleCallback(keras.callbacks.Callback):
    """Tells a model made by `quantization_aware` when to begin rounding, and when to freeze batch normalisation.

    What the phase is depends on the epoch alone: `fit(..., initial_epoch=n)` on a loaded model goes on where the saved
    one was.

    Args:
        epochs: int, of the whole training; None: those of `fit`.
        delay_epochs: int, how many of the first epochs are float; None: half of them, rounded down.
        freeze_batch_norm_epochs: int, how many of the last epochs have frozen statistics; None: a tenth, rounded down.

    Raises:
        ValueError: when training begins, if no epoch is left to round in, a number is negative, or the model has
            nothing that is quantised.
    """

    def __init__(
        self, epochs: int | None = None, delay_epochs: int | None = None, freeze_batch_norm_epochs: int | None = None
    ) -> None:
        super().__init__()
        self._settings = epochs, delay_epochs, freeze_batch_norm_epochs
        self._schedule: Schedule | None = None
        self._followers: Sequence[Schedule] = ()

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        epochs, delay, frozen = self._settings
        self._schedule = Schedule(self.params["epochs"] if epochs is None else epochs, delay, frozen)
        self._followers = schedules_of(self.model)
        if not self._followers:
            raise ValueError(
                "A schedule is of a model that odtf.quantization.quantization_aware made. "
                f"Received: model {self.model.name!r} without quantised layers"
            )

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        assert self._schedule is not None  # Training has begun.
        phase = self._schedule.phase_at(epoch)
        if all(schedule.phase == phase for schedule in self._followers):
            return
        for schedule in self._followers:
            schedule.phase = phase
        # A step reads the phase when it is traced.
        self.model.test_function = self.model.predict_function = None
        self.model.make_train_function(force=True)


def schedules_of(model):
    """Returns the schedules that the layers of a model look at: one, or where it was loaded one a layer."""
    found = (getattr(layer, "schedule", None) for layer in model._flatten_layers())
    return list({id(each): each for each in found if isinstance(each, Schedule)}.values())
