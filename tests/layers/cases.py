"""Every layer in every setting that matters: what makes it, what it is given, and the oracle that knows its output."""

import dataclasses
from collections.abc import Callable

import numpy as np

from odtf import layers
from tests.layers import oracles


@dataclasses.dataclass(frozen=True)
class Case:
    """`oracle(x, weights)` gets float64 arrays; weights by the end of their path (`kernel`, `primary/kernel`, ...)."""

    id: str
    make: Callable
    shape: tuple
    oracle: Callable

    def built(self, seed=0, dtype=None):
        """The layer with random weights, positive where they are scales and variances."""
        layer, random = self.make(dtype=dtype), np.random.default_rng(seed)
        layer.build((None, *self.shape))
        for variable in layer.variables:
            value = random.normal(size=variable.shape)
            positive = variable.name in ("gamma", "moving_variance")
            variable.assign(np.abs(value) + 0.5 if positive else value)
        return layer

    def inputs(self, seed=1, batch=3):
        return np.random.default_rng(seed).normal(size=(batch, *self.shape)).astype("float32")

    def __str__(self):
        return self.id


def weights_of(layer):
    """Weights of a layer as float64 arrays, named without the layer's own name."""
    return {v.path.removeprefix(f"{layer.name}/").replace(f"{layer.name}_", ""): _float64(v) for v in layer.variables}


def _float64(variable):
    return np.asarray(variable.numpy(), np.float64)


def _norm_oracle(x, w):
    return oracles.normalize(x, w["gamma"], w["beta"], w["moving_mean"], w["moving_variance"], 1e-5)


def _convolutions():
    for strides in (1, 2):
        for shape in ((7, 6, 4), (8, 8, 4)):
            end = f"stride{strides}-{shape[0]}x{shape[1]}"
            arguments = {"strides": strides, "name": "layer"}

            def dense(x, w, s=strides):
                return oracles.convolution(x, w["kernel"], s)

            def grouped(x, w, s=strides):
                return oracles.convolution(x, w["kernel"], s, groups=2)

            def depthwise(x, w, s=strides):
                return oracles.depthwise(x, w["kernel"], s)

            def ghost(x, w, s=strides):
                return oracles.ghost(x, w, 5, s)

            yield Case(f"Conv2D-{end}", lambda a=arguments, **k: layers.Conv2D(6, 3, **a, **k), shape, dense)
            yield Case(
                f"GroupConv2D-{end}", lambda a=arguments, **k: layers.GroupConv2D(6, 3, 2, **a, **k), shape, grouped
            )
            yield Case(f"LineConv2D-{end}", lambda a=arguments, **k: layers.LineConv2D(6, 5, **a, **k), shape, dense)
            yield Case(
                f"DepthwiseConv2D-{end}", lambda a=arguments, **k: layers.DepthwiseConv2D(3, **a, **k), shape, depthwise
            )
            yield Case(f"GhostModule-{end}", lambda a=arguments, **k: layers.GhostModule(5, 3, **a, **k), shape, ghost)


CASES = [
    *_convolutions(),
    Case(
        "Conv2D-1x1-bias",
        lambda **k: layers.Conv2D(6, 1, strides=2, use_bias=True, name="layer", **k),
        (7, 6, 4),
        lambda x, w: oracles.convolution(x, w["kernel"], 2) + w["bias"],
    ),
    Case(
        "Conv2D-valid",
        lambda **k: layers.Conv2D(6, (3, 2), padding="valid", name="layer", **k),
        (7, 6, 4),
        lambda x, w: oracles.convolution(x, w["kernel"], symmetric=False),
    ),
    Case(
        "Conv2D-dilated",
        lambda **k: layers.Conv2D(6, 3, dilation_rate=2, name="layer", **k),
        (7, 6, 4),
        lambda x, w: oracles.convolution(x, w["kernel"], dilation=2),
    ),
    Case(
        "GroupConv2D-dilated-bias",
        lambda **k: layers.GroupConv2D(8, 3, 4, dilation_rate=2, use_bias=True, name="layer", **k),
        (7, 6, 4),
        lambda x, w: oracles.convolution(x, w["kernel"], dilation=2, groups=4) + w["bias"],
    ),
    Case(
        "DepthwiseConv2D-dilated-multiplier",
        lambda **k: layers.DepthwiseConv2D(3, depth_multiplier=2, dilation_rate=2, name="layer", **k),
        (7, 6, 4),
        lambda x, w: oracles.depthwise(x, w["kernel"], dilation=2),
    ),
    Case("Shift2D", lambda **k: layers.Shift2D(name="layer", **k), (7, 6, 20), lambda x, w: oracles.shift(x)),
    Case(
        "Shift2D-dilated",
        lambda **k: layers.Shift2D(dilation_rate=2, name="layer", **k),
        (7, 6, 11),
        lambda x, w: oracles.shift(x, 3, 2),
    ),
    Case("Shift2D-5x5", lambda **k: layers.Shift2D(5, name="layer", **k), (7, 6, 26), lambda x, w: oracles.shift(x, 5)),
    Case(
        "GhostModule-ratio3-linear",
        lambda **k: layers.GhostModule(7, ratio=3, activation=None, name="layer", **k),
        (7, 6, 4),
        lambda x, w: oracles.ghost(x, w, 7, 1, relu=False),
    ),
    Case(
        "ChannelShuffle",
        lambda **k: layers.ChannelShuffle(3, name="layer", **k),
        (7, 6, 12),
        lambda x, w: oracles.shuffle(x, 3),
    ),
    Case(
        "BatchNormalization",
        lambda **k: layers.BatchNormalization(epsilon=1e-5, name="layer", **k),
        (7, 6, 4),
        _norm_oracle,
    ),
    Case(
        "InstanceNormalization",
        lambda **k: layers.InstanceNormalization(name="layer", **k),
        (7, 6, 4),
        lambda x, w: (x - x.mean((1, 2), keepdims=True)) / np.sqrt(x.var((1, 2), keepdims=True) + 1e-5),
    ),
    *(
        Case(
            f"Cropping2D-{name}",
            lambda cropping=cropping, **k: layers.Cropping2D(cropping, name="layer", **k),
            (7, 6, 4),
            lambda x, w, cut=cut: x[:, cut[0], cut[1]],
        )
        for name, cropping, cut in (
            ("below", ((0, 2), (0, 0)), (slice(0, 5), slice(None))),
            ("around", ((1, 2), (3, 1)), (slice(1, 5), slice(3, 5))),
            ("no", 0, (slice(None), slice(None))),
        )
    ),
    Case(
        "ReflectionPadding2D",
        lambda **k: layers.ReflectionPadding2D(3, name="layer", **k),
        (7, 6, 4),
        lambda x, w: np.pad(x, ((0, 0), (3, 3), (3, 3), (0, 0)), "reflect"),
    ),
]
