"""Any functional model, written in the few kinds of layer that have an int8 form."""

import collections

import keras

from odtf.models.graph import Copy, graph_of, input_like, run
from odtf.quantization.canonical_activations import ACTIVATIONS
from odtf.quantization.canonical_layers import LAYERS, STAYING, is_plain
from odtf.quantization.canonical_operators import OPERATORS

_RULES = {**ACTIVATIONS, **LAYERS}


def canonical(network, keep_float=(), copy=True):
    """Rewrites a model so that every layer is one operator of int8, or moves values.

    Nested models are dissolved; an activation inside a layer becomes a layer, a separable convolution two, a swish a
    sigmoid and a product; operators on tensors become layers; what scales and shifts channels by constants, as
    Rescaling and Normalization do, becomes one 1x1 depthwise convolution. The last part has the name of the whole.

    Args:
        network: functional `keras.Model` or built `keras.Sequential`.
        keep_float: names or classes of layers that stay as they are; of a nested model it is all of its layers.
        copy: whether the result has layers and variables of its own; else those that need no rewriting become part of
            it.

    Returns:
        Functional `keras.Model` of the same name, inputs, outputs and answers, and the set of the names of the layers
        that stay in float.

    Raises:
        ValueError: if an operation has no int8 form, naming it; if there is no layer of a name in `keep_float`.
    """
    given, network = network, graph_of(network)
    if network is None:
        raise ValueError(
            "Training with rounding rewrites the graph of a functional or Sequential model that is built. "
            f"Received: {type(given).__name__} without a graph"
        )
    rewriting = _Rewriting(network, keep_float, copy)
    if not copy and not keep_float and all(is_plain(operation) for operation in network.operations):
        return network, set()
    inputs = keras.tree.map_structure(input_like, network.input)
    outputs = run(network, inputs, rewriting.call)
    rewriting.check()
    return keras.Model(inputs, outputs, name=network.name), rewriting.floats


class _Rewriting:
    """What the rules ask for and tell: which names are taken, which layers were used, what stays float."""

    def __init__(self, network, keep_float, copy):
        self.copy, self.floats = copy, set()
        self._keep = (keep_float,) if isinstance(keep_float, (str, type)) else tuple(keep_float)
        self._unseen = {each for each in self._keep if isinstance(each, str)}
        self._taken = {x.name for x in network.inputs}
        self._uses, self._nested = collections.Counter(), []

    def call(self, operation, *args, **kwargs):
        floats = self._stays_float(operation)
        if isinstance(operation, keras.Model) and operation.built:
            return self._dissolved(operation, args[0], floats)
        if floats or isinstance(operation, keras.layers.LayerNormalization):
            return self._left_in_float(operation, *args, **kwargs)
        if not isinstance(operation, keras.layers.Layer):
            return self._operator(operation, *args, **kwargs)
        if not type(operation).__module__.startswith(("keras.", "odtf.")):
            self.refuse(operation, "a class of its own is not looked into")
        rule = next((_RULES[kind] for kind in type(operation).__mro__ if kind in _RULES), None)
        if rule is None and type(operation).__name__ in OPERATORS:  # Such as a layer that is defined within a model.
            rule = OPERATORS[type(operation).__name__]
        if rule is not None:
            kwargs = {name: value for name, value in kwargs.items() if name not in ("training", "mask")}
            return rule(self, operation, *args, **kwargs)
        if isinstance(operation, STAYING):
            return self.keep(operation)(*args, **kwargs)
        return self.refuse(operation, f"a layer of type {type(operation).__name__} has none here")

    def check(self):
        """Refuses names that no layer has."""
        if self._unseen:
            raise ValueError(
                "Layers that stay in float are named by their names or classes. "
                f"Received: keep_float with {sorted(self._unseen)[0]!r}, which no layer has"
            )

    # What rules use -------------------------------------------------------------------------------------------------

    def name(self, operation):
        """Returns the operation's name, or one like it where another has it already."""
        name, number = operation if isinstance(operation, str) else operation.name, 1
        if name in self._taken and any(self._nested[-1:]):
            name = f"{self._nested[-1]}_{name}"
        first = name
        while name in self._taken:
            number += 1
            name = f"{first}_{number}"
        self._taken.add(name)
        return name

    def keep(self, layer):
        """Returns a layer to be called in the place of another: itself, or a copy with its weights."""
        self._uses[id(layer)] += 1
        name = self.name(layer)
        if self._uses[id(layer)] > 1 and layer.weights:
            self.refuse(layer, "one with weights that is called twice has none here")
        if not self.copy and name == layer.name:
            return layer
        return Copy(layer, name=name)

    def apply(self, layer, x, weights=()):
        """Calls a new layer and gives it weights."""
        y = layer(x)
        if len(weights):
            layer.set_weights(weights)
        return y

    def refuse(self, operation, reason):
        """Raises the error that names an operation, or what has the given name."""
        name = operation if isinstance(operation, str) else operation.name
        raise ValueError(
            f"Every layer must have an int8 form, and {reason}: leave it in float with keep_float, or build the model "
            f"without it. Received: layer {name!r}"
        )

    # ----------------------------------------------------------------------------------------------------------------

    def _stays_float(self, operation):
        kinds = tuple(each for each in self._keep if isinstance(each, type))
        named = {each for each in self._keep if each in (operation.name, type(operation).__name__)}
        self._unseen -= named
        return bool(named) or (kinds and isinstance(operation, kinds)) or "" in self._nested

    def _left_in_float(self, operation, *args, **kwargs):
        if not isinstance(operation, keras.layers.Layer):
            self.refuse(operation, "only layers can be left in float")
        layer = self.keep(operation)
        self.floats.add(layer.name)
        return layer(*args, **kwargs)

    def _operator(self, operation, *args, **kwargs):
        rule = OPERATORS.get(type(operation).__name__)
        if rule is None:
            self.refuse(operation, f"the operator {type(operation).__name__} has none here")
        return rule(self, operation, *args, **kwargs)

    def _dissolved(self, model, x, floats):
        if (graph := graph_of(model)) is None:
            self.refuse(model, "a model without a graph has none")
        # An empty name marks a model whose layers all stay in float.
        self._nested.append("" if floats else model.name)
        outputs = run(graph, x, self.call)
        self._nested.pop()
        return outputs
