"""Networks that somebody else defined: a Keras model becomes one with named taps, as odtf's own are."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import re
from typing import TYPE_CHECKING

import keras
import numpy as np

from odtf.models import file_record, flattening, heads, keras_file
from odtf.models.convolution import Pieces
from odtf.models.graph import graph_of
from odtf.models.graphless import shape_called_with, without_graph
from odtf.models.pixel_ranges import fed, find_pixels
from odtf.models.taps import find_taps

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from odtf.models.annotations import Head, Network, Path, Pixels, Shape


_WEIGHTS = ("fresh", "keep")


def from_keras(
    model: keras.Model | Path,
    head: Head | None = None,
    *,
    input_shape: Shape | None = None,
    taps: Mapping[str, str] | None = None,
    pixels: Pixels | None = None,
    normalization: tuple[Any, Any] | None = None,
    answer: str | None = None,
    scores: str | None = None,
    weights: str = "fresh",
) -> Network:
    """Makes a network for a cohort of any Keras 3 model with one image for input and one output.

    Its output becomes the tap "logits"; a softmax at its end is taken off, as odtf's losses and targets have it
    themselves. The stages are found (the last map of each resolution, up to the one that is pooled) and the embedding,
    or they are chosen by layers' names. Nested models become their layers, and layers that Keras named by a count get
    names that are the same in every process. A subclassed model, which has no graph, has its answer alone: it serves
    methods of logits and post-training export.

    Each call makes another network: with the seed's own weights by default. Frozen layers and Normalization layers
    always keep theirs.

    Args:
        model: `keras.Model` (functional, Sequential, subclassed and called before), or the path of a .keras file.
        head: number of classes, or a head of `odtf.models.heads`; None for the model's own last layers. They stay too
            where they answer with that many classes, else everything behind the embedding is replaced.
        input_shape: `(height, width, channels)` of the images; None for the model's own. A model of convolutions takes
            others.
        taps: dict from a tap to the name of the layer whose output it is, such as `{"stage3": "conv5_block3_out"}`; in
            a nested model `NESTED/NAME` is a name too. Stages in it replace all that are found.
        pixels: what the model takes: "0..255", "0..1", "-1..1", a pair (mean, std) of pixels scaled to [0, 1], or
            "given": images as the cohort gets them. None: found by its Rescaling or Normalization, else "given".
        normalization: pair (mean, std), by which the pipeline normalises images, as `dataset.mean` and `dataset.std`;
            needed where the model takes other pixels than the cohort.
        answer: name of the tap of the model's own output, for other tasks than classification; it is kept then.
        scores: "logits" or "probabilities", what a subclassed model answers; other models show it.
        weights: "fresh", or "keep" for those of the model, in every network that is made.

    Returns:
        Callable `network(*, seed, name, synchronized=False)`, as methods take for `networks`.

    Raises:
        UserError: if the file cannot be loaded.
        ValueError: if an argument is wrong or the model does not fit, also when the network is made.

    Example:

    >>> network = odtf.models.from_keras(keras.applications.MobileNetV3Small(weights=None, input_shape=(32, 32, 3)), 10)
    >>> cohort = odtf.methods.DeepMutualLearning(network, num_peers=2)
    """
    if not isinstance(model, keras.Model):
        path, model = model, keras_file.load(model)
        file_record.check_pixels(path, pixels)
    if weights not in _WEIGHTS:
        raise ValueError(f"The weights of a network are {' or '.join(_WEIGHTS)}. Received: weights={weights!r}")
    _check_interface(model)
    if head is not None and (answer is None or not callable(head)):
        heads.find(head)
    options = Options(
        *(head, None if input_shape is None else tuple(input_shape), dict(taps or {}), pixels, normalization),
        *(answer, scores, weights == "keep"),
    )
    return functools.partial(make_network, model, options)


@dataclasses.dataclass(frozen=True)
class Options:
    """The arguments of `from_keras`, but for the model, and whether all weights are kept."""

    head: object
    input_shape: tuple | None
    taps: dict
    pixels: object
    normalization: tuple | None
    answer: str | None
    scores: str | None
    keep: bool


def _check_interface(model):
    graph = graph_of(model)
    if graph is None and not model.built:
        raise ValueError(
            f"A model must be built: give a Sequential an Input, and call a subclassed model once. "
            f"Received: {type(model).__name__} {model.name!r}, not built."
        )
    if graph is not None and (len(graph.inputs) != 1 or len(graph.outputs) != 1):
        raise ValueError(
            f"A network takes one image and gives one output; choose with keras.Model(inputs, outputs). "
            f"Received: {len(graph.inputs)} inputs and {len(graph.outputs)} outputs of {model.name!r}."
        )


def make_network(model, options, *, seed=0, name="network", synchronized=False):
    """Makes the network that `from_keras` describes."""
    shape = _input_shape(model, options.input_shape)
    image = keras.Input(shape, name="image")
    with flattening.seeded(seed):
        if graph_of(model) is None:
            return without_graph(model, image, options, name)
        return _from_graph(model, image, options, name, seed, synchronized)


def _input_shape(model, wanted):
    graph = graph_of(model)
    own = graph.inputs[0].shape[1:] if graph is not None else shape_called_with(model)
    shape = own if wanted is None else wanted
    if shape is None or len(shape) != 3 or None in tuple(shape):
        raise ValueError(
            "A network takes images of a fixed size: give input_shape=(height, width, channels). "
            f"Received: {None if shape is None else tuple(shape)} of {model.name!r}."
        )
    return tuple(int(n) for n in shape)


# With a graph ---------------------------------------------------------------------------------------------------------


def _from_graph(model, image, options, name, seed, synchronized):
    pixels = find_pixels(model) if options.pixels is None else options.pixels
    x = fed(image, pixels, options.normalization)
    flat = flattening.flatten(model, x, keep=options.keep, synchronized=synchronized)
    output, end = _without_softmax(flat)
    taps = _chosen(flat, options.taps, find_taps(flat, output))
    return keras.Model(image, {**taps, **_answers(options, taps, output, end, seed)}, name=name)


def _without_softmax(flat):
    """The answer of a graph before a softmax at its end, and the name of what else stands there: an activation."""
    step = next(step for step in flat.steps if any(x is flat.output for x in step.outputs))
    layer, end = step.operation, _activation(step.operation)
    if end != "softmax":
        return flat.output, end
    if isinstance(layer, (keras.layers.Softmax, keras.layers.Activation)) or not isinstance(layer, keras.Layer):
        return step.inputs[0], "linear"
    bare = type(layer).from_config({**layer.get_config(), "activation": "linear"})
    output = bare(step.inputs[0])
    bare.set_weights(layer.get_weights())
    flat.steps[flat.steps.index(step)] = flattening.Step(bare, step.inputs, [output], step.arguments)
    for other, tensor in flat.tensors.items():
        if tensor is flat.output:
            flat.tensors[other] = output
    return output, "linear"


def _activation(operation):
    if isinstance(operation, keras.layers.Softmax):
        return "softmax"
    if not isinstance(operation, keras.Layer):
        return type(operation).__name__.lower()
    return getattr(getattr(operation, "activation", None), "__name__", "linear")


def _chosen(flat, wanted, found):
    """The taps that are found, but for those that are chosen by layers' names."""
    chosen = {}
    for tap, layer in wanted.items():
        if tap.startswith("stage") and not re.fullmatch(r"stage[1-9]\d*", tap):
            raise ValueError(f"Stages are the taps stage1, stage2 and so on. Received: taps={wanted!r}")
        if layer not in flat.tensors:
            near = difflib.get_close_matches(str(layer), list(flat.tensors), n=3, cutoff=0.0)
            raise ValueError(
                f"A tap is the output of a layer of the model; near by name are {', '.join(near)}. "
                f"Received: {tap}={layer!r}"
            )
        chosen[tap] = flat.tensors[layer]
    if any(tap.startswith("stage") for tap in chosen):
        found = {tap: x for tap, x in found.items() if not tap.startswith("stage")}
    return {**found, **chosen}


