"""What a network costs: parameters, operations, activation memory, size of the deployed file."""

import dataclasses
import math

import keras
from keras import ops

from odtf.layers import Shift2D
from odtf.models.deployment import deploy

_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
# Layers that the converter folds into the one before, or that only relabel memory: they hold no tensor of their own.
_FOLDED = (
    keras.layers.BatchNormalization,
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.Reshape,
    keras.layers.Dropout,
)
# Layers that count no operations until they are deployed as depthwise convolutions.
_FREE = (Shift2D, keras.layers.BatchNormalization)
# What an exported int8 LiteRT file holds beside the weights. A kernel has a scale a channel, float32; a bias four bytes
# and a scale; zero points, int64, are stored once for all layers of a width. The rest is fitted to files of the
# converter of TensorFlow 2.21: an operator has options, tensors and padding.
_BYTES_PER_KERNEL_CHANNEL = 4
_BYTES_PER_BIAS = 4 + 4
_BYTES_PER_WIDTH = 8
_BYTES_PER_OPERATOR = 115
_BYTES_PER_FILE = 2980


@dataclasses.dataclass(frozen=True)
class Cost:
    """Cost of one example through a network.

    Attributes:
        params: trainable parameters, batch normalisation's scale and offset included; of the deployed network: the
            constants it holds once batch normalisation is folded, which adds a shift's one-hot kernel and gives every
            convolution a bias.
        macs: multiply-accumulates of convolutions and dense layers, each at the resolution it really runs at. Shifts
            and batch normalisations count none, until they are deployed as depthwise convolutions.
        activation_bytes: the most int8 bytes of activations alive at once during inference in the order of the layers
            (inputs and output of the running operator, and what later ones still need): what the tensor arena of a
            microcontroller must hold at least.
        int8_bytes: estimated size of the int8 LiteRT file as `odtf.export` writes it for a system-on-chip, to two per
            cent.
    """

    params: int
    macs: int
    activation_bytes: int
    int8_bytes: int


def cost(model, deployed=False):
    """Counts what a network costs, as trained or as deployed.

    Args:
        model: network with a "logits" tap, or an already deployed one.
        deployed: whether to count the stock layers that the network is deployed as; the two differ in `params`, and,
            where the network has shifts or normalises other than convolutions, in `macs`.

    Returns:
        `Cost`.

    Raises:
        ValueError: if the network's input has no fixed height and width.
    """
    if None in model.input_shape[1:]:
        raise ValueError(f"Costs need a fixed image size. Received: input shape {model.input_shape[1:]}")
    stock = deploy(model) if isinstance(model.output, dict) else model
    inner = {layer.name: getattr(layer, "layer", layer) for layer in model.layers}  # Of a layer that rounds another's.
    free = set() if deployed else {name for name, layer in inner.items() if isinstance(layer, _FREE)}
    operators = [layer for layer in stock.layers if not isinstance(layer, (keras.layers.InputLayer, *_FOLDED))]
    kernels = [layer for layer in operators if isinstance(layer, (*_CONVOLUTIONS, keras.layers.Dense))]
    weights, channels = _constants(kernels)
    # The converter stores equal constants once, which the one-hot kernels of shifts are.
    distinct = {ops.convert_to_numpy(layer.kernel).tobytes(): layer for layer in kernels}.values()
    stored, channels_stored = _constants(distinct)
    widths = sum({layer.output.shape[-1] for layer in kernels})
    int8_bytes = stored + _BYTES_PER_KERNEL_CHANNEL * channels_stored + _BYTES_PER_BIAS * channels
    int8_bytes += _BYTES_PER_WIDTH * widths
    trained = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    return Cost(
        params=weights + channels if deployed or not trained else trained,
        macs=sum(_macs(layer) for layer in kernels if deployed or layer.name not in free),
        activation_bytes=_peak_bytes(stock),
        int8_bytes=int8_bytes + _BYTES_PER_OPERATOR * len(operators) + _BYTES_PER_FILE,
    )


def _constants(layers):
    """Weights, and output channels, each of which has a bias."""
    layers = list(layers)
    return sum(math.prod(layer.kernel.shape) for layer in layers), sum(layer.output.shape[-1] for layer in layers)


def _macs(layer):
    """Every output pixel takes the kernel once, whatever its groups: grouping shows in the kernel's shape."""
    positions = math.prod(layer.output.shape[1:-1])
    return math.prod(layer.kernel.shape) * positions


def _peak_bytes(model):
    """Most bytes alive at once, one a value, when the layers run in order and a tensor dies with its last use."""
    holder, uses = {}, []
    for layer in model.layers:
        is_input = isinstance(layer, keras.layers.InputLayer)
        inputs = [] if is_input else [holder[id(x)] for x in keras.tree.flatten(layer.input)]
        folded = isinstance(layer, _FOLDED)
        holder[id(layer.output)] = inputs[0] if folded else layer.output
        if not folded:
            uses.append((inputs, layer.output))
    last = {id(tensor): step for step, (inputs, output) in enumerate(uses) for tensor in (*inputs, output)}
    alive, peak = {}, 0
    for step, (_, output) in enumerate(uses):
        alive[id(output)] = math.prod(output.shape[1:])
        peak = max(peak, sum(alive.values()))
        alive = {tensor: size for tensor, size in alive.items() if last[tensor] > step}
    return peak
