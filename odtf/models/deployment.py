"""The one rewriting of a trained network into what travels: stock Keras layers, inference only."""

from __future__ import annotations

import collections
import inspect
from typing import Any

import keras
import numpy as np

from odtf.layers.batch_normalization import affine
from odtf.models.graph import calls, graph_of, run
from odtf.models.graphless import copy_of
from odtf.models.taps import ONLY_IN_TRAINING

# Layers whose kernel a converter scales by the batch normalisation after them.
_FOLDING = (keras.layers.Conv2D, keras.layers.Conv2DTranspose, keras.layers.DepthwiseConv2D, keras.layers.Dense)


def deploy(model: keras.Model, output: str | None = None, grouped: str = "native") -> keras.Model:
    """Rewrites a network into stock Keras layers with the same weights.

    The result needs nothing of this package: its `.keras` file loads in a process that has Keras alone. It computes in
    float32, whatever precision the network was trained in. A batch normalisation that does not follow a convolution, as
    in networks that normalise sums or concatenations, becomes a 1x1 depthwise convolution.

    Args:
        model: functional `keras.Model` of Keras' and odtf's layers, with a dictionary of taps or one tensor for output;
            or a built `keras.Sequential`.
        output: name of the tap that becomes the output; None for what `answer_of` finds.
        grouped: "native" keeps a grouped convolution one layer, "split" makes it a standard convolution a group.

    Returns:
        Functional `keras.Model` of the same name, one input `[batch, height, width, channels]` and one output tensor,
        not trainable.

    Raises:
        ValueError: if the network has no such tap, or its answer must be named; if it has no graph; if `grouped` is
            neither "native" nor "split".
    """
    given, model = model, graph_of(model)
    if model is None:
        raise ValueError(
            "A functional model is deployed, or a Sequential that is built: another has no graph to rewrite. "
            f"Received: {type(given).__name__} {given.name!r}."
        )
    if output is not None or not isinstance(model.output, keras.KerasTensor):
        output = answer_of(model, output)
    if grouped not in ("native", "split"):
        raise ValueError(f"Grouped convolutions are deployed 'native' or 'split'. Received: grouped={grouped!r}")

    first: dict[Any, Any] = {}

    def call(layer, *args, **kwargs):
        if isinstance(layer, ONLY_IN_TRAINING):
            return args[0]
        if not hasattr(layer, "deploy"):
            return layer(*args, **kwargs)
        if layer in first:  # A shared layer: its stock layers are shared too.
            return run(keras.Model(*first[layer]), *args)
        lowering = {"lowering": grouped} if "lowering" in inspect.signature(layer.deploy).parameters else {}
        first[layer] = args[0], layer.deploy(*args, **lowering)
        return first[layer][1]

    rewritten = keras.models.clone_model(model, clone_function=_clone, call_function=call)
    answer = rewritten.output if output is None else rewritten.output[output]
    deployed = keras.Model(rewritten.input, answer, name=model.name)
    kept = {layer.name for layer in deployed.layers}
    for layer in model.layers:
        if layer.weights and layer.name in kept and not hasattr(layer, "deploy"):
            deployed.get_layer(layer.name).set_weights(layer.get_weights())
    deployed = _with_lone_norms_as_convolutions(deployed)
    deployed.trainable = False
    return deployed


def answer_of(model: keras.Model, output: str | None = None) -> str:
    """Returns the name of the tap that is a network's answer.

    Args:
        model: `keras.Model` with a dictionary of taps for output.
        output: name of a tap; None for "logits" where there is such a tap, else for the only tap.

    Returns:
        Name of a tap.

    Raises:
        ValueError: if there is no such tap, or one of several must be named.
    """
    taps = list(model.output) if isinstance(model.output, dict) else []
    if output is None and ("logits" in taps or len(taps) == 1):
        return "logits" if "logits" in taps else taps[0]
    if output is None or output not in taps:
        problem = "The answer of the network must be named" if output is None else "The network has no tap of that name"
        raise ValueError(f"{problem}; it has {', '.join(taps) or 'no named taps'}. Received: output={output!r}")
    return output


def _clone(layer):
    """odtf's layers stay, to be asked for their stock layers; Keras' own are copied, in float32, operations as well."""
    if hasattr(layer, "deploy"):
        return layer
    if isinstance(layer, keras.Model):
        return copy_of(layer)
    dtype = {"dtype": "float32"} if isinstance(layer, keras.Layer) else {}
    return type(layer).from_config({**layer.get_config(), **dtype})


def _with_lone_norms_as_convolutions(model):
    """Rewrites the batch normalisations that no converter can fold into a convolution before them.

    Left alone each would become a multiplication and a sum, with one scale for the factors of all channels and another
    rounding between the two when quantised. A 1x1 depthwise convolution is one operator and has a scale a channel.
    """
    makers, uses = _graph(model)
    norms = {call.operation.name for call in calls(model) if _is_lone_norm(call, makers, uses)}
    if not norms:
        return model

    def clone(layer):
        if layer.name in norms:
            return keras.layers.DepthwiseConv2D(1, dtype="float32", name=layer.name)
        return type(layer).from_config(layer.get_config())

    def call(layer, *args, **kwargs):
        return layer(args[0]) if layer.name in norms else layer(*args, **kwargs)

    rewritten = keras.models.clone_model(model, clone_function=clone, call_function=call)
    for layer in model.layers:
        if layer.weights:
            weights = _as_convolution(layer) if layer.name in norms else layer.get_weights()
            rewritten.get_layer(layer.name).set_weights(weights)
    return rewritten


def _graph(model):
    """The operation that makes a tensor, and how often a tensor is used, by the tensor's identity."""
    inputs = [x for call in calls(model) for x in call.input_tensors]
    makers = {id(x): call.operation for call in calls(model) for x in call.outputs}
    return makers, collections.Counter(map(id, (*inputs, model.output)))


def _is_lone_norm(call, makers, uses):
    if not isinstance(call.operation, keras.layers.BatchNormalization) or len(call.outputs[0].shape) != 4:
        return False
    (x,) = call.input_tensors
    return not isinstance(makers[id(x)], _FOLDING) or uses[id(x)] > 1


def _as_convolution(norm):
    """Kernel and bias of the 1x1 depthwise convolution that computes what a batch normalisation does."""
    factor, offset = affine(norm, np)
    return factor.reshape(1, 1, -1, 1), offset
