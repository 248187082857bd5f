"""Which class makes what of a layer."""

import keras
from keras import layers

from odtf.layers import GhostModule
from odtf.quantization.canonical_activations import SINGLE, TanhGelu
from odtf.quantization.canonical_layers import MOVING
from odtf.quantization.float_island import FloatIsland
from odtf.quantization.quantized import Quantized
from odtf.quantization.quantized_activations import QuantizedHardSigmoid, QuantizedPReLU
from odtf.quantization.quantized_convolution import QuantizedConvolution
from odtf.quantization.quantized_joins import QuantizedAveragePooling, QuantizedConcatenation
from odtf.quantization.quantized_normalization import QuantizedNormalization
from odtf.quantization.quantized_resizing import QuantizedResizing
from odtf.quantization.quantized_transposition import QuantizedTransposition
from odtf.quantization.resize2d import Resize2D

JOINS = {layers.Concatenate: QuantizedConcatenation, layers.AveragePooling2D: QuantizedAveragePooling}
_KINDS = {
    layers.Conv2DTranspose: QuantizedTransposition,
    layers.Conv2D: QuantizedConvolution,
    layers.DepthwiseConv2D: QuantizedConvolution,
    layers.Dense: QuantizedConvolution,
    layers.BatchNormalization: QuantizedNormalization,
    **JOINS,
    Resize2D: QuantizedResizing,
    layers.PReLU: QuantizedPReLU,
    layers.LayerNormalization: FloatIsland,
    **dict.fromkeys((layers.Activation, layers.ReLU, layers.LeakyReLU, TanhGelu), Quantized),
    **dict.fromkeys((layers.Add, layers.Subtract, layers.Multiply), Quantized),
    **dict.fromkeys((layers.GlobalAveragePooling2D, layers.GlobalAveragePooling1D), Quantized),
}
# Operators that take up a ReLU after them.
FUSING: tuple[type, ...] = (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense, layers.Conv2DTranspose, layers.Add)
FUSING += (layers.BatchNormalization,)


def kind_of(layer, stays_float):
    """Returns the class that quantises a canonical layer; None where it moves values.

    Args:
        layer: layer of a canonical network.
        stays_float: whether it is to compute in float.
    """
    if stays_float:
        return FloatIsland
    if is_moving(layer) or isinstance(layer, GhostModule):
        return None
    if getattr(getattr(layer, "activation", None), "__name__", None) == "hard_sigmoid":
        return QuantizedHardSigmoid
    return next(_KINDS[kind] for kind in type(layer).__mro__ if kind in _KINDS)


def is_moving(layer):
    """Whether the output of a layer has, in inference, the levels of its input."""
    if isinstance(layer, Resize2D):
        return layer.interpolation == "nearest"
    # Keras does not export the class of ConvNeXt's stochastic depth.
    return isinstance(layer, MOVING) or type(layer).__name__ == "StochasticDepth"


def is_fused_activation(layer):
    """Whether a layer is an activation that the operator before it takes up."""
    if isinstance(layer, layers.ReLU):
        return True
    return isinstance(layer, layers.Activation) and layer.activation.__name__ in ("relu", "relu6", "linear")


def check(layer, usage=None):
    """Refuses a layer of a canonical network that has no int8 form.

    Args:
        layer: the layer.
        usage: `Usage` of its network, or None for a part of a layer.

    Raises:
        ValueError: naming it.
    """
    norm = isinstance(layer, layers.BatchNormalization) and usage is not None and layer.name not in usage.floats
    if norm and len(usage.input_of(layer).shape) != 4 and usage.folded_into(layer) is None:
        raise ValueError(
            "A batch normalisation of vectors has an int8 form only as part of the dense layer before it. "
            f"Received: layer {layer.name!r}"
        )
    if isinstance(layer, layers.Activation) and layer.activation.__name__ not in SINGLE:
        raise ValueError(
            f"Every layer must have an int8 form, and the activation {layer.activation.__name__} has none here. "
            f"Received: layer {layer.name!r}"
        )
    if isinstance(layer, keras.Model):
        raise ValueError(f"A nested model must be dissolved first. Received: model {layer.name!r}")
