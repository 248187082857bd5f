"""Trained weights for a network to start from, instead of random ones."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import keras
import numpy as np

from odtf.models import trained_weights

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from odtf.models.annotations import Path


# Where quantised training keeps the ranges of activations, which a network has no weights for.
_RANGES = "_range/bounds"


@dataclasses.dataclass(frozen=True)
class Started:
    """What a network took from trained weights; counts are of weights, moving statistics included.

    Attributes:
        source: what was named.
        taken: dict from the name of a layer to how many weights it took.
        new: dict from the name of a layer to how many weights it has at random: the head, or its end.
        left: dict from the name of a layer of the source to how many of its weights have no place: its head.
        changed: dict from the name of a layer to words for what was done to its weights.
    """

    source: str
    taken: dict
    new: dict
    left: dict
    changed: dict

    def __str__(self):
        text = f"from {self.source}: {sum(self.taken.values()):,} weights in {len(self.taken)} layers"
        for words, part in (("new", self.new), ("not taken", self.left)):
            if part:
                text += f"; {words}: " + ", ".join(f"{layer} ({count:,})" for layer, count in part.items())
        changes = ", ".join(f"{layer} ({how})" for layer, how in self.changed.items())
        return f"{text}; changed: {changes}" if changes else text


def start(
    network: keras.Model,
    source: keras.Model | Mapping[str, Any] | Path,
    *,
    head: bool | None = None,
    title: str | None = None,
) -> Started:
    """Gives a network the weights of a trained one, layer by layer, by their names.

    All layers before the head must be in the source, with weights of their shapes. The head, all that follows the last
    tap "stageN", keeps its random weights from the first layer on whose shape another number of classes changed. The
    first convolution may be one for RGB where images are grey: its kernel is summed over the input channels; or the
    other way: it is divided among them.

    Args:
        network: functional `keras.Model`, with named taps or with one output. Its weights change in place.
        source: "zoo:NAME"; the path of a .keras file; "imagenet" or "imagenet:NAME", of `keras.applications`, whose
            weights Keras fetches; a `keras.Model`; or a mapping from variables' paths to arrays, as
            `odtf.runs.Run.weights` returns it.
        head: whether the head is taken: True demands it, False leaves all of it random; None takes what fits.
        title: words for the source in messages; None: those that `source` is.

    Returns:
        `Started`. The layers before the head that took weights have an attribute `warm_started`, by which
        `odtf.methods.shared.warm_start.WarmStart` knows them.

    Raises:
        ValueError: if there is no such source, or a layer before the head does not fit, naming it; then no weight has
            changed.
    """
    title = title or str(source if isinstance(source, str) else getattr(source, "name", "weights"))
    values = trained_weights.read(source, network)
    values = {path: value for path, value in values.items() if not path.endswith(_RANGES)}
    ends, variables = head_layers(network), {v.path: v for v in network.weights}
    if len(variables) < len(network.weights):
        raise ValueError("Layers are matched by name, so that each needs one of its own. Received: two of one name.")
    found, changed = {}, {}
    first = next((path for path, v in variables.items() if len(v.shape) == 4), None)
    for path, variable in variables.items():
        if _layer(path) in ends:
            continue
        if path not in values:
            raise ValueError(_misfit(title, path, tuple(variable.shape), "no such layer"))
        value, how = _fitted(values[path], tuple(variable.shape), is_first=path == first)
        if value is None:
            raise ValueError(_misfit(title, path, tuple(variable.shape), f"the shape {values[path].shape}"))
        found[path] = value
        if how:
            changed[_layer(path)] = how
    body = list(found)
    found |= _head(variables, values, ends, head, title)
    left = [path for path in values if path not in variables]
    _check_left(left, values, found, title)
    for path, value in found.items():
        if not np.isfinite(value).all():
            raise ValueError(f"Trained weights are finite numbers. Received: others in {path} of {title}.")
    for path, value in found.items():
        variables[path].assign(value)
    _mark(network, {id(variables[path]) for path in body})
    new = [path for path in variables if path not in found]
    left += [path for path in values if path in variables and path not in found]
    return Started(title, _counts(found, variables), _counts(new, variables), _counts(left, values), changed)


def head_layers(network):
    """Returns the names of the layers that make up a network's head: what its last tap "stageN" does not need.

    Where there are no such taps, it is the last layer that has weights.
    """
    taps = network.output if isinstance(network.output, dict) else {}
    stages = [tap for name, tap in taps.items() if name.startswith("stage")]
    if stages:
        body = {layer.name for layer in keras.Model(network.input, stages).layers}
        return {layer.name for layer in network.layers} - body
    return {[layer.name for layer in network.layers if layer.weights][-1]}


def _layer(path):
    return path.partition("/")[0]


def _counts(paths, arrays):
    counts = {}
    for path in paths:
        counts[_layer(path)] = counts.get(_layer(path), 0) + int(np.prod(tuple(arrays[path].shape)))
    return counts


def _misfit(title, path, wanted, received):
    return (
        f"The layers before the head must be those of the start: {_layer(path)} has {path} of the shape {wanted}. "
        f"Received: {received} in {title}."
    )


def _fitted(value, shape, is_first):
    """Returns a value in the shape of a variable and words for what was done to it; None if it cannot have it."""
    if value.shape == shape:
        return value, ""
    channels = value.shape[2:3] + shape[2:3]
    rest = len(shape) == 4 and value.shape[:2] + value.shape[3:] == shape[:2] + shape[3:]
    if is_first and rest and channels == (3, 1):
        return value.sum(axis=2, keepdims=True), "kernels summed for grey images"
    if is_first and rest and channels == (1, 3):
        return np.repeat(value / 3.0, 3, axis=2), "kernels divided among three colours"
    return None, ""


def _head(variables, values, ends, wanted, title):
    """Returns the weights of the head that are taken: those of its layers up to the first that does not fit."""
    found = {}
    paths = [path for path in variables if _layer(path) in ends]
    for layer in dict.fromkeys(map(_layer, paths)):
        own = [path for path in paths if _layer(path) == layer]
        fits = all(path in values and values[path].shape == tuple(variables[path].shape) for path in own)
        if wanted and not fits:
            raise ValueError(
                f"head=True takes the head as it is; head=None would replace what does not fit. Received: {layer}, "
                f"which {title} has of another shape, or not at all."
            )
        if not fits or wanted is False:
            break
        found |= {path: values[path] for path in own}
    return found


def _check_left(left, values, found, title):
    """Refuses layers of the source that have no place, unless they follow all that have: then they are its head."""
    places = {path: position for position, path in enumerate(values)}
    last = max((places[path] for path in found), default=-1)
    if not found:
        raise ValueError(f"A start has layers of the network's names. Received: none in {title}.")
    for path in left:
        if places[path] < last:
            raise ValueError(
                "All layers of the start but its head must have a place in the network; the network that it was made "
                f"with would be right. Received: {_layer(path)} in {title}, which has none."
            )


def _mark(network, taken):
    """Marks the layers all of whose own weights were taken, inner ones included."""
    for layer in network._flatten_layers(include_self=False):
        own = [*layer._trainable_variables, *layer._non_trainable_variables]
        if own and all(id(v) in taken for v in own):
            layer.warm_started = True
