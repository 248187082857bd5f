"""Subclassed models: without a graph, they are one layer of a network, and their answer is all that is known."""

import keras
import numpy as np

from odtf.models import automatic_names
from odtf.models.graph import calls
from odtf.models.pixel_ranges import GIVEN, fed


def without_graph(model, image, options, name):
    """Makes a network whose one layer is a copy of a subclassed model; see `odtf.models.from_keras`."""
    if options.taps or callable(options.head):
        raise ValueError(
            "A subclassed model has no graph in which taps or the place of a head are found; write it as a functional "
            f"one for that. Received: taps={options.taps}, head={options.head!r} for {type(model).__name__}."
        )
    x = fed(image, GIVEN if options.pixels is None else options.pixels, options.normalization)
    with automatic_names.counted_anew():
        copy = copy_of(model)
        output = copy(x)
    if options.keep:
        copy.set_weights(model.get_weights())
    if not isinstance(output, keras.KerasTensor):
        raise ValueError(f"A network gives one output. Received: {output!r} of {type(model).__name__}.")
    if isinstance(options.head, (int, np.integer)) and tuple(output.shape[1:]) != (options.head,):
        raise ValueError(
            f"A subclassed model answers as the data have classes: [batch, {options.head}]. "
            f"Received: {tuple(output.shape)} of {type(model).__name__}."
        )
    scores = options.scores or ("logits" if options.answer else probe(copy, tuple(x.shape[1:])))
    if scores == "probabilities":
        output = as_logits(output)
    return keras.Model(image, {options.answer or "logits": output}, name=name)


def copy_of(model):
    """Makes a subclassed model anew, of the same name, from its get_config.

    Raises:
        ValueError: if the model has no such config.
    """
    try:
        copy = type(model).from_config(model.get_config())
    except (NotImplementedError, TypeError) as error:
        raise ValueError(
            f"A subclassed model is made anew for every peer by its get_config and from_config. "
            f"Received: {type(model).__name__}, which cannot be: {str(error).strip().splitlines()[0]}"
        ) from error
    copy.name = model.name
    return copy


def probe(model, shape):
    """Finds by a few random images of a shape whether a model answers with "probabilities" or "logits"."""
    return kind_of(np.asarray(answers_to_noise(model, shape)))


def answers_to_noise(model, shape):
    """Returns what a model gives in inference for a few random images of a shape, the same ones every time."""
    return model(np.random.default_rng(0).normal(size=(4, *shape)).astype("float32"), training=False)


def kind_of(answers):
    """Returns "probabilities" where all rows of answers `[n, classes]` are such, else "logits"."""
    sums = np.sum(answers, axis=-1)
    are = np.min(answers) >= 0.0 and np.allclose(sums, 1.0, atol=0.02) and answers.shape[-1] > 1
    return "probabilities" if are else "logits"


def as_logits(x):
    """Makes logits of probabilities `[batch, classes]`: a softmax of them gives the probabilities back."""
    return keras.ops.log(keras.ops.maximum(x, 1e-7))


def hides_softmax(network, output):
    """Whether a network's answer is a logarithm, as `as_logits` takes it: the softmax before it is out of reach."""
    answer = network.output[output] if isinstance(network.output, dict) else network.output
    return any(type(call.operation).__name__ == "Log" for call in calls(network) if call.outputs[0] is answer)


def shape_called_with(model):
    """Returns the shape of one image that a built model was called with, or None."""
    shapes = model.get_build_config() or {}
    shape = shapes.get("input_shape") or next(iter((shapes.get("shapes_dict") or {}).values()), None)
    return tuple(shape[1:]) if shape else None
