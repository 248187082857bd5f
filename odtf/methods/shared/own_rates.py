"""Variables of a cohort that learn at another rate or with another weight decay than the rest of their player."""

import dataclasses

import keras

from odtf.methods.shared.players import Player
from odtf.methods.shared.rates import with_rate


def divided(players, optimizer, variables, mine, rate, name):
    """Gives some variables a rate of their own: what they have in each player becomes another one.

    Args:
        players: list of `Player`, those of a method.
        optimizer: the optimizer of what is in none of them.
        variables: list of all trainable variables.
        mine: identities of the variables, a set.
        rate: positive float, a factor on their learning rate, whichever optimizer is theirs.
        name: of what they are, for messages.

    Returns:
        list of `Player`.
    """
    own_rates = {}

    def optimizer_of(player):
        own = player.optimizer if player is not None and player.optimizer is not None else optimizer
        return own_rates.setdefault(id(own), (own, with_rate(own, rate)))[1]

    made = []
    for player in players:
        parts = [[v for v in player.variables if (id(v) in mine) == taken] for taken in (False, True)]
        if parts[0]:
            made.append(_with(player, player.name, parts[0], player.optimizer))
        if parts[1]:
            made.append(_with(player, f"{player.name}_{name}", parts[1], optimizer_of(player)))
    claimed = {id(v) for player in players for v in player.variables}
    rest = [v for v in variables if id(v) in mine - claimed]
    return [*made, *([Player(name, rest, optimizer=optimizer_of(None))] if rest else [])]


def _with(player, name, variables, optimizer):
    return dataclasses.replace(player, name=name, variables=variables, optimizer=optimizer)


class Norms:
    """What a method does otherwise with batch normalisation, in all of its networks and in what it builds itself.

    A method's attribute `norms` is one of these, set before `compile`::

        cohort.norms = Norms(bias_rate=16.0, decays=False)

    Args:
        bias_rate: positive float, a factor on the learning rate of its biases (beta). Their weight decay is divided by
            it, so that they shrink in a step as they would without.
        decays: bool, whether its scales and biases have the weight decay.

    Raises:
        ValueError: if the factor is not positive.

    Reference:
        Page, "How to train your ResNet 8: bag of tricks", 2019, and its descendant airbench (larger rate for biases);
        Jia et al., "Highly Scalable Deep Learning Training System", arXiv 1807.11205 (no decay).
    """

    def __init__(self, bias_rate=1.0, decays=True):
        if not bias_rate > 0:
            raise ValueError(f"A rate is positive. Received: bias_rate={bias_rate}.")
        self.bias_rate, self.decays = float(bias_rate), bool(decays)

    def players(self, players, optimizer, method):
        """Returns the players with the biases' rate; see `divided`."""
        if self.bias_rate == 1.0:
            return players
        biases = {id(norm.beta) for norm in norms_of(method) if norm.center}
        return divided(players, optimizer, method.trainable_variables, biases, self.bias_rate, "norm_biases")

    def decay_factors(self, method):
        """Returns by what the weight decay of which variables is multiplied: a dict from their identities."""
        norms = norms_of(method)
        biases = {id(norm.beta): 1.0 / self.bias_rate for norm in norms if norm.center}
        if self.decays:
            return biases
        return dict.fromkeys((id(v) for norm in norms for v in norm._trainable_variables), 0.0)


def norms_of(method):
    """Returns the layers of batch normalisation in a cohort, each once."""
    layers = {id(layer): layer for layer in method._flatten_layers()}
    return [layer for layer in layers.values() if isinstance(layer, keras.layers.BatchNormalization)]
