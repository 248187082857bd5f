"""The range of an activation: learned as a moving average, and quantised to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf
from keras import ops

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from typing_extensions import Self

    from odtf.losses.tensors import Tensor
    from odtf.quantization.schedule import Schedule


_LEVELS = 255
# With as many levels as pixel values, and a mean half-way between two, each pixel would lie between two levels.
MARGIN = 1.002


@keras.saving.register_keras_serializable(package="odtf")
class Range(keras.layers.Layer):
    """Rounds a tensor to 256 levels between bounds that follow the smallest and largest value of the batches.

    Zero is one of the levels, since padding and ReLU make exact zeros. The first batch sets the bounds, so that nothing
    has to be observed before quantisation begins: until then the layer is the identity and costs nothing. Values
    outside are clipped and pass no gradient back, all others pass it unchanged.

    Args:
        schedule: `Schedule`.
        momentum: float in [0, 1), how much of the bounds stays in a step.
        fixed: pair of floats, bounds that are known and do not move; None: they are observed.
        margin: float of at least 1, by which observed bounds are multiplied.
        **kwargs: the arguments of `keras.layers.Layer`.

    Raises:
        ValueError: if the momentum is out of range.

    Reference:
        Jacob et al., arXiv 1712.05877, section 3.1.
    """

    def __init__(
        self,
        schedule: Schedule,
        momentum: float = 0.99,
        fixed: tuple[float, float] | None = None,
        margin: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not 0.0 <= momentum < 1.0:
            raise ValueError(f"The momentum of a range lies in [0, 1). Received: momentum={momentum}")
        self.schedule = schedule
        self.momentum = momentum
        self.fixed = fixed
        self.margin = margin

    def build(self, input_shape: tuple[Any, ...]) -> None:
        start = np.zeros(2, np.float32) if self.fixed is None else np.asarray(self.fixed, np.float32)
        self.bounds = self.add_weight(
            shape=(2,), initializer=lambda *_, **__: start, trainable=False, name="bounds", dtype="float32"
        )

    def get_config(self) -> dict[str, Any]:
        settings = {"momentum": self.momentum, "fixed": self.fixed, "margin": self.margin}
        schedule = keras.saving.serialize_keras_object(self.schedule)
        return {**super().get_config(), "schedule": schedule, **settings}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        return cls(**{**config, "schedule": keras.saving.deserialize_keras_object(config["schedule"])})

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if not self.schedule.quantizes:
            return inputs
        if training and self.fixed is None:
            self.observe(inputs)
        return self.rounded(inputs)

    def observe(self, inputs: Tensor) -> None:
        """Moves the bounds towards those of a batch, zero included; on all replicas alike."""
        batch = ops.stack([ops.minimum(ops.min(inputs), 0.0), ops.maximum(ops.max(inputs), 0.0)])
        if self.margin != 1.0:
            batch = batch * self.margin
        context = tf.distribute.get_replica_context()
        if context is not None and context.num_replicas_in_sync > 1:
            every = context.all_gather(batch[None], axis=0)
            batch = ops.stack([ops.min(every[:, 0]), ops.max(every[:, 1])])
        bounds = ops.convert_to_tensor(self.bounds)
        moved = self.momentum * bounds + (1.0 - self.momentum) * batch
        self.bounds.assign(ops.where(ops.all(bounds == 0.0), ops.stop_gradient(batch), ops.stop_gradient(moved)))

    def rounded(self, inputs: Tensor) -> Tensor:
        """Rounds to the levels between the present bounds."""
        low, high = self.limits()
        return tf.quantization.fake_quant_with_min_max_vars(inputs, low, high, num_bits=8)

    def limits(self) -> tuple[Tensor, Tensor]:
        """Returns the values of the lowest and the highest level, float scalars.

        What was always zero, as behind a ReLU that is dead, has those between 0 and 1: any scale holds a zero, and the
        bias of the next layer, which counts in it, must find a sane one.
        """
        low, high = self.bounds[0], self.bounds[1]
        return nudged(low, ops.where(low == high, 1.0, high), ops)

    def scale(self) -> Tensor:
        """Returns the step from one level to the next, a float scalar tensor."""
        low, high = self.limits()
        return (high - low) / _LEVELS

    @property
    def is_observed(self) -> bool:
        """Whether something else than zero was observed."""
        return bool(np.any(ops.convert_to_numpy(self.bounds)))

    def levels(self, trained: bool = False) -> tuple[float, int]:
        """Returns the scale, a float, and the level of zero, an integer in 0..255, of the present bounds.

        Args:
            trained: whether other ranges of the network were observed: then this one saw nothing but zeros.

        Raises:
            ValueError: if nothing was observed yet.
        """
        low, high = ops.convert_to_numpy(self.bounds)
        if not self.is_observed and not trained:
            name = self.name.removesuffix("_range")
            raise ValueError(
                f"The range of {name} was never observed: train at least one quantised step first. "
                f"Received: bounds ({low:g}, {high:g})"
            )
        low, high = nudged(low, np.float32(1.0) if low == high else high, np)
        scale = (float(high) - float(low)) / _LEVELS
        return scale, round(-float(low) / scale)

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        return input_shape

    def deploy(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Returns `x`: a deployed network computes in float."""
        return x


def nudged(low, high, backend):
    """Moves bounds by less than a level so that zero is one of the levels.

    TensorFlow's kernels and the converter do so themselves, but need not agree where zero lies half-way between two
    levels, as for all symmetric bounds; after this both find the same.

    Args:
        low: float scalar, not positive.
        high: float scalar, not negative.
        backend: `keras.ops` or `numpy`.

    Returns:
        Pair of scalars.
    """
    scale = backend.maximum(high - low, np.float32(1e-6)) / np.float32(_LEVELS)
    zero = backend.floor(-low / scale + np.float32(0.499))
    return -zero * scale, (np.float32(_LEVELS) - zero) * scale


def pixel_range(mean: Sequence[float], std: Sequence[float]) -> tuple[float, float]:
    """The range of normalised pixels.

    Args:
        mean: per channel, of pixels scaled to [0, 1].
        std: per channel, of pixels scaled to [0, 1].

    Returns:
        Pair of floats, a hair wider than the pixels 0..255 of all channels: with as many levels as pixel values, and a
        mean half-way between two of them, every single pixel would be rounded from half-way between two levels.
    """
    middle, unit = np.asarray(mean, np.float64), np.asarray(std, np.float64)
    return min(0.0, MARGIN * float(np.min(-middle / unit))), max(0.0, MARGIN * float(np.max((1.0 - middle) / unit)))
