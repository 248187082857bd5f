"""From a network that was trained quantised to the graph that a converter makes its int8 file of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import tensorflow as tf

from odtf.layers import Shift2D
from odtf.models.deployment import answer_of
from odtf.quantization.float_island import FloatIsland, Shore
from odtf.quantization.kinds import is_moving
from odtf.quantization.quantized import Quantized
from odtf.quantization.quantized_convolution import QuantizedConvolution
from odtf.quantization.quantized_resizing import QuantizedResizing
from odtf.quantization.range import Range

if TYPE_CHECKING:
    from typing import Any

    from odtf.losses.tensors import Tensor


_AWARE = (Quantized, QuantizedConvolution, Range)


class FixedRange(keras.layers.Layer):
    """Rounds to 256 levels that are constants of the graph, where a converter finds them.

    Args:
        scale: float, the step from one level to the next.
        zero: integer in 0..255, the level of zero.
        **kwargs: the arguments of `keras.layers.Layer`.
    """

    def __init__(self, scale: float, zero: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale, self.zero = scale, zero

    def call(self, inputs: Tensor) -> Tensor:
        low, high = -self.zero * self.scale, (255 - self.zero) * self.scale
        return tf.quantization.fake_quant_with_min_max_args(inputs, low, high, num_bits=8)

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        return input_shape


def is_aware(network: keras.Model) -> bool:
    """Returns whether a network was made by `quantization_aware`."""
    return any(isinstance(layer, _AWARE) for layer in network.layers)


def has_channel_scales(network: keras.Model) -> bool:
    """Returns whether the weights of a network's convolutions have a scale for each output channel."""
    return all(layer.per_channel for layer in network.layers if isinstance(layer, QuantizedConvolution))


def floating(network: keras.Model) -> list[str]:
    """Lists the names of the layers of a network made by `quantization_aware` that compute in float."""
    return [layer.name for layer in network.layers if isinstance(layer, FloatIsland)]


def unquantized(network: keras.Model, output: str | int | None = None) -> list[str]:
    """Lists the layers on the way to a tap that are not trained quantised: `lower` refuses them.

    Args:
        network: functional `keras.Model`.
        output: name of the tap, as for `odtf.models.deploy`, if the network has named taps.

    Returns:
        List of names.

    Raises:
        ValueError: if there is no such tap, or the answer must be named.
    """
    layers = keras.Model(network.input, _answer(network, output)).layers
    return [layer.name for layer in layers if not isinstance(layer, _AWARE) and not is_moving(layer)]


def _answer(network, output):
    if isinstance(network.output, dict):
        return network.output[answer_of(network, output)]
    return network.output if output is None else network.output[output]


def lower(network: keras.Model, output: str | int | None = None, grouped: str = "native") -> keras.Model:
    """Rewrites a network that was trained quantised into stock layers with rounded weights, and fixed ranges.

    Weights are constants on the levels that a converter finds for them, rounded before anything splits them. Where the
    inputs of a concatenation have ranges of their own, the converter adds the operators that change their scales.

    Args:
        network: what `quantization_aware` returned, trained.
        output: name of the tap that becomes the output, as for `odtf.models.deploy`; of a network without named taps
            the number of the output, or None for all.
        grouped: "native" keeps a grouped convolution one layer, "split" makes it a standard convolution a group.

    Returns:
        Functional `keras.Model` from normalised pixels to the tap, which computes what `network` does in inference.

    Raises:
        ValueError: if there is no such tap or the answer must be named; if a layer on the way to it is not quantised,
            or its range was never observed.
    """
    if names := unquantized(network, output):
        raise ValueError(f"Every layer must have been trained quantised. Received: layer {names[0]!r}")
    network = keras.Model(network.input, _answer(network, output), name=network.name)
    # Of what was always zero, in a network that was trained, a range knows no more than that.
    trained = any(
        layer.is_observed for layer in network._flatten_layers() if isinstance(layer, Range) and not layer.fixed
    )
    known = {}  # The levels of a tensor by its identity, and the tensor, which must live as long.

    def rounded(y, levels):
        y = FixedRange(*levels, dtype="float32")(y)
        known[id(y)] = levels, y
        return y

    def call(layer, x, **kwargs):
        if isinstance(layer, Range):
            return rounded(x, layer.levels(trained))
        tensors = keras.tree.flatten(x)
        levels = [known[id(each)][0] for each in tensors]
        if isinstance(layer, (Quantized, QuantizedConvolution)):
            own = layer.output_range and layer.output_range.levels(trained)
            y = _lowered(layer, x, levels, grouped, own, rounded)
            if isinstance(layer, QuantizedResizing):  # To the converter an operator that keeps the scale.
                own = levels[0]
            known[id(y)] = None, y  # Not rounded yet: the next layer does it, where this one has no range.
            return y if own is None else rounded(y, own)
        y = layer.deploy(x) if hasattr(layer, "deploy") else layer(x, **kwargs)
        if isinstance(layer, Shift2D):  # To the converter a convolution, of which it must be told what is lossless.
            return rounded(y, levels[0])
        known[id(y)] = levels[0], y
        return y

    def clone(layer):
        if hasattr(layer, "deploy"):
            return layer
        return type(layer).from_config({**layer.get_config(), "dtype": "float32"})

    lowered = keras.models.clone_model(network, clone_function=clone, call_function=call)
    lowered.trainable = False
    return lowered


def _lowered(layer, x, levels, grouped, own, rounded):
    """Returns what a layer becomes, whose output has the levels `own` if any, not yet rounded."""
    if isinstance(layer, FloatIsland):
        x = _mapped(x, levels, lambda t, known: t if known is None else Shore(dtype="float32")(t))
    elif getattr(layer, "needs_equal_scales", False):
        x = _mapped(x, levels, lambda t, known: t if known else rounded(t, own))
    return layer.lower(x, grouped) if isinstance(layer, QuantizedConvolution) else layer.lower(x)


def _mapped(x, levels, function):
    """Applies a function to each tensor and its levels."""
    tensors = [function(t, known) for t, known in zip(keras.tree.flatten(x), levels, strict=True)]
    return tensors if isinstance(x, (list, tuple)) else tensors[0]
