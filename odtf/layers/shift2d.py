"""Shift: every channel moves by a pixel, without parameters or arithmetic."""

import keras
import numpy as np
from keras import ops


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
        **kwargs: the arguments of `keras.layers.Layer`.

    Raises:
        ValueError: if `kernel_size` is even, or either argument not positive.

    Reference:
        Wu et al., "Shift: A Zero FLOP, Zero Parameter Alternative to Spatial Convolutions", 2018; the assignment of
        channels is that of the released kernel, github.com/peterhj/shiftnet_cuda_v2.
    """

    def __init__(self, kernel_size=3, dilation_rate=1, **kwargs):
        super().__init__(**kwargs)
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"The kernel of a shift is odd and positive. Received: kernel_size={kernel_size}")
        if dilation_rate < 1:
            raise ValueError(f"The dilation of a shift is at least 1. Received: dilation_rate={dilation_rate}")
        self.kernel_size = kernel_size
        self.dilation_rate = dilation_rate

    def build(self, input_shape):
        # A NumPy constant: no weight to count, to save or to differentiate with respect to.
        self.one_hot = shift_kernel(input_shape[-1], self.kernel_size)

    def call(self, inputs):
        if inputs.shape[-1] < self.kernel_size**2:
            return inputs

        kernel = ops.convert_to_tensor(self.one_hot, dtype=inputs.dtype)
        return ops.depthwise_conv(
            inputs, kernel, padding="same", data_format="channels_last", dilation_rate=self.dilation_rate
        )

    def compute_output_shape(self, input_shape):
        return input_shape

    def deploy(self, x):
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

    def get_config(self):
        return {**super().get_config(), "kernel_size": self.kernel_size, "dilation_rate": self.dilation_rate}


def shift_kernel(channels, kernel_size):
    """The one-hot depthwise kernel of a shift: float32 array `[kernel_size, kernel_size, channels, 1]`."""
    c = np.arange(channels)
    moved = c < channels // kernel_size**2 * kernel_size**2
    row = np.where(moved, c // kernel_size % kernel_size, kernel_size // 2)
    column = np.where(moved, c % kernel_size, kernel_size // 2)
    kernel = np.zeros((kernel_size, kernel_size, channels, 1), np.float32)
    kernel[row, column, c, 0] = 1.0
    return kernel
