"""Margins that mirror the image at its border."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

if TYPE_CHECKING:
    from typing import Any

    from odtf.losses.tensors import Tensor


@keras.saving.register_keras_serializable(package="odtf")
class ReflectionPadding2D(keras.layers.Layer):
    """Adds rows and columns on every side that mirror the map without repeating its border, as generators of images do.

    Zeros around an image would show in what is painted there.

    Args:
        margin: rows and columns to add on each side, fewer than the map has.
        **kwargs: the arguments of `keras.layers.Layer`.

    Raises:
        ValueError: if `margin` is not positive, or a map is not larger.
    """

    def __init__(self, margin: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(margin, int) or margin < 1:
            raise ValueError(f"A margin is a positive number of pixels. Received: margin={margin!r}")
        self.margin = margin

    def call(self, inputs: Tensor) -> Tensor:
        sides = inputs.shape[1:3]
        if any(side is not None and side <= self.margin for side in sides):
            raise ValueError(
                f"A map is mirrored in margins smaller than itself. Received: {sides}, margin={self.margin}"
            )
        return ops.pad(inputs, self._margins(), mode="reflect")

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        batch, *sides, channels = input_shape
        return batch, *(None if side is None else side + 2 * self.margin for side in sides), channels

    def deploy(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Applies Keras' own operation.

        Args:
            x: KerasTensor `[batch, height, width, channels]`.

        Returns:
            KerasTensor, the output.
        """
        return ops.pad(x, self._margins(), mode="reflect")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "margin": self.margin}

    def _margins(self):
        return [[0, 0], [self.margin] * 2, [self.margin] * 2, [0, 0]]
