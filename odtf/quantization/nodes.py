"""The calls that a functional model is made of, operators on tensors included, which `model.layers` does not list."""

import keras


def nodes(network):
    """Lists the calls of a functional model in an order in which they can be computed.

    Args:
        network: functional `keras.Model` or built `keras.Sequential`.

    Returns:
        List of Keras' nodes, each with `operation`, `arguments`, `input_tensors` and `outputs`, without those of the
        inputs.
    """
    done, found = {id(x) for x in network.inputs}, []
    waiting = [*reversed(network.outputs)]
    while waiting:
        tensor = waiting[-1]
        if id(tensor) in done:
            waiting.pop()
            continue
        node = node_of(tensor)
        missing = [x for x in node.input_tensors if id(x) not in done]
        if missing:
            waiting.extend(reversed(missing))
            continue
        done.update(id(x) for x in node.outputs)
        found.append(node)
    return found


def node_of(tensor):
    """Returns the node whose call made a KerasTensor."""
    history = tensor._keras_history
    return history.operation._inbound_nodes[history.node_index]


def replay(network, inputs, call):
    """Calls a function in place of every operation of a functional model.

    Args:
        network: functional `keras.Model` or built `keras.Sequential`.
        inputs: KerasTensors in the structure of the model's input.
        call: function of an operation and the arguments it was called with, of which tensors are the new ones; it
            returns new tensors.

    Returns:
        What takes the place of the model's output, in its structure.
    """
    known = {id(x): y for x, y in zip(network.inputs, keras.tree.flatten(inputs), strict=True)}
    for node in nodes(network):
        args, kwargs = node.arguments.fill_in(known)
        outputs = keras.tree.flatten(call(node.operation, *args, **kwargs))
        known.update((id(x), y) for x, y in zip(node.outputs, outputs, strict=True))
    if isinstance(network, keras.Sequential):  # Its attribute `output` is that of the model it is nested in.
        return known[id(network.outputs[0])]
    return keras.tree.map_structure(lambda x: known[id(x)], network.output)
