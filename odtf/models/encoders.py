"""Backbones as encoders: their maps alone, of a picture padded to a multiple of their stride, dilated if wanted."""

import math

import keras

from odtf.layers import GhostModule, Shift2D
from odtf.models import specification

_POOLINGS = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)
_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


def encoded(input_shape, backbone, *, seed, synchronized=False, output_stride=None):
    """Builds a backbone without a head.

    The picture is padded, below and on the right, to the next multiple of the stride, so that every map is half, a
    quarter and so on of the padded picture, and doubling brings it back.

    Args:
        input_shape: `(height, width, channels)`.
        backbone: specification as for `odtf.models.build`.
        seed: integer that every random weight follows from.
        synchronized: whether batch normalisations take their statistics over all replicas.
        output_stride: pixels of the picture for each position of the coarsest map, a power of 2; what strides more is
            dilated instead, so that the same weights see as much of the picture. None: as the backbone is.

    Returns:
        (image, maps, strides): KerasTensor of the input, a list of those of the stages, and a list of the pixels of the
        picture for each of their positions.

    Raises:
        ValueError: if the backbone is none, or its maps are no halves of the picture.
    """
    padded, network = None, _built(backbone, input_shape, seed, synchronized)
    # Again, where the padded picture is another: a backbone may stride more in a larger one.
    while padded != network.input_shape[1:]:
        padded = network.input_shape[1:]
        multiple = min(_strides(network)[-1], output_stride or math.inf)
        sides = (-(-side // multiple) * multiple for side in input_shape[:2])
        wanted = (*sides, input_shape[2])
        network = network if wanted == padded else _built(backbone, wanted, seed, synchronized)
    image = x = keras.Input(tuple(input_shape), name="image")
    margins = [(0, after - before) for before, after in zip(input_shape[:2], padded, strict=False)]
    if any(after for _, after in margins):
        x = keras.layers.ZeroPadding2D(margins, name="padding")(x)
    maps = _applied(network, x, output_stride or math.inf)
    strides = [padded[0] // each.shape[1] for each in maps]
    for each, stride in zip(maps, strides, strict=True):
        if (each.shape[1] * stride, each.shape[2] * stride) != padded[:2] or stride & (stride - 1):
            raise ValueError(
                "A backbone that is decoded halves the picture some times, and nothing else. "
                f"Received: {backbone.get('name')} with a map of {tuple(each.shape[1:3])} for {padded[:2]}"
            )
    return image, maps, strides


def _built(backbone, input_shape, seed, synchronized):
    def no_head(pieces, stages, embedding=None):
        return {}

    return specification.build(backbone, input_shape, no_head, seed=seed, name="encoder", synchronized=synchronized)


def _strides(network):
    """The nearest powers of 2, for sizes that strides and poolings rounded."""
    ratios = [network.input_shape[1] / each.shape[1] for each in network.output.values()]
    return [2 ** round(math.log2(ratio)) for ratio in ratios]


def _applied(network, x, output_stride):
    """The taps of a network on another tensor, a list: copies of its layers, some of them dilated.

    Copies, for a layer that is used twice has the tensors of its first use.
    """
    found = {}
    # Of every tensor: pixels of the picture for each position, and how far the positions are apart that its layer saw
    # side by side before strides were taken out. The tensor is kept, or another might get its identity.
    known = {id(x): (1, 1, x)}

    def call(layer, inputs, **kwargs):
        stride, rate, _ = known[id(keras.tree.flatten(inputs)[0])]
        own = _stride_of(layer)
        taken = own if stride * own > output_stride else 1
        layer = _rewritten(layer, rate, taken)
        outputs = inputs if layer is None else layer(inputs, **kwargs)
        known[id(outputs)] = stride * own // taken, rate * taken, outputs
        return outputs

    def remembered(layer, inputs, **kwargs):
        found[layer.name] = call(layer, inputs, **kwargs)
        return found[layer.name]

    keras.models.clone_model(network, input_tensors=x, clone_function=lambda layer: layer, call_function=remembered)
    return [found[tensor._keras_history.operation.name] for tensor in network.output.values()]


def _stride_of(layer):
    if isinstance(layer, GhostModule):
        return max(layer.primary.strides)
    return max(layer.strides) if isinstance(layer, (*_POOLINGS, *_CONVOLUTIONS)) else 1


def _rewritten(layer, rate, taken):
    """A copy of a layer that sees every `rate`-th position and has `taken` less stride; None: it does nothing."""
    config = layer.get_config()
    if isinstance(layer, _POOLINGS) and (taken > 1 or rate > 1):
        if max(layer.pool_size) == 1:
            return None
        # Poolings have no dilation: after a stride that was taken out they see their next neighbours.
        config |= {"strides": 1, "padding": "same"} if taken > 1 else {}
    elif isinstance(layer, (*_CONVOLUTIONS, GhostModule)):
        config |= {"strides": 1} if taken > 1 else {}
        config |= {"dilation_rate": rate} if rate > 1 else {}
        if isinstance(layer, GhostModule) and rate * taken > 1:
            config |= {"cheap_dilation_rate": rate * taken}  # It comes after the stride.
    elif isinstance(layer, Shift2D) and rate > 1:
        config |= {"dilation_rate": rate}
    return type(layer).from_config(config)