def _answers(options, taps, output, end, seed):
    head = options.head
    fits = isinstance(head, (int, np.integer)) and len(output.shape) == 2 and output.shape[-1] == head
    if head is not None and options.answer is None and not fits:
        return _new_head(head, taps, seed)
    if options.answer is None and (len(output.shape) != 2 or output.shape[-1] < 2 or end == "sigmoid"):
        raise ValueError(
            "A classifier answers with logits or a softmax of 2 classes or more: give head=NUMBER for another end, or "
            f"answer=NAME for another task. Received: an output {tuple(output.shape)} with {end} at its end."
        )
    if keras.backend.standardize_dtype(output.dtype) != "float32":
        output = keras.layers.Activation("linear", dtype="float32", name="answer")(output)
    return {options.answer or "logits": output}


def _new_head(head, taps, seed):
    stages = [taps[name] for name in sorted(taps, key=_number) if name.startswith("stage")]
    embedding = taps.get("embedding")
    if embedding is None and not stages:
        raise ValueError(
            "A head needs the network's last map or a vector before its last layer. Received: a model with neither."
        )
    return heads.find(head)(Pieces("standard", seed=seed), stages, embedding)


def _number(tap):
    digits = tap.removeprefix("stage")
    return int(digits) if digits.isdecimal() else 0
