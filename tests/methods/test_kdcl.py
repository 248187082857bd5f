"""KDCL: each of its targets, its loss against numpy, what it learns from the validation split."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf import methods, models
from odtf.methods.kdcl import TARGETS, general_weights, linear_weights, min_logit, naive
from odtf.training.checkpoints import Checkpoints
from tests.methods.conftest import NETWORK, make_method
from tests.methods.numpy_losses import cross_entropy, divergence, log_softmax, moved, random_outputs, total


def test_min_logit_golden_vector():
    z = tf.constant([[[2, 0.5, -1], [0, 1, 3]], [[1, 1, 0], [0.5, -0.5, 2]]])
    np.testing.assert_allclose(min_logit([0, 2], z), [[0, -1.5, -3], [-3, -2.5, 0]])


def test_naive_takes_the_best_of_each_example():
    rng = np.random.default_rng(0)
    z, labels = rng.normal(0, 2, (3, 20, 5)), rng.integers(0, 5, 20)
    losses = -log_softmax(z)[:, np.arange(20), labels]
    assert len(set(losses.argmin(0))) == 3
    np.testing.assert_allclose(naive(labels, tf.constant(z, "float32")), z[losses.argmin(0), np.arange(20)], rtol=1e-6)


@pytest.mark.parametrize("peers", [2, 3, 5])
@pytest.mark.parametrize("scale", [0.1, 2.0, 20.0])
def test_linear_weights_are_optimal(peers, scale):
    """On the simplex the gradient is least, and equal, where there is weight."""
    rng = np.random.default_rng(peers)
    labels = rng.integers(0, 10, 64)
    z = scale * (rng.normal(size=(peers, 64, 10)) + rng.random((peers, 1, 1)) * np.eye(10)[labels])
    weights = linear_weights(labels, tf.constant(z, "float32"), steps=50).numpy()
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1, abs=1e-5)
    p = np.exp(log_softmax(np.tensordot(weights, z, 1)))
    gradient = ((p - np.eye(10)[labels]) * z).sum(-1).mean(-1)
    assert gradient[weights > 1e-3].max() - gradient.min() < 2e-3 * scale


def test_linear_finds_the_one_that_knows():
    labels = np.arange(10)
    knows, guesses = 5.0 * np.eye(10), -5.0 * np.eye(10)
    weights = linear_weights(labels, tf.constant(np.stack([guesses, knows]), "float32"))
    np.testing.assert_allclose(weights, [0, 1], atol=1e-3)


def test_general_weights_minimise_the_error_of_the_ensemble():
    covariance = np.array([[1.0, 0.2, 0.1], [0.2, 2.0, 0.3], [0.1, 0.3, 4.0]])
    inverse = np.linalg.inv(covariance)
    np.testing.assert_allclose(general_weights(covariance, ridge=0), inverse.sum(1) / inverse.sum(), rtol=1e-6)
    np.testing.assert_allclose(general_weights(np.ones((2, 2))), [0.5, 0.5], rtol=1e-6)


@pytest.mark.parametrize("target", TARGETS)
def test_whole_loss_against_numpy(target):
    method = make_method("KDCL", num_peers=3, target=target, temperature=2.0, weight=0.5)
    labels, z, outputs = random_outputs(method, method.peers)
    stacked = np.stack(list(z.values()))
    if target == "general":
        method.ensemble_weights.assign([0.7, 0.5, -0.2])
        soft = np.tensordot([0.7, 0.5, -0.2], stacked, 1)
    elif target == "linear":
        soft = np.tensordot(linear_weights(labels, tf.constant(stacked, "float32")).numpy(), stacked, 1)
    elif target == "naive":
        soft = stacked[(-log_softmax(stacked)[:, np.arange(8), labels]).argmin(0), np.arange(8)]
    else:
        soft = (stacked - stacked[:, np.arange(8), labels, None]).min(0)
    expected = sum(cross_entropy(labels, each) + 0.5 * divergence(soft, each, 2.0) for each in stacked)
    assert total(method, labels, outputs) == pytest.approx(expected, rel=2e-5)


@pytest.mark.parametrize("target", TARGETS)
def test_distributions_are_labels_too(target):
    method = make_method("KDCL", target=target)
    labels, _, outputs = random_outputs(method, method.peers)
    expected, found = (
        {**method.loss_terms(each, outputs), **method.held_out_sums(each, outputs, np.ones(len(labels), "float32"))}
        for each in (tf.constant(labels), tf.constant(np.eye(10, dtype="float32")[labels]))
    )
    for term, value in expected.items():
        np.testing.assert_allclose(found[term], value, rtol=1e-5, atol=1e-5, err_msg=term)


@pytest.mark.parametrize("target", TARGETS)
def test_targets_are_constants(target, batch):
    method = make_method("KDCL", num_peers=3, target=target)
    found = moved(method, batch, "peer_1/distillation", method.peers)
    assert found == {"peer_0": False, "peer_1": True, "peer_2": False}


def test_general_learns_its_weights_from_held_out_data_and_keeps_them(batch, tmp_path):
    method = make_method("KDCL", target="general")
    method.compile(keras.optimizers.SGD(0.1))
    np.testing.assert_allclose(method.ensemble_weights, [0.5, 0.5])
    values = method.measure(tf.data.Dataset.from_tensor_slices(batch).batch(5))
    method.after_validation(values)

    errors = [np.exp(log_softmax(taps["logits"].numpy())) - np.eye(10)[batch[1]] for taps in method(batch[0]).values()]
    covariance = [[(a * b).sum(-1).mean() for a in errors] for b in errors]
    expected = general_weights(covariance)
    np.testing.assert_allclose(method.ensemble_weights, expected, rtol=1e-3, atol=1e-4)
    assert np.abs(expected - 0.5).max() > 0.01

    Checkpoints(tmp_path, method).save({"step": 1, "chosen": None})
    resumed = make_method("KDCL", target="general", seed=5)
    resumed.compile(keras.optimizers.SGD(0.1))
    Checkpoints(tmp_path, resumed).restore()
    np.testing.assert_array_equal(resumed.ensemble_weights, method.ensemble_weights)
    assert method.ensemble_weights.path not in {v.path for v in method.trainable_variables}


def test_networks_may_differ_and_each_sees_its_view(batch):
    def other(seed, name):
        return models.resnet8((8, 8, 1), 10, width=(4, 4, 8), seed=seed, name=name)

    method = methods.KDCL([NETWORK, other])
    views = np.stack([batch[0], batch[0][::-1]], axis=1)
    outputs = method(views)
    for index, (name, network) in enumerate(method.peers.items()):
        np.testing.assert_array_equal(outputs[name]["logits"], network(views[:, index])["logits"])
    deployed = models.deploy(method.peers["peer_1"])
    np.testing.assert_allclose(deployed(views[:, 1]), outputs["peer_1"]["logits"], atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "best"}, "naive, linear, min_logit, general.*'best'"),
        ({"weight": -1.0}, "weight=-1"),
        ({"network": [NETWORK]}, "at least 2"),
        ({"temperature": 0.0}, "positive"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        make_method("KDCL", **options)
