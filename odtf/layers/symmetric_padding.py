"""Symmetric zero padding for Keras convolutions, and what they share when deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

if TYPE_CHECKING:
    from typing import Any

    # What it is mixed into, to a type checker.
    from keras.layers import Layer as Mixin

    from odtf.losses.tensors import Tensor
else:
    Mixin = object


class SymmetricPadding(Mixin):
    """Adds `padding="symmetric"`, and makes it the default, to a Keras convolution layer of rank 2.

    Symmetric padding puts `dilation_rate * (kernel_size // 2)` zeros on every side. At stride 1 this is "same"; at
    stride 2 on even sizes "same" pads below and to the right only, which moves the sampling grid by half a pixel
    against PyTorch, for which the published networks were written.
    """

    def __init__(
        self, *args: Any, padding: str = "symmetric", data_format: str | None = "channels_last", **kwargs: Any
    ) -> None:
        if padding not in ("symmetric", "same", "valid"):
            raise ValueError(
                f"Unknown padding: 'symmetric', 'same' or 'valid' is needed. Received: padding={padding!r}"
            )
        if data_format not in (None, "channels_last"):
            raise ValueError(f"The layer works on channels last only. Received: data_format={data_format!r}")
        self.symmetric = padding == "symmetric"
        super().__init__(*args, padding="valid" if self.symmetric else padding, data_format="channels_last", **kwargs)
        if not self.symmetric:
            return
        if any(size % 2 == 0 for size in self.kernel_size):
            raise ValueError(
                "Symmetric padding needs odd kernel sizes; use padding='same' or 'valid' for even ones. "
                f"Received: kernel_size={self.kernel_size}"
            )
        # At stride 1 the kernel pads by itself, which saves a copy of the input.
        if max(self.strides) == 1:
            self.padding = "same"

    @property
    def margins(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Zeros to add before the convolution: `((top, bottom), (left, right))`."""
        if self.padding == "same" or not self.symmetric:
            return ((0, 0), (0, 0))
        rows, columns = (d * (k // 2) for k, d in zip(self.kernel_size, self.dilation_rate, strict=True))
        return (rows, rows), (columns, columns)

    def call(self, inputs: Tensor) -> Tensor:
        if any(before for before, _ in self.margins):
            inputs = ops.pad(inputs, ((0, 0), *self.margins, (0, 0)))
        return super().call(inputs)

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        grown = [None if n is None else n + sum(m) for n, m in zip(input_shape[1:3], self.margins, strict=True)]
        return super().compute_output_shape((input_shape[0], *grown, input_shape[3]))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "padding": "symmetric" if self.symmetric else self.padding}

    def deploy(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Applies the stock Keras layers that compute the same with this layer's present weights.

        Args:
            x: KerasTensor `[batch, height, width, channels]`.

        Returns:
            KerasTensor, the output.
        """
        if any(before for before, _ in self.margins):
            x = keras.layers.ZeroPadding2D(self.margins, dtype="float32", name=f"{self.name}_pad")(x)
        layer = self.stock_layer()
        y = layer(x)
        layer.set_weights(self.get_weights())
        return y

    def stock_config(self) -> dict[str, Any]:
        """Config of the stock layer: float32, and its own padding."""
        config = keras.layers.Layer.get_config(self)
        return {**self.get_config(), **config, "dtype": "float32", "padding": self.padding}
