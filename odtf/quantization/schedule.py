"""When a run quantises."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


FLOAT, QUANTIZED, FROZEN = "float", "quantized", "frozen"


@keras.saving.register_keras_serializable(package="odtf")
class Schedule:
    """The phases of quantisation-aware training: float, quantised, and quantised with frozen batch normalisation.

    Weights and activations that still move fast give ranges that are soon wrong, so quantisation begins late; and batch
    statistics make the folded weights jump from step to step, so the last epochs normalise with the moving statistics,
    as inference does, and leave them as they are.

    All layers of a cohort look at one schedule. Its phase is a function of the epoch alone, which a resumed run enters
    by itself, and is read when a step is traced. A fresh schedule quantises: networks that are loaded and not trained
    need nothing else.

    Args:
        epochs: int, how many epochs a run has; None: no end is known, and batch normalisation never freezes.
        delay_epochs: int, how many of the first epochs are float; None: half of them, rounded down.
        freeze_batch_norm_epochs: int, how many of the last epochs have frozen statistics; None: a tenth, rounded down.

    Raises:
        ValueError: if no epoch is left to quantise in, or a number is negative.

    Reference:
        Jacob et al., arXiv 1712.05877, section 3.1 (delay of activation quantisation); Krishnamoorthi, arXiv
        1806.08342, section 3.2.2 (freezing batch normalisation).
    """

    def __init__(
        self, epochs: int | None = None, delay_epochs: int | None = 0, freeze_batch_norm_epochs: int | None = 0
    ) -> None:
        delay = (epochs or 0) // 2 if delay_epochs is None else delay_epochs
        frozen = (epochs or 0) // 10 if freeze_batch_norm_epochs is None else freeze_batch_norm_epochs
        if delay < 0 or frozen < 0:
            raise ValueError(
                f"Numbers of epochs are not negative. Received: delay_epochs={delay}, freeze_batch_norm_epochs={frozen}"
            )
        if epochs is not None and delay >= epochs:
            raise ValueError(f"Quantisation begins before the last epoch ends. Received: delay_epochs={delay}")
        self.epochs, self.frozen, self.delay = epochs, frozen, delay
        self.freeze = float("inf") if epochs is None else epochs - frozen
        self.phase = QUANTIZED

    def get_config(self) -> dict[str, int | None]:
        """Returns the arguments that make an equal schedule, whose phase begins anew."""
        return {"epochs": self.epochs, "delay_epochs": self.delay, "freeze_batch_norm_epochs": self.frozen}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Schedule:
        """Makes a schedule from what `get_config` returned."""
        return cls(**config)

    def phase_at(self, epoch: int) -> str:
        """Returns the phase of a 0-based epoch: "float", "quantized" or "frozen"."""
        if epoch < self.delay:
            return FLOAT
        return QUANTIZED if epoch < self.freeze else FROZEN

    def begin_epoch(self, epoch: int) -> bool:
        """Enters the phase of an epoch; returns whether it is another one, for which steps must be traced anew."""
        before, self.phase = self.phase, self.phase_at(epoch)
        return self.phase != before

    @property
    def quantizes(self) -> bool:
        """Whether weights and activations are quantised now."""
        return self.phase != FLOAT

    @property
    def freezes(self) -> bool:
        """Whether batch normalisation keeps its statistics also in training now."""
        return self.phase == FROZEN
