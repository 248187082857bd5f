"""Grouped convolution with symmetric padding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from odtf.layers.conv2d import Conv2D
from odtf.layers.grouped_convolution import grouped_convolution

if TYPE_CHECKING:
    from typing import Any

    from odtf.losses.tensors import Tensor


@keras.saving.register_keras_serializable(package="odtf")
class GroupConv2D(Conv2D):
    """Grouped 2D convolution: `groups` convolutions side by side, with 1 / `groups` of the weights and operations.

    Args:
        filters: number of output channels, a multiple of `groups`.
        kernel_size: integer or `(height, width)`.
        groups: number of groups, at least 2, that divides the input channels and the filters.
        strides: integer or pair.
        **kwargs: the further arguments of `odtf.layers.Conv2D`.

    Raises:
        ValueError: if `groups` is less than 2 or does not divide the filters or, on building, the input channels.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        groups: int,
        strides: int | tuple[int, int] = 1,
        **kwargs: Any,
    ) -> None:
        if not isinstance(groups, int) or groups < 2:
            raise ValueError(
                "A grouped convolution needs at least 2 groups, an integer: with one it saves nothing, use Conv2D. "
                f"Received: groups={groups!r}"
            )
        if filters % groups:
            raise ValueError(
                f"The filters must be a multiple of the groups. Received: filters={filters}, groups={groups}"
            )
        super().__init__(filters, kernel_size, strides=strides, **kwargs)
        self.groups = groups

    def build(self, input_shape: tuple[Any, ...]) -> None:
        if input_shape[-1] % self.groups:
            raise ValueError(
                "The input channels must be a multiple of the groups. "
                f"Received: {input_shape[-1]} channels, groups={self.groups}"
            )
        super().build(input_shape)

    def convolution_op(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        return grouped_convolution(inputs, kernel, self.groups, self.strides, self.padding, self.dilation_rate)

    def deploy(self, x: keras.KerasTensor, lowering: str = "native") -> keras.KerasTensor:
        """Applies the stock Keras layers that compute the same with this layer's present weights.

        Args:
            x: KerasTensor `[batch, height, width, channels]`.
            lowering: "native" for one grouped `keras.layers.Conv2D`, or "split" for a standard one a group, which
                suits kernels without groups.

        Returns:
            KerasTensor, the output.
        """
        if lowering == "native":
            return super().deploy(x)
        if any(before for before, _ in self.margins):
            x = keras.layers.ZeroPadding2D(self.margins, dtype="float32", name=f"{self.name}_pad")(x)
        inputs, filters = x.shape[-1] // self.groups, self.filters // self.groups
        weights, outputs = self.get_weights(), []
        for i in range(self.groups):
            # Channels-first cropping of a channels-last tensor crops its channels: a slice made of a stock layer.
            crop = ((0, 0), (i * inputs, (self.groups - 1 - i) * inputs))
            part = keras.layers.Cropping2D(
                crop, data_format="channels_first", dtype="float32", name=f"{self.name}_slice{i}"
            )(x)
            layer = keras.layers.Conv2D.from_config(
                {**self.stock_config(), "groups": 1, "filters": filters, "name": f"{self.name}_group{i}"}
            )
            outputs.append(layer(part))
            layer.set_weights([w[..., i * filters : (i + 1) * filters] for w in weights])
        return keras.layers.Concatenate(dtype="float32", name=self.name)(outputs)
