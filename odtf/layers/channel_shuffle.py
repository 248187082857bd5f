"""Channel shuffle between two grouped convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

if TYPE_CHECKING:
    from typing import Any

    from odtf.losses.tensors import Tensor


@keras.saving.register_keras_serializable(package="odtf")
class ChannelShuffle(keras.layers.Layer):
    """Interleaves the channels of `groups` groups, so that the next grouped convolution sees all of them.

    Input channel `c` of C goes to `(c mod (C / groups)) * groups + floor(c / (C / groups))`. It is a reshape, a
    transposition and a reshape, which accelerators take; a gather is not.

    Args:
        groups: number of groups, at least 2, that divides the channels.
        **kwargs: the arguments of `keras.layers.Layer`.

    Raises:
        ValueError: if `groups` is less than 2 or, on building, does not divide the channels.

    Reference:
        Zhang et al., "ShuffleNet", 2018, section 3.1.
    """

    def __init__(self, groups: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(groups, int) or groups < 2:
            raise ValueError(f"Shuffling needs at least 2 groups. Received: groups={groups}")
        self.groups = groups

    def build(self, input_shape: tuple[Any, ...]) -> None:
        if input_shape[-1] % self.groups:
            raise ValueError(
                "The channels must be a multiple of the groups. "
                f"Received: {input_shape[-1]} channels, groups={self.groups}"
            )

    def call(self, inputs: Tensor) -> Tensor:
        y = ops.reshape(inputs, (-1, self.groups, inputs.shape[-1] // self.groups))
        return ops.reshape(ops.transpose(y, (0, 2, 1)), ops.shape(inputs))

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        return input_shape

    def deploy(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Applies the stock layers Reshape, Permute, Reshape, at rank 4, which small runtimes stop at.

        Args:
            x: KerasTensor `[batch, height, width, channels]` of known height and width.

        Returns:
            KerasTensor, the output.
        """
        _, height, width, channels = x.shape
        split = (height * width, self.groups, channels // self.groups)
        y = keras.layers.Reshape(split, dtype="float32", name=f"{self.name}_split")(x)
        y = keras.layers.Permute((1, 3, 2), dtype="float32", name=f"{self.name}_transpose")(y)
        return keras.layers.Reshape((height, width, channels), dtype="float32", name=self.name)(y)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "groups": self.groups}
