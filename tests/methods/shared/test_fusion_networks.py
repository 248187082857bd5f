"""The teacher of a cohort as one network: it answers as the cohort does, and can be deployed."""

import numpy as np
import pytest

from odtf import models
from tests.methods.conftest import few_peers, make_batch, make_method


@pytest.mark.parametrize("name", ["OnlineDistillationCheap", "OnlineEnsemble", "CollaborativeCrossArchitecture"])
@pytest.mark.parametrize("uneven", [False, True])
def test_it_answers_as_the_cohort_does(name, uneven):
    method = make_method(name, seed=1, **few_peers(name))
    random = np.random.default_rng(0)
    for v in method.weights:
        if v.path.endswith(("moving_mean", "moving_variance", "beta", "gamma")):
            v.assign(random.uniform(0.5, 1.5, v.shape))
    if uneven and name == "CollaborativeCrossArchitecture":
        method.shares.assign([0.25, 0.75])
    images, _ = make_batch()
    expected = method(images, training=False)["teacher"]["logits"]
    network = method.ensemble_network()
    np.testing.assert_allclose(network(images, training=False)["logits"], expected, rtol=1e-4, atol=1e-5)
    deployed = models.deploy(network, "logits")
    np.testing.assert_allclose(deployed(images), expected, rtol=1e-4, atol=1e-5)
    assert not [layer for layer in deployed.layers if type(layer).__module__.startswith("odtf.")]


def test_other_teachers_are_none():
    assert make_method("DeepMutualLearning").ensemble_network() is None
