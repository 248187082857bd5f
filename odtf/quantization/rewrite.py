"""From a float network to one that is trained quantised."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import keras
from keras import layers

from odtf.layers import GhostModule
from odtf.quantization.canonical import canonical
from odtf.quantization.channel_affine import is_preprocessing
from odtf.quantization.kinds import JOINS, check, kind_of
from odtf.quantization.quantized import Quantized
from odtf.quantization.quantized_activations import FIXED_RANGES
from odtf.quantization.quantized_convolution import QuantizedConvolution
from odtf.quantization.quantized_resizing import QuantizedResizing
from odtf.quantization.range import MARGIN, Range
from odtf.quantization.schedule import Schedule
from odtf.quantization.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Sequence


def quantization_aware(
    network: keras.Model,
    schedule: Schedule | None = None,
    *,
    momentum: float = 0.99,
    input_range: tuple[float, float] | None = None,
    keep_float: Sequence[str | type] = (),
    per_channel: bool = True,
    copy: bool = True,
) -> keras.Model:
    """Rewrites a network so that it trains with the rounding of its int8 form.

    Weights are int8, with a scale for each output channel (one for all of a dense layer) and batch normalisation folded
    into them; activations int8 with a scale a tensor. What an operator of the int8 file does in one go is rounded once:
    a convolution with its batch normalisation and ReLU, a sum with its ReLU. Layers that are several operators, such as
    a separable convolution, a Ghost module or one with an activation of its own, become their parts.

    The result trains with `compile` and `fit` as any model; `odtf.quantization.ScheduleCallback` says when rounding
    begins. It is saved and loaded as any model.

    Args:
        network: functional `keras.Model` or `keras.Sequential` of Keras' and odtf's layers, with one output or several,
            and with operators on tensors and nested models in it.
        schedule: `Schedule`, which may serve several networks; None: one of its own, which rounds from the first step
            on unless a `ScheduleCallback` says otherwise.
        momentum: float in [0, 1), of the ranges of activations.
        input_range: pair of floats, between which what the network is fed lies: (0, 255) for one that normalises pixels
            itself, else see `pixel_range`; None: it is observed.
        keep_float: names and classes of layers that compute in float between others of int8. LayerNormalization always
            does: it has no int8 operator.
        per_channel: whether the weights of convolutions have a scale for each output channel; False: one scale, which
            some NPUs run faster.
        copy: whether the result has variables of its own, with the network's values; False: layers that need no
            rewriting become parts of it, and the network must not be used further.

    Returns:
        Functional `keras.Model` of the same name, inputs and outputs, with the names of layers at every place where
        networks may part. It is deployed in float as `network` would be.

    Raises:
        ValueError: if a layer has no int8 form, naming it.
    """
    schedule = Schedule() if schedule is None else schedule
    network, floats = canonical(network, keep_float, copy)
    usage = Usage(network, floats)
    for layer in network.layers:
        check(layer, usage)

    def range_of(layer, **options):
        return Range(schedule, momentum, name=f"{layer.name}_range", **options)

    def ranged(layer):
        function = getattr(getattr(layer, "activation", None), "__name__", None)
        if layer.name not in floats and function in FIXED_RANGES:
            return range_of(layer, fixed=FIXED_RANGES[function])
        if usage.leaves_rounding(layer):
            return None
        if is_preprocessing(layer) and usage.reads_input(layer):
            return range_of(layer, **_normalized_range(layer, input_range))
        return range_of(layer)

    def call(layer, x, **kwargs):
        x = keras.tree.map_structure(pixels, x)
        if layer in usage.folded:
            return x  # Its batch normalisation makes both of it.
        kind = kind_of(layer, layer.name in floats)
        if kind is None:
            return layer(x, **kwargs)
        if issubclass(kind, QuantizedConvolution):
            return kind(layer, None, ranged(layer), schedule, x, per_channel)(x)
        if isinstance(layer, layers.BatchNormalization) and (made := usage.folded_into(layer)) is not None:
            kind = kind_of(made, False)
            return kind(made, layer, ranged(layer), schedule, x, per_channel)(x)
        if issubclass(kind, QuantizedResizing):
            return kind(layer, None, schedule, x)(x)
        return kind(layer, ranged(layer), schedule, x)(x)

    def call_or_compose(layer, x, **kwargs):
        if not isinstance(layer, GhostModule):
            return call(layer, x, **kwargs)
        return _ghost(layer, keras.tree.map_structure(pixels, x), range_of, schedule, per_channel)

    @functools.cache
    def rounded_image(image):
        return Range(schedule, momentum, fixed=input_range, name=f"{image.name}_range")(image)

    def pixels(x):
        return rounded_image(x) if isinstance(x._keras_history.operation, layers.InputLayer) else x

    return keras.models.clone_model(network, clone_function=lambda layer: layer, call_function=call_or_compose)


def _normalized_range(layer, input_range):
    """The range of pixels that the network normalises itself, a hair wider than theirs: see `pixel_range`."""
    if input_range is None:
        return {"margin": MARGIN}
    factor, offset = (weight.reshape(-1) for weight in layer.get_weights())
    ends = [factor * end + offset for end in input_range]
    low, high = min(end.min() for end in ends), max(end.max() for end in ends)
    return {"fixed": (MARGIN * min(0.0, float(low)), MARGIN * max(0.0, float(high)))}


def _ghost(module, x, range_of, schedule, per_channel):
    """Applies the parts of a Ghost module; the ghosts are rounded where they join the primary features."""

    def convolved(convolution, norm, activation, x):
        output_range = range_of(convolution) if convolution is module.primary else None
        if activation is None:
            return QuantizedConvolution(convolution, norm, output_range, schedule, x, per_channel)(x)
        check(activation)
        y = QuantizedConvolution(convolution, norm, None, schedule, x, per_channel)(x)
        return Quantized(activation, output_range, schedule)(y)

    return module.composed(
        x, convolved, lambda layer, parts: JOINS[type(layer)](layer, range_of(layer), schedule)(parts)
    )
