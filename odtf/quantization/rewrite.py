"""From a float network to one that is trained quantised."""

import collections
import functools

import keras
from keras import layers

from odtf.layers import ChannelShuffle, GhostModule, Shift2D
from odtf.quantization.quantized import EQUAL_SCALES, Quantized
from odtf.quantization.quantized_convolution import QuantizedConvolution
from odtf.quantization.range import Range

_KERNELS = (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)
_ACTIVATIONS = (layers.Activation, layers.ReLU)
_COMPUTING = (*_KERNELS, *_ACTIVATIONS, *EQUAL_SCALES, layers.BatchNormalization, layers.Add)
_COMPUTING += (layers.GlobalAveragePooling2D,)
# Layers that move values or choose among them: their output has the levels of their input.
MOVING = (layers.InputLayer, layers.MaxPooling2D, layers.ZeroPadding2D, layers.Cropping2D, layers.Flatten)
MOVING += (layers.Reshape, layers.Permute, layers.Dropout, Shift2D, ChannelShuffle)


def quantization_aware(network, schedule, *, momentum=0.99, input_range=None):
    """Rewrites a network so that it trains with the rounding of its int8 form.

    Weights are int8, with a scale for each output channel (one for all of a dense layer) and batch normalisation folded
    into them; activations int8 with a scale a tensor. What an operator of the int8 file does in one go is rounded once:
    a convolution with its batch normalisation and ReLU, a sum with its ReLU. A Ghost module becomes its parts.

    Args:
        network: functional `keras.Model` of Keras' and odtf's layers, with a dictionary of taps for output. Its layers
            become parts of the result, which has their variables and, at every layer where networks may part, their
            names.
        schedule: `Schedule`, which may serve several networks.
        momentum: float in [0, 1), of the ranges of activations.
        input_range: pair of floats, between which normalised pixels lie, see `pixel_range`; None: it is observed.

    Returns:
        Functional `keras.Model` of the same name, input and taps. It is deployed in float as `network` would be.

    Raises:
        ValueError: if a layer has no int8 form, naming it.
    """
    graph = _Graph(network)
    for layer in network.layers:
        _check(layer)
        if isinstance(layer, layers.BatchNormalization) and len(layer.input.shape) != 4:
            graph.check_folds(layer)

    def range_of(layer):
        return Range(schedule, momentum, name=f"{layer.name}_range")

    def ranged(layer):
        return None if graph.leaves_rounding(layer) else range_of(layer)

    def call(layer, x, **kwargs):
        x = keras.tree.map_structure(pixels, x)
        if layer in graph.folded:
            return x  # Its batch normalisation makes both of it.
        if isinstance(layer, layers.BatchNormalization) and graph.maker(layer.input) in graph.folded:
            return QuantizedConvolution(graph.maker(layer.input), layer, ranged(layer), schedule, x)(x)
        if isinstance(layer, _KERNELS):
            return QuantizedConvolution(layer, None, ranged(layer), schedule, x)(x)
        if isinstance(layer, GhostModule):
            return _ghost(layer, x, range_of, schedule)
        if isinstance(layer, layers.BatchNormalization):
            return Quantized(layer, ranged(layer), schedule, x)(x)
        if isinstance(layer, _COMPUTING):
            return Quantized(layer, ranged(layer), schedule)(x)
        return layer(x, **kwargs)

    @functools.cache
    def rounded_image(image):
        return Range(schedule, momentum, fixed=input_range, name=f"{image.name}_range")(image)

    def pixels(x):
        return rounded_image(x) if isinstance(x._keras_history.operation, layers.InputLayer) else x

    return keras.models.clone_model(network, clone_function=lambda layer: layer, call_function=call)


class _Graph:
    """Who uses what a layer makes."""

    def __init__(self, network):
        self._makers, self._users, taps = {}, collections.defaultdict(list), {id(x) for x in network.output.values()}
        for layer in network.layers:
            self._makers[id(layer.output)] = layer
            for x in () if isinstance(layer, layers.InputLayer) else keras.tree.flatten(layer.input):
                self._users[id(x)].append(layer)
        self.folded = {
            layer
            for layer in network.layers
            if isinstance(layer, _KERNELS)
            and id(layer.output) not in taps
            and isinstance(self._only_user(layer), layers.BatchNormalization)
        }

    def maker(self, tensor):
        return self._makers[id(tensor)]

    def check_folds(self, norm):
        if self.maker(norm.input) not in self.folded:
            raise ValueError(
                "A batch normalisation of vectors has an int8 form only as part of the dense layer before it. "
                f"Received: layer {norm.name!r}"
            )

    def _only_user(self, layer):
        users = self._users[id(layer.output)]
        return users[0] if len(users) == 1 else None

    def leaves_rounding(self, layer):
        """Whether the one layer that takes a layer's output rounds it: in one operator with it, or to equal scales."""
        user = self._only_user(layer)
        if isinstance(layer, EQUAL_SCALES):
            return False  # Its inputs need its range.
        fuses = isinstance(layer, (*_KERNELS, layers.BatchNormalization, layers.Add))
        return isinstance(user, EQUAL_SCALES) or (fuses and isinstance(user, _ACTIVATIONS))


def _check(layer):
    if not isinstance(layer, (*_COMPUTING, *MOVING, GhostModule)):
        reason = f"a layer of type {type(layer).__name__} has none here"
    elif isinstance(layer, layers.Activation) and layer.activation.__name__ not in ("relu", "relu6", "linear"):
        reason = f"the activation {layer.activation.__name__} has none here: relu or relu6 would be right"
    elif isinstance(layer, layers.ReLU) and (layer.max_value not in (None, 6) or layer.negative_slope):
        reason = "a ReLU is plain, or ends at 6"
    elif isinstance(layer, _KERNELS) and layer.activation is not keras.activations.linear:
        reason = "an activation is a layer of its own"
    elif isinstance(layer, layers.Concatenate) and layer.axis not in (-1, len(layer.output.shape) - 1):
        reason = "a concatenation is of channels"
    else:
        return
    raise ValueError(f"Every layer must have an int8 form, and {reason}. Received: layer {layer.name!r}")


def _ghost(module, x, range_of, schedule):
    """Applies the parts of a Ghost module; the ghosts are rounded where they join the primary features."""

    def convolved(convolution, norm, activation, x):
        output_range = range_of(convolution) if convolution is module.primary else None
        if activation is None:
            return QuantizedConvolution(convolution, norm, output_range, schedule, x)(x)
        _check(activation)
        y = QuantizedConvolution(convolution, norm, None, schedule, x)(x)
        return Quantized(activation, output_range, schedule)(y)

    return module.composed(x, convolved, lambda layer, parts: Quantized(layer, range_of(layer), schedule)(parts))
