"""Peers of a cohort: their seeds, and what is found among their taps."""

import numpy as np


def peer_seed(seed, index):
    """Returns the initialisation seed of peer `index`: a different one for every peer of every cohort seed.

    Peers that start equal stay equal for ever when they see the same batch, and then teach each other nothing.
    """
    return int(np.random.SeedSequence([int(seed), int(index)]).generate_state(1)[0] & 0x7FFFFFFF)


def independent_peers(networks, seed):
    """Builds whole networks that share nothing, each initialised from a seed of its own.

    Args:
        networks: iterable of callables `network(seed=int, name=str)`.
        seed: int, of the cohort.

    Returns:
        dict from the names "peer_0", "peer_1", ... to the networks.
    """
    return {f"peer_{i}": make(seed=peer_seed(seed, i), name=f"peer_{i}") for i, make in enumerate(networks)}


def stages_of(taps):
    """Returns the names of the taps "stage1", "stage2" and so on, in the order of the network."""
    return sorted((name for name in taps if name.startswith("stage")), key=lambda name: int(name.removeprefix("stage")))


def last_map(taps):
    """Returns the feature map before pooling, `[batch, height, width, channels]`: the last of the taps "stageN"."""
    return taps[stages_of(taps)[-1]]


def several(networks, num_peers=None, least=2):
    """Returns the callables that make the networks of a cohort.

    Args:
        networks: callable `network(seed=int, name=str)` for all of them, or a sequence of such callables.
        num_peers: int, how many there are of one callable; a sequence has its own length.
        least: int, the fewest that the method takes.

    Returns:
        list of callables.

    Raises:
        ValueError: if there are fewer.
    """
    makers = [networks] * num_peers if callable(networks) else list(networks)
    if len(makers) < least:
        raise ValueError(f"The method needs at least {least} peers. Received: {len(makers)}.")
    return makers
