"""Shift: every channel moves by a pixel, without parameters or arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import ops

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from odtf.losses.tensors import Tensor


@keras.saving.register_keras_serializable(package="odtf")
class Shift2D(keras.layers.Layer):
    """Moves each channel by a displacement of its own, with zeros coming in at the borders; no parameters.

    With `K = kernel_size` and `R = K^2 * floor(channels / K^2)`, channel `c < R` of the output is
    `out[y, x, c] = in[y + dy, x + dx, c]`, `dx = dilation_rate * (c mod K - K // 2)`,
    `dy = dilation_rate * (floor(c / K) mod K - K // 2)`. The channels from R on stay where they are, so fewer than K^2
    channels are not moved at all.

    It is computed as a depthwise convolution with a constant one-hot kernel, an order of magnitude faster than padding,
    slicing and concatenating the displacements.

    Args:
        kernel_size: odd integer K.
        dilation_rate: displacement in pixels between neighbouring positions of the kernel.
        positions: for each channel, the position in the kernel that it comes from, counted row by row; None: as above,
            `c mod K^2`. Where channels are taken out of a network, those that stay move as they did.
        **kwargs: the arguments of `keras.layers.Layer`.

    Raises:
        ValueError: if `kernel_size` is even, or either argument not positive; if the positions are not one for each
            channel, or outside of the kernel.

    Reference:
        Wu et al., "Shift: A Zero FLOP, Zero Parameter Alternative to Spatial Convolutions", 2018; the assignment of
        channels is that of the released kernel, github.com/peterhj/shiftnet_cuda_v2.
    """

    def __init__(
        self, kernel_size: int = 3, dilation_rate: int = 1, positions: Sequence[int] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"The kernel of a shift is odd and positive. Received: kernel_size={kernel_size}")
        if dilation_rate < 1:
            raise ValueError(f"The dilation of a shift is at least 1. Received: dilation_rate={dilation_rate}")
        self.kernel_size = kernel_size
        if positions is not None and not all(0 <= position < kernel_size**2 for position in positions):
            raise ValueError(
                f"The positions of channels are in the kernel, 0 to {kernel_size**2 - 1}. Received: {positions}"
            )
        self.dilation_rate = dilation_rate
        self.positions = None if positions is None else tuple(int(position) for position in positions)

    def build(self, input_shape: tuple[Any, ...]) -> None:
        channels = input_shape[-1]
        positions = shift_positions(channels, self.kernel_size) if self.positions is None else self.positions
        if len(positions) != channels:
            raise ValueError(f"Each channel has a position. Received: {channels} channels, {len(positions)} positions")
        # A NumPy constant: no weight to count, to save or to differentiate with respect to.
        self.one_hot = shift_kernel(np.asarray(positions, int), self.kernel_size)
        self._moves = self.one_hot[self.kernel_size // 2, self.kernel_size // 2].sum() < channels

    def call(self, inputs: Tensor) -> Tensor:
        if not self._moves:
            return inputs

        kernel = ops.convert_to_tensor(self.one_hot, dtype=inputs.dtype)
        return ops.depthwise_conv(
            inputs, kernel, padding="same", data_format="channels_last", dilation_rate=self.dilation_rate
        )

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        return input_shape

    def deploy(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Applies a stock depthwise convolution with the one-hot weights: one operator, lossless in int8.

        Args:
            x: KerasTensor `[batch, height, width, channels]`.

        Returns:
            KerasTensor, the output.
        """
        layer = keras.layers.DepthwiseConv2D(
            self.kernel_size,
            padding="same",
            dilation_rate=self.dilation_rate,
            use_bias=False,
            trainable=False,
            dtype="float32",
            name=self.name,
        )
        y = layer(x)
        layer.set_weights([self.one_hot])
        return y

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "kernel_size": self.kernel_size, "dilation_rate": self.dilation_rate}
        return config if self.positions is None else {**config, "positions": list(self.positions)}


def shift_positions(channels, kernel_size):
    """The position in the kernel that each of so many channels comes from, an int array."""
    c = np.arange(channels)
    moved = c < channels // kernel_size**2 * kernel_size**2
    return np.where(moved, c % kernel_size**2, kernel_size**2 // 2)


def shift_kernel(positions, kernel_size):
    """The one-hot depthwise kernel of a shift: float32 array `[kernel_size, kernel_size, channels, 1]`."""
    kernel = np.zeros((kernel_size, kernel_size, len(positions), 1), np.float32)
    kernel[positions // kernel_size, positions % kernel_size, np.arange(len(positions)), 0] = 1.0
    return kernel
