"""A network made cheap: its spatial convolutions replaced by forms that cost a fraction."""

from __future__ import annotations

import collections
import collections.abc
import fnmatch
from typing import TYPE_CHECKING

import keras
import numpy as np

from odtf.models.changes import Change, cost_of
from odtf.models.cheap_forms import FORMS, cheap_layers, refusal
from odtf.models.graph import calls, opened, rewritten

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from odtf.models.annotations import Layers


# Images have no more channels than these: a convolution of them is a stem.
_STEM_CHANNELS = 4


def cheapen(
    model: keras.Model,
    conv: str = "depthwise",
    where: Layers | None = None,
    *,
    groups: int = 4,
    seed: int = 0,
    report: Callable[[Change], Any] | None = None,
) -> keras.Model:
    """Replaces the spatial convolutions of a model by a cheap form; all other layers keep their weights.

    A spatial convolution is a `keras.layers.Conv2D` with a kernel larger than 1x1. Its form has its strides, padding,
    dilation, bias and activation where they were, and an output of its shape:

    - "depthwise": a depthwise convolution and a 1x1 convolution;
    - "group": a grouped convolution and a 1x1 convolution;
    - "shift": a shift, which costs nothing, and a 1x1 convolution, which has the stride;
    - "line": a 1xN convolution, N the width of the kernel;
    - "ghost": a Ghost module: half of the channels by a convolution, the others from them.

    New kernels are random and trainable, and new layers are named after the replaced one, such as "conv1_depthwise"
    and "conv1_pointwise". Operators on tensors and shared layers stay what they are; models inside the model are
    opened, their layers become layers of the result.

    Args:
        model: functional `keras.Model`, or a Sequential that is built. It stays as it is.
        conv: one of the forms.
        where: which convolutions are replaced: function of a layer that returns whether; or the name of one, a pattern
            such as "conv4_*", or a sequence of those. None: all that take more than 4 channels, which leaves the stem,
            where there is nothing to save.
        groups: integer, at least 2, number of groups of the form "group".
        seed: integer that the new kernels follow from.
        report: function that is given a `Change`, such as `print` or the `append` of a list: the costs before and
            after, what was replaced, and what was not and why.

    Returns:
        Functional `keras.Model` of the same name, inputs and outputs.

    Raises:
        ValueError: if the model has no graph, a layer cannot be copied, `conv` is unknown, a name in `where` is of no
            spatial convolution, or nothing can be replaced.

    Example:

    >>> teacher = keras.applications.ResNet50(weights=None, input_shape=(64, 64, 3), classes=10)
    >>> student = odtf.models.cheapen(teacher, "shift", where="conv[345]_*", report=print)
    """
    if conv not in FORMS:
        raise ValueError(f"There are the cheap forms {', '.join(FORMS)}. Received: conv={conv!r}")
    if not isinstance(groups, (int, np.integer)) or groups < 2:
        raise ValueError(f"A grouped convolution has 2 groups or more. Received: groups={groups!r}")
    graph = opened(model)
    spatial = [call for call in calls(graph) if _is_spatial(call.operation)]
    wanted, kept, replaced = _selection(spatial, where), {}, {}
    sizes = collections.defaultdict(set)
    for call in spatial:
        sizes[call.operation.name].add(call.input_tensors[0].shape[1:3])
    for call in spatial:
        layer, shape = call.operation, call.input_tensors[0].shape
        if layer.name not in wanted:
            kept[layer.name] = "the stem" if where is None else "left out by `where`"
        elif reason := refusal(layer, shape, conv, int(groups)):
            kept[layer.name] = reason
        elif conv in ("shift", "line") and len(sizes[layer.name]) > 1:
            kept[layer.name] = "shared by maps of several sizes, whose margins may differ"
        else:
            replaced[layer.name] = f"{_described(layer, shape)}: {conv}"
    if not replaced:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in kept.items()) or "no spatial convolution"
        raise ValueError(f"The model must have a convolution that can be replaced. Received: {reasons}")
    cheap = rewritten(graph, _Replacing(replaced, conv, int(groups), np.random.default_rng(seed)))
    if report is not None:
        report(Change(cost_of(graph), cost_of(cheap), replaced, kept))
    return cheap


class _Replacing:
    """Calls the cheap forms of some layers in their place, made at the first call of each."""

    def __init__(self, names, conv, groups, random):
        self._names, self._conv, self._groups, self._random = names, conv, groups, random
        self._made = {}

    def __call__(self, layer, x=None, *args, **kwargs):
        if layer.name not in self._names or not _is_spatial(layer):
            return None
        if layer.name in self._made:
            return self._applied(self._made[layer.name], x)
        layers, biased = cheap_layers(layer, x.shape, self._conv, self._groups, self._next_seed)
        y = self._applied(layers, x)
        if biased is not None:
            biased.bias.assign(layer.bias)
        self._made[layer.name] = layers
        return y

    def _next_seed(self):
        return int(self._random.integers(2**31))

    @staticmethod
    def _applied(layers, x):
        for layer in layers:
            x = layer(x)
        return x


def _is_spatial(operation):
    return isinstance(operation, keras.layers.Conv2D) and max(operation.kernel_size) > 1


def _selection(spatial, where):
    """Returns the names of the convolutions that `where` means."""
    if where is None:
        return {call.operation.name for call in spatial if call.input_tensors[0].shape[-1] > _STEM_CHANNELS}
    layers = [call.operation for call in spatial]
    if callable(where):
        return {layer.name for layer in layers if where(layer)}
    patterns = [where] if isinstance(where, str) else where
    if not isinstance(patterns, collections.abc.Sequence) or not all(isinstance(text, str) for text in patterns):
        raise ValueError(f"`where` is a function of a layer, or names of layers. Received: where={where!r}")
    chosen = set()
    for pattern in patterns:
        names = fnmatch.filter([layer.name for layer in layers], pattern)
        if not names:
            raise ValueError(f"`where` must name spatial convolutions of the model. Received: where={pattern!r}")
        chosen.update(names)
    return chosen


def _described(layer, input_shape):
    height, width = layer.kernel_size
    return f"{height}x{width}, {input_shape[-1]} -> {layer.filters} channels"
