"""What a task says of its exported files: what they end in, what they answer, and how far that may be off."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import keras
    import numpy as np

    from odtf.data import Info
    from odtf.targets import Target as Device


# Rounding costs 16-bit activations little, 8-bit ones more where scores differ little; a broken file is far beyond.
_LARGEST_ERROR = {"float32": 1e-3, "float16": 0.02, "int16x8": 0.2, "dynamic": 0.3, "int8": 0.5}


@dataclasses.dataclass(frozen=True)
class Answer:
    """What an exported file gives.

    Attributes:
        name: of the output tensor.
        shape: of the output, with the batch of 1; None for a size that is the network's own.
        dtype: type of its values; None: the target's.
        quantization: (scale, zero point) by which stored values are read, such as (1.0, 0) for "uint8" pixels; a float
            that the network computes is rounded to them. None: as calibrated, or floats.
        softmax: whether the file gives the softmax of what the network computes, over the last axis. It is computed in
            float32 behind a network of integers: in their steps many classes would share the first place.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str | None = None
    quantization: tuple[float, int] | None = None
    softmax: bool = False


class ExportedTask:
    """The part of `odtf.tasks.Task` that an export asks."""

    name: str

    def fold(self, output: keras.KerasTensor, target: Device) -> keras.KerasTensor:
        """Applies what a target wants behind the network, to a KerasTensor `[1, ...]`; the output itself if nothing.

        It becomes integers where the network does; a softmax, which should not, is said by `answer` instead.

        Args:
            output: what the network computes.
            target: `odtf.targets.Target`; where it is `finished`, a file ends in what an app shows.
        """
        return output

    def folded(self, output: np.ndarray, target: Device) -> np.ndarray:
        """Returns what `fold`, and the answer's softmax, make of a network's answers, numpy arrays `[batch, ...]`."""
        return output

    def comparable(self, answers: np.ndarray, info: Info, target: Device) -> np.ndarray:
        """Returns the answers of a file, or what `folded` gives, in the form that metrics take: as they are.

        Args:
            answers: array `[n, ...]`, as real numbers.
            info: `odtf.data.Info` of the data.
            target: `odtf.targets.Target` of the file.
        """
        return answers

    def answer(self, info: Info, target: Device, quantization: str) -> Answer:
        """Returns the `Answer` of a file.

        Args:
            info: `odtf.data.Info` of the data.
            target: `odtf.targets.Target`.
            quantization: how the file computes.
        """
        raise NotImplementedError

    def check(self, info: Info, shape: Sequence[int | None]) -> None:
        """Refuses data that a network's answers do not fit, before anything is exported.

        Args:
            info: `odtf.data.Info` of the data.
            shape: of the network's output, a tuple; its batch is None.

        Raises:
            UserError: naming what does not fit.
        """

    def allowed_loss(self, metric: str, count: int, max_drop: float) -> float:
        """Returns how far a file's metric may be worse than its network's.

        Where the metric is a share of examples, the margin with which so many images show it is added to this.

        Args:
            metric: name of the metric.
            count: int, how many examples it was computed from.
            max_drop: the price of quantisation, in units of the metric.
        """
        return max_drop

    def least_agreement(self, quantization: str) -> float | None:
        """Returns how far a file must agree with its network, in units of `agreement`; None: the metrics are enough.

        Args:
            quantization: how the file computes.
        """
        return None

    def largest_error(self, quantization: str) -> float | None:
        """Returns the largest root mean square difference of a file's answers from its network's; None: any.

        It is in units of the standard deviation of the network's answers, over images and values.

        Args:
            quantization: how the file computes.
        """
        return _LARGEST_ERROR.get(quantization)

    def is_barely_trained(self, value: float, info: Info) -> bool:
        """Whether a network that the metric which chooses gives this value has learned next to nothing.

        Args:
            value: float.
            info: `odtf.data.Info` of the data.
        """
        return False

    def labels(self, info: Info) -> tuple[str, ...]:
        """Returns the names that go with a file's outputs, a tuple of str; empty where outputs have none."""
        return ()

    def describe(self, info: Info) -> str:
        """Returns words for a file's description: "Image classifier, 10 classes of digits"."""
        return f"{self.name} of {info.name}"
