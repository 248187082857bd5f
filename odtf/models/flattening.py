"""Any functional model as one flat graph of layers that are its own, with names that are the same in every process."""

import contextlib
import random
import typing

import keras
import numpy as np

from odtf.layers import BatchNormalization, GroupConv2D
from odtf.models import graph

# What takes pixels of 0..255, which 16 bits cannot tell apart, computes in float32 in any precision.
_EXACT = (keras.layers.Rescaling, keras.layers.Normalization)


class Step(typing.NamedTuple):
    """One operation of a graph on its tensors.

    Attributes:
        operation: `keras.Operation`, most often a layer.
        inputs: list of KerasTensors.
        outputs: list of KerasTensors.
        arguments: all arguments of the call, constants among them, a list.
    """

    operation: keras.Operation
    inputs: list
    outputs: list
    arguments: list


class Flat(typing.NamedTuple):
    """A flat graph.

    Attributes:
        output: KerasTensor.
        steps: list of `Step` in an order in which they can run.
        tensors: dict from the name of a layer, here or in the original model, to its last output here; layers of a
            nested model have a second name, NESTED/NAME.
    """

    output: typing.Any
    steps: list
    tensors: dict


def flatten(model, x, *, keep=False, synchronized=False):
    """Applies copies of the layers of a model to a tensor; nested models become their layers.

    A layer that Keras named itself (conv2d_17), by a number that counts layers of the process, gets its number in the
    model. A frozen layer and a Normalization keep their weights; all others start afresh, as their initialisers say,
    from seeds of Python's `random`. Layers that Keras runs slowly on a CPU become odtf's, which compute the same: batch
    normalisation and grouped convolutions. A nested model's `training=False` is left out: all that is not frozen
    learns.

    Args:
        model: functional `keras.Model` or `keras.Sequential` of one input and one output.
        x: KerasTensor, what the model is applied to.
        keep: whether all layers keep their weights.
        synchronized: whether batch normalisations take their statistics over all replicas.

    Returns:
        `Flat`.

    Raises:
        ValueError: if a layer cannot be copied, or does not fit the image, naming it.
    """
    run = _Run(keep, synchronized)
    output = run.through(model, x, "")
    return Flat(output, run.steps, {**run.former, **run.tensors})


@contextlib.contextmanager
def seeded(seed):
    """Initialisers without a seed of their own follow from `seed`; Python's `random` is afterwards as it was before."""
    state = random.getstate()
    random.seed(int(seed))
    try:
        yield
    finally:
        random.setstate(state)


class _Run:
    def __init__(self, keep, synchronized):
        self.steps, self.tensors, self.former = [], {}, {}
        self._keep, self._synchronized = keep, synchronized
        self._copies, self._taken = {}, set()

    def through(self, model, x, prefix):
        def call(operation, *args, **kwargs):
            inner = f"{operation.name}/"
            if graph.graph_of(operation) is not None:
                output = self.through(operation, args[0], inner)
            else:
                output = self._applied(operation, *args, **kwargs)
            for name in (operation.name, f"{prefix}{operation.name}"):
                self.former[name] = output
            return output

        return keras.tree.flatten(graph.run(graph.graph_of(model), [x], call))[0]

    def _applied(self, operation, *args, **kwargs):
        copy = self._copies.get(id(operation))
        if copy is None:
            copy = self._copies[id(operation)] = self._copy(operation)
        try:
            outputs = copy(*args, **kwargs)
        except (ValueError, TypeError) as error:
            shapes = [tuple(x.shape) for x in keras.tree.flatten((args, kwargs)) if isinstance(x, keras.KerasTensor)]
            raise ValueError(
                f"Layer {operation.name!r} of the model, a {type(operation).__name__}, cannot take {shapes}: "
                f"{_first_line(error)}"
            ) from error
        if operation.weights if isinstance(operation, keras.Layer) else False:
            self._take_weights(operation, copy)
        arguments = keras.tree.flatten((args, kwargs))
        inputs = [x for x in arguments if isinstance(x, keras.KerasTensor)]
        self.tensors[copy.name] = outputs
        self.steps.append(Step(copy, inputs, keras.tree.flatten(outputs), arguments))
        return outputs

    def _take_weights(self, original, copy):
        if (original.trainable and not self._keep) or isinstance(original, keras.layers.Normalization):
            return
        shapes = [[tuple(w.shape) for w in layer.weights] for layer in (original, copy)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"The weights of layer {original.name!r} are kept, and must fit the image. "
                f"Received: {shapes[0]} for {shapes[1]}."
            )
        copy.set_weights(original.get_weights())

    def _copy(self, operation):
        try:
            config = operation.get_config()
        except NotImplementedError as error:
            raise ValueError(
                f"Layer {operation.name!r} of the model must have a get_config, as it is made anew for every peer. "
                f"Received: a {type(operation).__name__} without."
            ) from error
        config["name"] = self._name(operation)
        if not isinstance(operation, keras.Layer):
            return type(operation).from_config(config)
        if isinstance(operation, _EXACT):
            config["dtype"] = "float32"
        elif operation.dtype_policy.name == "float32":
            config.pop("dtype", None)  # It was the default, and so is the precision of the run.
        if not self._keep and operation.trainable:
            config = _without_seeds(config)
        if isinstance(operation, keras.layers.Normalization):
            config |= _measured(operation)
        kind = type(operation)
        if kind is keras.layers.BatchNormalization:
            kind = BatchNormalization
        elif kind is keras.layers.Conv2D and _is_grouped(operation):
            kind = GroupConv2D
        if self._synchronized and "synchronized" in config:
            config["synchronized"] = True
        return kind.from_config(config)

    def _name(self, operation):
        name, number = operation.name, 0
        stem = name.rstrip("0123456789").removesuffix("_") if name[-1:].isdecimal() and "_" in name else name
        named_by_keras = stem.replace("_", "") == type(operation).__name__.lower()
        chosen = stem = stem if named_by_keras else name
        while chosen in self._taken:
            number += 1
            chosen = f"{stem}_{number}"
        self._taken.add(chosen)
        return chosen


def _measured(norm):
    """What a Normalization measured on data, as arguments: it is no weight then, and travels with the config."""
    if norm.axis == ():
        return {"mean": float(np.ravel(norm.mean)[0]), "variance": float(np.ravel(norm.variance)[0])}
    return {"mean": np.ravel(norm.mean).tolist(), "variance": np.ravel(norm.variance).tolist()}


def _is_grouped(layer):
    return layer.groups > 1 and layer.data_format == "channels_last"


def _without_seeds(value):
    """A config in which initialisers draw their seeds anew: peers with one seed would be twins."""
    if isinstance(value, dict):
        return {k: None if k == "seed" and isinstance(v, int) else _without_seeds(v) for k, v in value.items()}
    return [_without_seeds(item) for item in value] if isinstance(value, list) else value


def _first_line(error):
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
