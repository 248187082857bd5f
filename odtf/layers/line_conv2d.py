"""Row-local 1xN convolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from odtf.layers.conv2d import Conv2D

if TYPE_CHECKING:
    from typing import Any


@keras.saving.register_keras_serializable(package="odtf")
class LineConv2D(Conv2D):
    """Horizontal 1xN convolution: every output row depends on one input row, so hardware needs no line buffer.

    It has 1/N of the weights and operations of the NxN convolution. Padding is added left and right only.

    Args:
        filters: number of output channels.
        kernel_size: integer N, the width of the kernel.
        strides: integer or pair, applied to both directions.
        **kwargs: the further arguments of `odtf.layers.Conv2D`.

    Raises:
        ValueError: if `kernel_size` is no positive integer.
    """

    def __init__(self, filters: int, kernel_size: int = 3, strides: int | tuple[int, int] = 1, **kwargs: Any) -> None:
        if not isinstance(kernel_size, int) or kernel_size < 1:
            raise ValueError(f"The kernel size of a line is one positive integer. Received: kernel_size={kernel_size}")
        super().__init__(filters, (1, kernel_size), strides=strides, **kwargs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kernel_size": self.kernel_size[1]}

    def stock_config(self) -> dict[str, Any]:
        return {**super().stock_config(), "kernel_size": self.kernel_size}
