"""Functional models as graphs: what runs in which order, and how a model is made anew call by call."""

import inspect

import keras


def calls(model):
    """Returns the calls of a functional model, in the order in which they run.

    Args:
        model: functional `keras.Model`.

    Returns:
        List of Keras' nodes, each with an `operation` (a layer, or an operator on tensors, which `model.layers` does
        not list), `input_tensors` and `outputs`; those of inputs are among them. A shared layer has several.
    """
    place = {id(operation): index for index, operation in enumerate(model.operations)}
    by_depth = model._nodes_by_depth
    return [
        node
        for depth in sorted(by_depth, reverse=True)
        for node in sorted(by_depth[depth], key=lambda node: place[id(node.operation)])
    ]


def run(model, inputs, call=lambda operation, *args, **kwargs: operation(*args, **kwargs)):
    """Runs a functional model on tensors of another graph, which its operations become part of.

    Args:
        model: functional `keras.Model`.
        inputs: KerasTensors in the structure of its inputs.
        call: function `call(operation, *args, **kwargs)` that stands for each call.

    Returns:
        KerasTensors in the structure of the model's outputs.
    """
    return model._run_through_graph(inputs, call_fn=call)


def call_of(tensor):
    """Returns the call that made a KerasTensor, as `calls` has it."""
    history = tensor._keras_history
    return history.operation._inbound_nodes[history.node_index]


def needed(steps, output):
    """Finds the calls that an output needs.

    Args:
        steps: list of (inputs, outputs) of calls, KerasTensors, in the order in which the calls run.
        output: KerasTensor, which one of them gives.

    Returns:
        List of positions in `steps`.
    """
    wanted, positions = {id(output)}, []
    for position, (inputs, outputs) in reversed(list(enumerate(steps))):
        if any(id(x) in wanted for x in outputs):
            wanted.update(id(x) for x in inputs)
            positions.insert(0, position)
    return positions


def common_line(steps, output):
    """Finds the calls after which all of an output is computed from the one tensor that they give.

    Args:
        steps, output: as for `needed`.

    Returns:
        List of positions in `steps`, the last one that of the output.
    """
    positions = needed(steps, output)
    last_use = {id(x): position for position in positions for x in steps[position][0]} | {id(output): len(steps)}
    # The inputs of the first call may be made of others.
    alive, line = {id(x) for x in steps[positions[0]][0]}, []
    for position in positions:
        inputs, outputs = steps[position]
        alive |= {id(x) for x in outputs if id(x) in last_use}
        alive -= {id(x) for x in inputs if last_use[id(x)] == position}
        if alive == {id(outputs[0])}:
            line.append(position)
    return line


def graph_of(model):
    """Returns a functional model as it is, and a built Sequential as a functional one of the same layers and name.

    Returns:
        `keras.Model`, or None for what has no graph: a subclassed model, a Sequential that is not built, or no model.
    """
    if isinstance(model, keras.Sequential):
        built = model.built and model.inputs
        return keras.Model(model.inputs[0], model.outputs[0], name=model.name) if built else None
    return model if isinstance(model, keras.Function) else None


def opened(model):
    """Returns a model as one graph: the layers of models inside it become its own.

    Args:
        model: functional or built Sequential `keras.Model`.

    Returns:
        `model` itself, or the functional model of its layers, where it has no models inside; else a copy with equal
        weights. Layers keep their names; where two models have layers of one name, the inner model's name comes before
        it.

    Raises:
        ValueError: if the model has no graph.
    """
    graph = graph_of(model)
    if graph is None:
        raise ValueError(
            "A network is rewritten by its graph: a functional keras.Model, or a Sequential that is built. "
            f"Received: {model!r}"
        )
    if all(graph_of(operation) is None for operation in graph.operations):
        return graph
    copies, names = {}, set()

    def run_inside(inner, inputs, training, path):
        def call(operation, *args, **kwargs):
            if (nested := graph_of(operation)) is not None:
                return run_inside(nested, args[0], kwargs.get("training", training), f"{path}{nested.name}_")
            if training is not None and _takes_training(operation):
                kwargs = {"training": training, **kwargs}
            if id(operation) not in copies:
                name = operation.name if operation.name not in names else f"{path}{operation.name}"
                names.add(name)
                copies[id(operation)] = Copy(operation, name=name)
            return copies[id(operation)](*args, **kwargs)

        return run(inner, inputs, call)

    inputs = keras.tree.map_structure(input_like, graph.input)
    return keras.Model(inputs, run_inside(graph, inputs, None, ""), name=graph.name)


def rewritten(model, call):
    """Makes a model anew, call by call, with the weights of its layers.

    Args:
        model: functional `keras.Model` without models inside, as `opened` returns it.
        call: function `call(operation, *args, **kwargs)`, which is asked for every call of `model` with its arguments
            in the new graph: it returns the output, or None for that of a copy with equal weights.

    Returns:
        Functional `keras.Model` with the name, the inputs and the structure of the outputs of `model`; the layers of
        `model` belong to it alone.

    Raises:
        ValueError: if a layer cannot be copied, naming it.
    """
    copies = {}

    def answer(operation, *args, **kwargs):
        output = call(operation, *args, **kwargs)
        if output is not None:
            return output
        if id(operation) not in copies:
            copies[id(operation)] = Copy(operation)
        return copies[id(operation)](*args, **kwargs)

    plain = keras.Model(model.input, model.output, name=model.name)  # Whatever `model` was compiled with stays there.
    return keras.models.clone_model(plain, clone_function=lambda layer: layer, call_function=answer)


class Copy:
    """A copy of a layer or operator, which has its weights, or others, from its first call on.

    Args:
        operation: layer, or operator on tensors.
        weights: list of arrays; None: those of `operation`.
        **changes: what is different in its config.

    Attributes:
        name: of the copy.

    Raises:
        ValueError: if the layer has no config to be made from.
    """

    def __init__(self, operation, weights=None, **changes):
        try:
            self._copy = type(operation).from_config({**operation.get_config(), **changes})
        except (NotImplementedError, TypeError) as error:
            raise ValueError(
                "A layer is copied by its get_config and from_config, which it must have. "
                f"Received: layer {operation.name!r} of type {type(operation).__name__}"
            ) from error
        self.name = self._copy.name
        if hasattr(operation, "warm_started"):  # Of trained weights, see `odtf.models.starting`.
            self._copy.warm_started = operation.warm_started
        is_layer = isinstance(operation, keras.layers.Layer)
        self._weights = (operation.get_weights() if is_layer else []) if weights is None else weights

    def __call__(self, *args, **kwargs):
        output = self._copy(*args, **kwargs)
        if self._weights:
            self._copy.set_weights(self._weights)
            if isinstance(self._copy, keras.layers.Normalization):
                self._copy.finalize_state()  # It computes with what it makes of its weights.
            self._weights = None
        return output


def input_like(tensor):
    """Returns an input of another graph for the same values as a KerasTensor."""
    return keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name)


def _takes_training(operation):
    return "training" in inspect.signature(operation.call).parameters
