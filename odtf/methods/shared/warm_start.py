"""Cohorts whose networks start from trained weights: when the layers that were taken learn, how fast, and twins.

Peers that start from one file have equal bodies. What makes them differ, by method:

    all                                         heads of their own, where the head is not taken; dropout; a start for
                                                each, as config.method.networks may have it
    all whose peers may see views of their own  config.data.num_views: KDCL, PeerCollaborative, DeepMutualLearning, ...
    OnlineDistillationCheap, ONE, FeatureFusion, what the method builds on the peers' features, with weights of its own
    PeerCollaborative, OnlineEnsemble           for each peer
    Solo and methods with a teacher             they have one student; their networks have different parts to play

Equal peers that none of this tells apart get equal gradients for ever; `twins` finds them. How far peers differ is
measured at every validation, see `odtf.methods.shared.diversity`.
"""

import contextlib
import itertools

import keras
import numpy as np
from keras import ops

from odtf.methods.shared.own_rates import divided


class WarmStart:
    """What a method does otherwise with layers that `odtf.models.start` has marked, in all of its networks.

    In the first epochs they wait, and what follows them, the heads and what the method itself builds, learns alone: no
    variable of theirs changes, their batch normalisation is that of inference. Then they learn at a rate of their own.

    A method's attribute `warm_start` is one of these, set before `compile`::

        cohort.warm_start = WarmStart(frozen_epochs=2, body_rate=0.1)

    Args:
        frozen_epochs: int, how many of the first epochs the layers wait; 0: none.
        body_rate: positive float, a factor on the learning rate of these layers, whichever optimizer is theirs.

    Raises:
        ValueError: if a number is out of range.
    """

    def __init__(self, frozen_epochs=0, body_rate=1.0):
        if frozen_epochs < 0 or not body_rate > 0:
            raise ValueError(
                "Epochs are not negative, and a rate is positive. "
                f"Received: frozen_epochs={frozen_epochs}, body_rate={body_rate}."
            )
        self.frozen_epochs = int(frozen_epochs)
        self.body_rate = float(body_rate)
        self.freezes = self.frozen_epochs > 0
        self._inside, self._norms = 0, []

    def begin_epoch(self, epoch):
        """Enters a 0-based epoch; returns whether the layers wait no longer, or again: steps must be traced anew."""
        before, self.freezes = self.freezes, epoch < self.frozen_epochs
        return self.freezes != before

    def waiting(self, model):
        """Returns the identities of the variables that do not learn now, a set."""
        return body(model) if self.freezes else set()

    @contextlib.contextmanager
    def as_in_inference(self, model):
        """Lets the batch normalisation of waiting layers be that of inference, in the forward pass within."""
        if not self.freezes:
            yield
            return
        if not self._inside:
            norms = [layer for layer in marked(model) if isinstance(layer, keras.layers.BatchNormalization)]
            self._norms = [norm for norm in norms if norm.trainable]
            for norm in self._norms:
                norm.trainable = False
        # One replica may wait within for another, which enters or leaves meanwhile: the last one restores.
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                for norm in self._norms:
                    norm.trainable = True

    def players(self, players, optimizer, model):
        """Gives the layers a rate of their own: what they have in each player becomes another one.

        Args:
            players: list of `Player`, those of the method.
            optimizer: the optimizer of what is in none of them.
            model: the method.

        Returns:
            list of `Player`.
        """
        if self.body_rate == 1.0:
            return players
        return divided(players, optimizer, model.trainable_variables, body(model), self.body_rate, "body")


def marked(model):
    """Returns the layers of a model that start from trained weights, each once."""
    layers = {id(layer): layer for layer in model._flatten_layers()}
    return [layer for layer in layers.values() if getattr(layer, "warm_started", False)]


def body(model):
    """Returns the identities of the variables of these layers, a set, whether or not they are trainable just now."""
    return {id(v) for layer in marked(model) for v in layer._trainable_variables}


def twins(method, num_views=1):
    """Finds two peers that start equal and that nothing would ever make differ.

    Peers differ where they have weights of their own (a head that was not taken, another start), see other views of
    the images, have noise (dropout), or are told apart by what the method builds (`Method.tells_peers_apart`).

    Args:
        method: `odtf.methods.Method`, its networks as they start.
        num_views: int, how many views of an image there are.

    Returns:
        Pair of names, or None.
    """
    if method.tells_peers_apart:
        return None
    peers = [(index, name) for index, name in enumerate(method.peers) if name in getattr(method, "starts", ())]
    for (i, one), (j, other) in itertools.combinations(peers, 2):
        if i % num_views == j % num_views and one.startswith("peer_") and other.startswith("peer_"):
            networks = method.peers[one], method.peers[other]
            if not any(_is_noisy(network) for network in networks) and _are_equal(*networks):
                return one, other
    return None


def _is_noisy(network):
    return any(hasattr(layer, "seed_generator") for layer in network._flatten_layers())


def _are_equal(one, other):
    pairs = zip(one.weights, other.weights, strict=False)
    return len(one.weights) == len(other.weights) and all(
        a.shape == b.shape and (a is b or np.array_equal(ops.convert_to_numpy(a), ops.convert_to_numpy(b)))
        for a, b in pairs
    )
