"""Standard convolution with symmetric padding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from odtf.layers.initializers import kaiming_normal
from odtf.layers.strided_pointwise import convolved, is_strided_pointwise
from odtf.layers.symmetric_padding import SymmetricPadding

if TYPE_CHECKING:
    from typing import Any

    from odtf.losses.tensors import Tensor


@keras.saving.register_keras_serializable(package="odtf")
class Conv2D(SymmetricPadding, keras.layers.Conv2D):
    """Standard 2D convolution, channels last, without bias and symmetrically padded by default.

    Args:
        filters: number of output channels.
        kernel_size: integer or `(height, width)`.
        strides: integer or pair.
        padding: "symmetric" (`dilation_rate * (kernel_size // 2)` zeros on every side), "same" or "valid".
        dilation_rate: integer or pair; more than 1 only at stride 1.
        use_bias: whether to add a bias.
        kernel_initializer: by default a normal of standard deviation `sqrt(2 / fan_in)`.
        **kwargs: the further arguments of `keras.layers.Conv2D`, except `groups`.

    Raises:
        ValueError: if the kernel is even and the padding symmetric, or the data format channels first.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int] = 1,
        padding: str = "symmetric",
        dilation_rate: int | tuple[int, int] = 1,
        use_bias: bool = False,
        kernel_initializer: Any = None,
        **kwargs: Any,
    ) -> None:
        if kwargs.pop("groups", 1) != 1:
            raise ValueError("Conv2D is the standard convolution: use GroupConv2D for groups")
        super().__init__(
            filters,
            kernel_size,
            strides=strides,
            padding=padding,
            dilation_rate=dilation_rate,
            use_bias=use_bias,
            kernel_initializer=kaiming_normal() if kernel_initializer is None else kernel_initializer,
            **kwargs,
        )

    def convolution_op(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        if not is_strided_pointwise(self.kernel_size, self.strides):
            return super().convolution_op(inputs, kernel)
        return convolved(inputs, kernel, self.strides)

    def stock_layer(self) -> keras.layers.Layer:
        return keras.layers.Conv2D.from_config(self.stock_config())
