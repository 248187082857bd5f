"""Cost of a network: parameters, operations, activation memory."""

from __future__ import annotations

import dataclasses
import math

import keras

from odtf.layers import Shift2D
from odtf.lifetimes import Lifetime, peak
from odtf.models.deployment import deploy
from odtf.models.graph import calls, opened

_KERNELS = (
    keras.layers.Conv2D,
    keras.layers.Conv2DTranspose,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
    keras.layers.Dense,
)
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


@dataclasses.dataclass(frozen=True)
class Cost:
    """Cost of one example through a network.

    What a subclassed model does inside is not seen: its operations and activations are None.

    Attributes:
        params: trainable parameters, batch normalisation's scale and offset included; of the deployed network: the
            constants it holds once batch normalisation is folded, which adds a shift's one-hot kernel and gives every
            convolution a bias.
        macs: multiply-accumulates of convolutions, transposed ones too, and dense layers, each at the resolution it
            really runs at. Shifts and batch normalisations count none, until they are deployed as depthwise
            convolutions.
        activation_bytes: the most int8 bytes of activations alive at once during inference in the order of the layers
            (inputs and output of the running operator, and what later ones still need): what the tensor arena of a
            microcontroller must hold at least.
    """

    params: int
    macs: int | None
    activation_bytes: int | None

    def in_words(self) -> str:
        """Returns all that is known of it as a model card says it."""
        words = f"{self.params:,} parameters"
        if self.macs is not None:
            words += f", {self.macs:,} multiply-accumulates an image"
        if self.activation_bytes is not None:
            words += f", at least {self.activation_bytes:,} values of activations alive at once"
        return words


def cost(model: keras.Model, deployed: bool = False, output: str | None = None) -> Cost:
    """Counts what a network costs, as trained or as deployed.

    Args:
        model: network with named taps, an already deployed one, or any functional model; models inside it count too.
        deployed: whether to count the stock layers that the network is deployed as; the two differ in `params`, and,
            where the network has shifts or normalises other than convolutions, in `macs`.
        output: name of the tap that is the answer, as for `deploy`; what other taps alone need is not deployed.

    Returns:
        `Cost`.

    Raises:
        ValueError: if the network's input has no fixed height and width, or its answer must be named.
    """
    if any(None in x.shape[1:] for x in model.inputs):
        raise ValueError(f"Costs need a fixed image size. Received: input shape {model.input_shape[1:]}")
    model = opened(model)
    if isinstance(model.output, dict):
        stock = deploy(model, output)
    elif any(hasattr(layer, "deploy") for layer in model.layers):
        stock = deploy(keras.Model(model.input, {"output": model.output}, name=model.name))
    else:
        stock = model
    inner = {layer.name: getattr(layer, "layer", layer) for layer in model.layers}  # Of a layer that rounds another's.
    free = set() if deployed else {name for name, layer in inner.items() if isinstance(layer, _FREE)}
    kernels = [call for call in calls(stock) if isinstance(call.operation, _KERNELS)]
    trained = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    if any(isinstance(layer, keras.Model) for layer in stock.layers):
        everything = sum(math.prod(variable.shape) for variable in stock.weights)
        return Cost(everything if deployed or not trained else trained, None, None)
    return Cost(
        params=_constants(kernels) if deployed or not trained else trained,
        macs=sum(_macs(call) for call in kernels if call.operation.name not in free),
        activation_bytes=_peak_bytes(stock),
    )


def _constants(kernels):
    """Weights, and a bias for each output channel, of every layer once."""
    layers = {call.operation: call.outputs[0].shape[-1] for call in kernels}
    return sum(sum(math.prod(kernel.shape) for kernel in _kernels(layer)) + biases for layer, biases in layers.items())


def _kernels(layer):
    if isinstance(layer, keras.layers.SeparableConv2D):
        return layer.depthwise_kernel, layer.pointwise_kernel
    return (layer.kernel,)


def _macs(call):
    """Every output pixel takes the kernel once, whatever its groups: grouping shows in the kernel's shape.

    In a transposed convolution it is every input pixel that meets the kernel once, whatever the stride; what falls on
    a margin that is cut off counts too.
    """
    layer = call.operation
    pixels = call.input_tensors[0] if isinstance(layer, keras.layers.Conv2DTranspose) else call.outputs[0]
    return sum(math.prod(kernel.shape) for kernel in _kernels(layer)) * math.prod(pixels.shape[1:-1])


def _peak_bytes(model):
    """Most bytes alive at once, one a value, when the calls run in order and a tensor dies with its last use."""
    holder, sizes, last = {}, {}, {}
    for step, call in enumerate(calls(model)):
        inputs = [holder[id(x)] for x in call.input_tensors]
        if isinstance(call.operation, _FOLDED):
            holder[id(call.outputs[0])] = inputs[0]
            continue
        holder.update((id(x), step) for x in call.outputs)
        sizes[step] = sum(math.prod(x.shape[1:]) for x in call.outputs)
        last.update(dict.fromkeys((*inputs, step), step))
    return peak([Lifetime(size, step, last[step]) for step, size in sizes.items()])
