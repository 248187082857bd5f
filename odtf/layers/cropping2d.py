"""Cropping, with a gradient that does not hold a step up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

if TYPE_CHECKING:
    from odtf.losses.tensors import Tensor


@keras.saving.register_keras_serializable(package="odtf")
class Cropping2D(keras.layers.Cropping2D):
    """`keras.layers.Cropping2D` as a split into what stays and what goes: same values, same config.

    The stock layer is a strided slice, whose gradient on a CPU takes twenty times as long as the concatenation that is
    the gradient of a split: of the answer of a segmenter, half of its training step. What has no known size, or has
    its channels first, is left to the stock layer.

    Args:
        cropping: rows and columns to cut off, as for `keras.layers.Cropping2D`.
        **kwargs: the arguments of `keras.layers.Cropping2D`.
    """

    def call(self, inputs: Tensor) -> Tensor:
        if self.data_format != "channels_last" or None in inputs.shape[1:3]:
            return super().call(inputs)
        for axis, (before, after) in enumerate(self.cropping, start=1):
            size = inputs.shape[axis]
            if before or after:
                inputs = ops.split(inputs, [before, size - after], axis=axis)[1]
        return inputs

    def deploy(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Applies the stock layer.

        Args:
            x: KerasTensor.

        Returns:
            KerasTensor, the output.
        """
        return keras.layers.Cropping2D.from_config({**self.get_config(), "dtype": "float32"})(x)
