"""Peers of a cohort: their seeds, and what is found among their taps."""

import keras
import numpy as np


def peer_seed(seed, index):
    """Returns the initialisation seed of peer `index`: a different one for every peer of every cohort seed.

    Peers that start equal stay equal for ever when they see the same batch, and then teach each other nothing.
    """
    return int(np.random.SeedSequence([int(seed), int(index)]).generate_state(1)[0] & 0x7FFFFFFF)


def several(networks, num_peers=1, least=2, most=None):
    """Returns the callables that make the networks of a cohort.

    Args:
        networks: callable `network(seed=int, name=str)` for all of them, or a sequence of such callables.
        num_peers: int, how many there are of one callable; a sequence has its own length.
        least: int, the fewest that the method takes.
        most: int, the most that it takes; None: any number.

    Returns:
        list of callables.

    Raises:
        ValueError: if there are fewer or more, or a network is given in place of what makes it.
    """
    makers = [networks] * num_peers if callable(networks) else list(networks)
    for make in makers:
        if isinstance(make, keras.Model):
            raise ValueError(
                "A network is made anew for every peer: by a callable network(seed=int, name=str) that returns it. "
                f"Received: the keras.Model {make.name!r}."
            )
    received = f"num_peers={num_peers}" if callable(networks) else f"{len(makers)} networks"
    if len(makers) < least:
        raise ValueError(f"The method needs at least {least} peers. Received: {received}.")
    if most is not None and len(makers) > most:
        raise ValueError(f"The method takes at most {most} network. Received: {received}.")
    return makers


def independent_peers(networks, seed, kind="peer"):
    """Builds whole networks that share nothing, each initialised from a seed of its own.

    Args:
        networks: iterable of callables `network(seed=int, name=str)`.
        seed: int, of the cohort.
        kind: str, what the names begin with.

    Returns:
        dict from the names "peer_0", "peer_1", ... to the networks.
    """
    return {f"{kind}_{i}": make(seed=peer_seed(seed, i), name=f"{kind}_{i}") for i, make in enumerate(networks)}


def check_answers(networks, output):
    """Raises ValueError unless all networks answer in one shape, so that they can teach each other.

    Args:
        networks: mapping from name to network; a deployed one has its answer alone.
        output: name of the tap that is the answer.
    """
    answers = {name: taps_of(network.output, output)[output] for name, network in networks.items()}
    if len({tuple(answer.shape[1:]) for answer in answers.values()}) > 1:
        received = ", ".join(f"{tuple(answer.shape[1:])} of {name}" for name, answer in answers.items())
        raise ValueError(f"Networks that teach each other must answer in one shape. Received: {received}.")


def taps_of(outputs, output):
    """Returns a network's outputs as taps; a deployed network has its answer alone, named `output` here."""
    return outputs if isinstance(outputs, dict) else {output: outputs}


def stages_of(taps):
    """Returns the names of the taps "stage1", "stage2" and so on, in the order of the network."""
    return sorted((name for name in taps if name.startswith("stage")), key=lambda name: int(name.removeprefix("stage")))


def last_map(taps):
    """Returns the feature map before pooling, `[batch, height, width, channels]`: the last of the taps "stageN"."""
    return taps[stages_of(taps)[-1]]
