"""Networks of one shape and different widths, computed two at a time.

Processors convolve channels by eights or sixteens: convolutions of 12 and of 3 channels take half as long again as one
of 16, whose kernel has zeros where the two would meet, and one of 15 takes longest.
"""

import itertools

import keras
from keras import ops

from odtf.layers import BatchNormalization, Conv2D, LineConv2D

# Exactly these, no subclasses: layers whose channels know nothing of each other but through a kernel.
_WIDENED = {Conv2D: "filters", LineConv2D: "filters", keras.layers.Dense: "units"}
_OWN = ("filters", "units")
# What the channels of two networks together are rounded up to.
_MULTIPLE = 8
_AS_THEY_ARE = (
    *(BatchNormalization, keras.layers.ReLU, keras.layers.Activation, keras.layers.Add),
    *(keras.layers.GlobalAveragePooling2D, keras.layers.MaxPooling2D, keras.layers.AveragePooling2D),
)


class Pairs:
    """Several networks on one input; where two together are no wider than another, they run as one.

    The numbers are those of the networks run one by one, but for rounding, gradients and moving statistics included:
    the zeros between two networks are constants.

    Args:
        networks: dict from a name to a functional network of one input, whose output is a dict of taps.
        limit: functional network that a pair may be as wide as, layer by layer; what it does not have is not limited.

    Attributes:
        names: list of pairs of names: which networks run together.
    """

    def __init__(self, networks, limit):
        self._networks = dict(networks)
        self._pairs = {}
        names = list(networks)
        # The widest with the narrowest, then inwards: what fits best where widths fall evenly.
        for first, second in zip(names[: len(names) // 2], names[::-1], strict=False):
            if _fit(networks[first], networks[second], limit):
                self._pairs[first, second] = _Pair(networks[first], networks[second])
        self.names = list(self._pairs)

    def __call__(self, x, training=False):
        """Runs all networks.

        Args:
            x: tensor, the input of each.
            training: bool.

        Returns:
            dict from each name, in order, to the taps of its network.
        """
        taps = {}
        for names, pair in self._pairs.items():
            if training and not all(map(_learns, (self._networks[name] for name in names))):
                continue  # Batch normalisation of theirs is that of inference, which a pair knows nothing of.
            taps.update(zip(names, pair(x, training), strict=True))
        return {
            name: taps[name] if name in taps else network(x, training=training)
            for name, network in self._networks.items()
        }


def _learns(network):
    return all(layer.trainable for layer in network.layers)


class _Pair:
    """Two networks as one, whose own weights are never used: they are put together from theirs in every call."""

    def __init__(self, first, second):
        self._ends = {
            name: list(itertools.accumulate(network.output[name].shape[-1] for network in (first, second)))
            for name in first.output
        }

        def widened(layer):
            config = layer.get_config()
            if type(layer) in _WIDENED:
                config[_WIDENED[type(layer)]] = _width(layer, second.get_layer(layer.name))
            return type(layer).from_config(config)

        self._wide = keras.models.clone_model(first, clone_function=widened)
        sources = {}
        for layer in self._wide.layers:
            # The input layer alone may have another name.
            parts = [network.get_layer(layer.name).weights if layer.weights else [] for network in (first, second)]
            sources.update((id(v), pair) for v, *pair in zip(layer.weights, *parts, strict=True))
        self._trained = [(v.shape, *sources[id(v)]) for v in self._wide.trainable_variables]
        self._moving = [(v.shape, *sources[id(v)]) for v in self._wide.non_trainable_variables]

    def __call__(self, x, training):
        weights = [[_joined(*parts) for parts in variables] for variables in (self._trained, self._moving)]
        outputs, moved = self._wide.stateless_call(*weights, x, training=training)
        if training:
            for value, (_, first, second) in zip(moved, self._moving, strict=True):
                size = first.shape[0]
                first.assign(value[:size])
                second.assign(value[size : size + second.shape[0]])
        # One split, whose gradient is one concatenation.
        parts = {name: ops.split(tap, self._ends[name], axis=-1) for name, tap in outputs.items()}
        return [{name: part[i] for name, part in parts.items()} for i in range(2)]


def _kind(layer):
    """What two layers must have in common: all but their widths and how they were initialised."""
    config = layer.get_config().items()
    return type(layer), [(key, value) for key, value in config if key not in _OWN and "initializer" not in key]


def _width(first, second):
    """Returns the channels that two layers have together, rounded up."""
    width = _WIDENED[type(first)]
    return -(-(getattr(first, width) + getattr(second, width)) // _MULTIPLE) * _MULTIPLE


def _joined(shape, first, second):
    """The second variable after the first on every axis that grows, and zeros; other axes belong to both."""
    before, after = [], []
    for whole, one, other in zip(shape, first.shape, second.shape, strict=True):
        before.append((0, whole - one))
        after.append((0, 0) if whole == other else (one, whole - one - other))
    return ops.pad(first.value, before) + ops.pad(second.value, after)


def _fit(first, second, limit):
    """Whether two networks have the same layers, all of a known kind, and together no wider ones than a third."""
    widest = {layer.name: layer for layer in limit.layers}
    if [layer.name for layer in first.layers[1:]] != [layer.name for layer in second.layers[1:]]:
        return False
    for one, other in zip(first.layers[1:], second.layers[1:], strict=True):
        if type(one) not in (*_WIDENED, *_AS_THEY_ARE) or _kind(one) != _kind(other):
            return False
        # Dense layers do not count: the classifier is as wide in all of them, and cheap.
        counts = _WIDENED.get(type(one)) == "filters" and one.name in widest
        if counts and _width(one, other) > widest[one.name].filters:
            return False
    return True
