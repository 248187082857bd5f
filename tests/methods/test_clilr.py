"""CL-ILR: its loss against numpy, the gradient into the shared layers, who moves whom."""

import numpy as np
import pytest
import tensorflow as tf

from odtf import models
from odtf.methods.clilr import with_scaled_gradient
from tests.methods.conftest import make_method
from tests.methods.numpy_losses import at_epoch, cross_entropy, divergence, moved, random_outputs, total


@pytest.mark.parametrize(
    ("options", "epoch", "labels_weight", "soft_weight"),
    [
        ({}, 40, 1.0, 0.286505),
        ({"alpha": 2.0, "ramp_epochs": 0}, 40, 1.0, 2.0),
        ({"beta": 0.25, "ramp_epochs": 0}, 0, 0.25, 0.75),
    ],
)
def test_whole_loss_against_numpy(options, epoch, labels_weight, soft_weight):
    method = at_epoch(make_method("CLILR", **options), epoch)
    labels, z, outputs = random_outputs(method, method.peers)
    expected = 0.0
    for name in z:
        others = np.mean([z[other] for other in z if other != name], axis=0)
        expected += labels_weight * cross_entropy(labels, z[name]) + soft_weight * divergence(others, z[name], 3.0)
    assert len(z) == 4
    assert total(method, labels, outputs) == pytest.approx(expected, rel=2e-5)


def test_scaling_a_gradient_is_the_identity_forward():
    x = tf.constant([0.1, -3.0, 1e-8])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = with_scaled_gradient(x, 0.25)
        loss = tf.reduce_sum(y * y)
    np.testing.assert_array_equal(y, x)
    np.testing.assert_allclose(tape.gradient(loss, x), 0.25 * 2 * x)


def test_the_shared_layers_get_the_mean_of_the_heads_gradients(batch):
    """The gradient into the trunk is divided by m exactly, those of the heads stay as they are."""
    found = []
    for scaled in (True, False):
        method = at_epoch(make_method("CLILR", scale_gradient=scaled), 80)
        parts = {"trunk": method.trunk, **method.branches}
        variables = {name: [v.value for v in part.trainable_variables] for name, part in parts.items()}
        with tf.GradientTape() as tape:
            terms = method.loss_terms(tf.constant(batch[1]), method(batch[0], training=True))
            loss = sum(tf.reduce_mean(term) for term in terms.values())
        found.append(tape.gradient(loss, variables))
    scaled, plain = found
    for name in scaled:
        for a, b in zip(scaled[name], plain[name], strict=True):
            np.testing.assert_allclose(a, b / 4 if name == "trunk" else b, atol=1e-5, rtol=1e-4)
    assert max(np.abs(g.numpy()).max() for g in plain["trunk"]) > 1e-3


@pytest.mark.parametrize("detached", [False, True])
def test_targets_are_detached_on_demand_only(detached, batch):
    method = at_epoch(make_method("CLILR", num_peers=3, detach_targets=detached), 80)
    found = moved(method, batch, "peer_0/distillation", method.branches)
    assert found == {"peer_0": True, "peer_1": not detached, "peer_2": not detached}


def test_a_head_is_deployed_as_it_is(batch):
    method = make_method("CLILR")
    deployed = models.deploy(method.peers["peer_3"])
    np.testing.assert_allclose(deployed(batch[0]), method(batch[0])["peer_3"]["logits"], atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"alpha": -1.0}, "alpha=-1"), ({"beta": 1.5}, r"lie in \[0, 1\]"), ({"num_peers": 1}, "at least 2")],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        make_method("CLILR", **options)
