"""Depthwise convolution with symmetric padding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from odtf.layers.initializers import depthwise_kaiming_normal
from odtf.layers.symmetric_padding import SymmetricPadding

if TYPE_CHECKING:
    from typing import Any


@keras.saving.register_keras_serializable(package="odtf")
class DepthwiseConv2D(SymmetricPadding, keras.layers.DepthwiseConv2D):
    """Depthwise 2D convolution: one kernel a channel. Without bias and symmetrically padded by default.

    Args:
        kernel_size: integer or `(height, width)`.
        strides: integer or pair of equal integers.
        padding: "symmetric" (`dilation_rate * (kernel_size // 2)` zeros on every side), "same" or "valid".
        depth_multiplier: output channels for each input channel.
        dilation_rate: integer or pair; more than 1 only at stride 1.
        use_bias: whether to add a bias.
        depthwise_initializer: by default a normal of standard deviation `sqrt(2 / (height * width))`: the true fan-in
            of a channel, where Keras would count every channel's.
        **kwargs: the further arguments of `keras.layers.DepthwiseConv2D`.

    Raises:
        ValueError: if the kernel is even and the padding symmetric, the strides differ, or the data format is
            channels first.
    """

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int] = 1,
        padding: str = "symmetric",
        depth_multiplier: int = 1,
        dilation_rate: int | tuple[int, int] = 1,
        use_bias: bool = False,
        depthwise_initializer: Any = None,
        **kwargs: Any,
    ) -> None:
        if depthwise_initializer is None:
            depthwise_initializer = depthwise_kaiming_normal(kernel_size)
        super().__init__(
            kernel_size,
            strides=strides,
            padding=padding,
            depth_multiplier=depth_multiplier,
            dilation_rate=dilation_rate,
            use_bias=use_bias,
            depthwise_initializer=depthwise_initializer,
            **kwargs,
        )
        if len(set(self.strides)) > 1:
            raise ValueError(f"A depthwise kernel has equal strides only. Received: strides={self.strides}")
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                "A dilated depthwise convolution has stride 1. "
                f"Received: strides={self.strides}, dilation_rate={self.dilation_rate}"
            )

    def stock_layer(self) -> keras.layers.Layer:
        return keras.layers.DepthwiseConv2D.from_config(self.stock_config())
