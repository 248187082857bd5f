"""Layers as parts of others, and how they are deployed from within."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import ops

from odtf.models.graph import call_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from typing_extensions import Self

    from odtf.losses.tensors import Tensor


class Parts(keras.layers.Layer):
    """A layer made of others, whose names follow when it is renamed: parts of a joined network need names of their own.

    Args:
        name: name of the last part, which is what this layer stands for in the network.
        x: KerasTensor, the input, if its levels matter; see `takes`.
        **kwargs: the arguments of `keras.layers.Layer`.
    """

    # Whether the layer must know the levels of its input.
    knows_input = False

    def __init__(self, name: str, x: Any = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self._first_name = name
        # A function without arguments, for Keras would make the range a part of this layer.
        self.input_scale: Any = None if x is None else scale_of(x)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # A layer that was loaded finds its input when the graph is built.
        if self.knows_input and self.input_scale is None and hasattr(args[0], "_keras_history"):
            self.input_scale = scale_of(args[0])
        return super().__call__(*args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        parts = {name: keras.saving.serialize_keras_object(part) for name, part in self.parts().items()}
        return {**super().get_config(), **parts}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        config = {
            name: keras.saving.deserialize_keras_object(value)
            if isinstance(value, dict) and "class_name" in value and name != "dtype"
            else value
            for name, value in config.items()
        }
        return cls(**config)

    def parts(self) -> dict[str, Any]:
        """Returns the layers and settings that this layer was made of, by the names of its arguments."""
        return {}

    def output_scale(self) -> Tensor:
        """Returns the step between two levels of the output, a float scalar tensor."""
        return self.output_range.scale()

    def takes(self, x: keras.KerasTensor) -> None:
        """Notes that the layer's input is another KerasTensor now: where networks join, they have one range."""
        if self.input_scale is not None:
            self.input_scale = scale_of(x)

    def deploy_part(
        self, part: keras.layers.Layer, x: keras.KerasTensor | Sequence[keras.KerasTensor], **kwargs: Any
    ) -> keras.KerasTensor:
        """Applies the stock Keras layers that a part is deployed as, with its present weights.

        Args:
            part: layer, one of Keras' or with a method `deploy`.
            x: KerasTensor, or a list of them.
            **kwargs: what `deploy` takes.

        Returns:
            KerasTensor, the output.
        """
        own = part.name
        part.name = self.name.removesuffix(self._first_name) + own
        try:
            if hasattr(part, "deploy"):
                return part.deploy(x, **kwargs)
            layer = type(part).from_config({**part.get_config(), "dtype": "float32"})
            y = layer(x)
            layer.set_weights(part.get_weights())
            return y
        finally:
            part.name = own


def scale_of(x):
    """Returns the function that gives the step between two levels of a rounded KerasTensor, a float scalar tensor."""
    call = call_of(x)
    if hasattr(call.operation, "bounds"):
        return call.operation.scale
    if isinstance(call.operation, Parts):
        return call.operation.output_scale
    return scale_of(call.input_tensors[0])  # The layer moves values.


def rounded(x, scale):
    """Rounds to multiples of a scale; gradients take it for the identity.

    Args:
        x: float tensor.
        scale: float tensor that broadcasts to it.

    Returns:
        Tensor like `x`.
    """
    scale = ops.maximum(scale, 1e-30)
    return x + ops.stop_gradient(scale * ops.round(x / scale) - x)


def kept_alive(kernel, bias, scale):
    """Gives channels of which nothing is left one weight so small that it moves no output by a level.

    int8 has a scale for each channel, and none for a channel of zeros. The bias is counted in units of that scale times
    the input's, and must fit into 32 bits.

    Args:
        kernel: array `[..., filters]`, or of a depthwise convolution `[height, width, channels, multiplier]`.
        bias: array `[filters]`.
        scale: float, of one level of the input.

    Returns:
        Array of the kernel's shape.
    """
    flat = kernel.reshape(-1, bias.size)
    least = np.maximum(127.0 * np.abs(bias) / (scale * 2.0**30), 1e-6 * np.abs(kernel).max() + 1e-12)
    dead = np.abs(flat).max(axis=0) < least
    flat = np.where(dead, 0.0, flat)
    flat[0] = np.where(dead, least, flat[0])
    return flat.reshape(kernel.shape)
