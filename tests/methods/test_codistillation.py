"""Codistillation: its loss against numpy, the burn-in, who moves whom."""

import numpy as np
import pytest

from odtf import models
from tests.methods.conftest import make_method
from tests.methods.numpy_losses import at_epoch, cross_entropy, divergence, log_softmax, moved, random_outputs, total


@pytest.mark.parametrize(
    ("options", "epoch", "weight"),
    [
        ({}, 0, 0.0),
        ({}, 1, 1.0),
        ({"num_peers": 4, "alpha": 0.5, "temperature": 2.0, "burn_in_epochs": 3}, 3, 0.5),
        ({"num_peers": 3, "burn_in_epochs": 0}, 0, 1.0),
    ],
)
def test_whole_loss_against_numpy(options, epoch, weight):
    method = at_epoch(make_method("Codistillation", **options), epoch)
    temperature = options.get("temperature", 1.0)
    labels, z, outputs = random_outputs(method, method.peers)
    assert len(z) == options.get("num_peers", 2)
    expected = 0.0
    for name in z:
        others = np.mean([np.exp(log_softmax(z[other] / temperature)) for other in z if other != name], axis=0)
        soft = divergence(temperature * np.log(others), z[name], temperature)
        expected += cross_entropy(labels, z[name]) + weight * soft
    assert total(method, labels, outputs) == pytest.approx(expected, rel=2e-5)


def test_two_peers_are_mutual_learning():
    """With one other peer the divergence from the mean is the mean of the divergences."""
    mutual = make_method("DeepMutualLearning")
    codistillation = at_epoch(make_method("Codistillation"), 1)
    labels, _, outputs = random_outputs(mutual, mutual.peers)
    assert total(codistillation, labels, outputs) == pytest.approx(total(mutual, labels, outputs), rel=1e-5)


def test_a_certain_peer_gives_finite_targets():
    method = at_epoch(make_method("Codistillation", num_peers=3), 1)
    labels, _, outputs = random_outputs(method, method.peers)
    certain = {name: {"logits": 100.0 * taps["logits"]} for name, taps in outputs.items()}
    assert np.isfinite(total(method, labels, certain))


def test_the_others_are_constants(batch):
    method = at_epoch(make_method("Codistillation", num_peers=3), 1)
    found = moved(method, batch, "peer_0/distillation", method.peers)
    assert found == {"peer_0": True, "peer_1": False, "peer_2": False}


def test_a_peer_is_deployed_as_it_is(batch):
    method = make_method("Codistillation")
    deployed = models.deploy(method.peers["peer_1"])
    np.testing.assert_allclose(deployed(batch[0]), method(batch[0])["peer_1"]["logits"], atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"num_peers": 1}, "at least 2"), ({"alpha": -1.0}, "alpha=-1"), ({"burn_in_epochs": -1}, "burn_in_epochs=-1")],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        make_method("Codistillation", **options)
