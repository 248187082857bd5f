"""Methods and networks of the user's own: what is refused before training, and that layers need no names."""

import keras
import pytest

from odtf import data, models
from odtf.errors import UserError
from odtf.methods import Method
from odtf.models.convolution import Pieces
from odtf.training import cohorts
from odtf.training.config import default_config, free

INFO = data.Info("toy", (8, 8, 1), ("a", "b", "c"), ((0.5,), (0.25,)))


def unnamed(input_shape, head, *, seed, name):
    inputs = keras.Input(input_shape)
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3)(inputs))
    return Pieces("standard", seed=seed).network(inputs, [keras.layers.ReLU()(x)], head, name=name)


def seedless(input_shape, head):
    return unnamed(input_shape, head, seed=0, name="network")


def arrays_for_head(input_shape, head, *, seed, name):
    return unnamed(input_shape, lambda pieces, stages, embedding: stages[-1], seed=seed, name=name)


class Sound(Method):
    def __init__(self, networks, **common):
        super().__init__(**common)
        self.peers = {"left": networks(seed=0, name="left"), "right": networks(seed=1, name="right")}

    def loss_terms(self, targets, outputs):
        return {name: self.task.supervised(targets, answer) for name, answer in self.answers(outputs).items()}


class Lossless(Sound):
    loss_terms = Method.loss_terms


class Closed(Sound):
    def __init__(self, networks):
        super().__init__(networks)


class Peerless(Sound):
    def __init__(self, networks, **common):
        Method.__init__(self, **common)


class Unlike(Sound):
    def __init__(self, networks, **common):
        Method.__init__(self, **common)
        self.peers = {"left": networks(seed=0, name="first")}


def made(method, network="unnamed"):
    config = default_config()
    config.method = free({"name": f"{__name__}:{method}"})
    config.network = free({"name": f"{__name__}:{network}"})
    return cohorts.make_method(config, INFO, None), config


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("Lossless", r"writes loss_terms.*Received: Lossless"),
        ("Closed", r"takes \*\*common.*Received: Closed without task, seed, synchronized"),
        ("Peerless", r"sets self\.peers.*Received: Peerless with peers=\{\}"),
        ("Unlike", r"name of its network.*Received: Unlike with the networks first"),
    ],
)
def test_a_method_that_lacks_something_is_refused_before_training(method, message):
    with pytest.raises(UserError, match=message):
        made(method)


@pytest.mark.parametrize(
    ("network", "message"), [("seedless", "without seed, name"), ("arrays_for_head", "A head returns a dict")]
)
def test_a_network_that_lacks_something_is_refused(network, message):
    with pytest.raises(UserError, match=message):
        made("Sound", network)


def test_layers_without_names_have_equal_ones_in_every_peer_and_alone():
    keras.layers.Dense(1)  # What else a process has made counts for nothing.
    method, config = made("Sound")
    alone = cohorts.make_network(config, {"name": "left", "network": config.network.to_dict()}, INFO)
    paths = [variable.path for variable in method.peers["left"].variables]
    assert paths == [variable.path for variable in method.peers["right"].variables]
    assert paths == [variable.path for variable in alone.variables]
    assert keras.layers.Dense(1).name != "dense"  # Outside, Keras counts on.
    assert models.cost(alone).params
