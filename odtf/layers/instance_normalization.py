"""Instance normalisation: every channel of every image by its own mean and variance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

if TYPE_CHECKING:
    from typing import Any

    from odtf.losses.tensors import Tensor


@keras.saving.register_keras_serializable(package="odtf")
class InstanceNormalization(keras.layers.Layer):
    """(x - mean) / sqrt(variance + epsilon) of each channel of each image, in training and in inference alike.

    It has neither scale nor offset nor moving statistics, as in the networks for style transfer and image translation.
    Statistics are float32 also under mixed precision. It computes what `keras.layers.GroupNormalization(groups=-1,
    center=False, scale=False)` does, without tensors of rank 5, which small runtimes do not take.

    Args:
        epsilon: float, added to the variance (the biased one).
        **kwargs: the arguments of `keras.layers.Layer`.

    Reference:
        Ulyanov, Vedaldi, Lempitsky, "Instance Normalization", 2016.
    """

    def __init__(self, epsilon: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def call(self, inputs: Tensor) -> Tensor:
        return ops.cast(self.deploy(ops.cast(inputs, "float32")), self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        return input_shape

    def deploy(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Applies Keras' own operations.

        Args:
            x: KerasTensor `[batch, height, width, channels]`.

        Returns:
            KerasTensor, the output.
        """
        centred = x - ops.mean(x, (1, 2), keepdims=True)
        return centred * ops.rsqrt(ops.mean(ops.square(centred), (1, 2), keepdims=True) + self.epsilon)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "epsilon": self.epsilon}
