"""Networks that share their first layers."""

import keras


def share_trunk(networks, cut):
    """Lets several networks share what comes before a layer: the first network's layers serve all of them.

    Args:
        networks: list of functional networks with named taps, equal up to the cut. Their layers may differ after it.
        cut: name of the tap, or of the layer, whose output is where the networks part.

    Returns:
        (trunk, branches, peers): `trunk` from images to the taps before the cut and "cut", the tensor at it; for each
        network, a branch from that tensor to the taps after the cut, and the whole peer from images to all taps, which
        can be deployed. They all hold the same layers: running the trunk once and every branch once costs the shared
        part once.

    Raises:
        ValueError: if a network has no such layer, or the trunks differ.
    """
    tensors = [_cut_tensor(network, cut) for network in networks]
    trunks = [_names_before(network, tensor) for network, tensor in zip(networks, tensors, strict=True)]
    first = networks[0]
    for network, names in zip(networks, trunks, strict=True):
        same = names == trunks[0] and _shapes(network, names) == _shapes(first, names)
        if not same:
            raise ValueError(f"Networks that share a trunk must be equal up to the cut. Received: cut={cut!r}.")
    trunk_layers = {layer.name: layer for layer in first.operations if layer.name in trunks[0]}
    before = {name: tap for name, tap in first.output.items() if _producer(tap) in trunks[0]}
    trunk = keras.Model(first.input, {**before, "cut": tensors[0]}, name="trunk")
    branches, peers = [], []
    for network, tensor in zip(networks, tensors, strict=True):
        after = {name: tap for name, tap in network.output.items() if name not in before}
        branches.append(keras.Model(tensor, after, name=f"{network.name}_branch"))
        peer = keras.models.clone_model(
            network,
            clone_function=lambda layer: trunk_layers.get(layer.name, layer),
            call_function=_connected,
        )
        peers.append(keras.Model(peer.input, peer.output, name=network.name))
    return trunk, branches, peers


def _connected(layer, *args, **kwargs):
    """Applies a layer, which hears of its input: one that is quantised has to know the levels of the shared trunk."""
    if hasattr(layer, "takes"):
        layer.takes(*args)
    return layer(*args, **kwargs)


def _cut_tensor(network, cut):
    if cut in network.output:
        return network.output[cut]
    if cut not in [layer.name for layer in network.layers]:
        raise ValueError(
            f"Networks part at one of their taps, {', '.join(network.output)}, or at a layer. Received: cut={cut!r}."
        )
    return network.get_layer(cut).output


def _producer(tensor):
    return tensor._keras_history.operation.name


def _names_before(network, tensor):
    """Returns the names of the operations, layers among them, that `tensor` is computed from, its own included."""
    return {operation.name for operation in keras.Model(network.input, tensor).operations}


def _shapes(network, names):
    """The shapes of the weights of every layer of these names."""
    return {layer.name: [tuple(w.shape) for w in layer.weights] for layer in network.layers if layer.name in names}
