"""FFL: its whole loss against numpy, who moves whom, both products, the counts of its graph."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf import models
from odtf.methods.feature_fusion import FeatureFusion
from odtf.methods.shared.fusion import fusion_module
from tests.methods.conftest import NETWORK, make_method
from tests.methods.numpy_losses import at_epoch, count, cross_entropy, divergence, moved, random_outputs, total


@pytest.mark.parametrize(("num_peers", "epoch", "weight"), [(2, 0, 0.006738), (3, 40, 0.286505), (2, 300, 1.0)])
def test_whole_loss_against_numpy(num_peers, epoch, weight):
    method = at_epoch(make_method("FeatureFusion", num_peers=num_peers), epoch)
    peers = [f"peer_{i}" for i in range(num_peers)]
    labels, logits, outputs = random_outputs(method, [*peers, "fused"])
    fused, branches = logits["fused"], [logits[name] for name in peers]
    expected = sum(cross_entropy(labels, z) for z in logits.values())
    expected += weight * sum(divergence(fused, z, 3.0) for z in branches)
    expected += weight * divergence(np.mean(branches, axis=0), fused, 3.0)
    assert total(method, labels, outputs) == pytest.approx(expected, rel=1e-5)


def test_who_moves_whom(batch):
    """Targets are detached; the maps that are fused are not."""
    method = at_epoch(make_method("FeatureFusion", num_peers=2), 80)
    parts = {
        "trunk": method.trunk,
        "first": method.branches["peer_0"],
        "second": method.branches["peer_1"],
        "fusion": method.fusion,
    }
    everything = dict.fromkeys(parts, True)
    assert moved(method, batch, "fused/supervised", parts) == everything
    assert moved(method, batch, "fused/distillation", parts) == everything
    for term in ("peer_0/supervised", "peer_0/distillation"):
        assert moved(method, batch, term, parts) == {"trunk": True, "first": True, "second": False, "fusion": False}


def test_the_ensemble_is_detached(batch):
    """The classifiers of the branches take part in the target of the fusion alone, so that it must not move them."""
    method = at_epoch(make_method("FeatureFusion", num_peers=2), 80)
    heads = [
        branch.get_layer(branch.output["logits"]._keras_history.operation.name) for branch in method.branches.values()
    ]
    parts = dict(enumerate(heads))
    assert moved(method, batch, "fused/distillation", parts) == {0: False, 1: False}
    assert moved(method, batch, "peer_1/distillation", parts) == {0: False, 1: True}


def test_counts():
    network = functools.partial(models.cifar_resnet, (32, 32, 3), 100, depth=32)
    method = FeatureFusion(network)
    assert count(method.fusion.trainable_variables) == 16_228
    assert count(method.trainable_variables) == 832_920 + 16_228
    assert models.cost(method.peers["peer_1"]).params == 472_756
    assert models.cost(method.peers["fused"]).params == 832_920 + 16_228 - 2 * 6_500  # The branches' classifiers.


def test_fusion_is_the_module_on_the_maps(batch):
    """Depthwise, 1x1, pooling and dense, recomputed by hand with the moving statistics."""
    method = make_method("FeatureFusion", num_peers=2)
    outputs = method(batch[0])
    x = np.concatenate([outputs[name]["stage3"].numpy() for name in ("peer_0", "peer_1")], axis=-1)
    weights = {w.path.removeprefix("fusion_"): w.numpy() for w in method.fusion.weights}
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    kernel = weights["depthwise/kernel"][..., 0]
    x = sum(padded[:, i : i + 2, j : j + 2] * kernel[i, j] for i in range(3) for j in range(3))
    x = np.maximum(x / np.sqrt(1 + 1e-5), 0) @ weights["pointwise/kernel"][0, 0]
    x = np.maximum(x / np.sqrt(1 + 1e-5), 0)
    np.testing.assert_allclose(outputs["fused"]["map"], x, atol=1e-4)
    expected = x.mean((1, 2)) @ weights["logits/kernel"] + weights["logits/bias"]
    np.testing.assert_allclose(outputs["fused"]["logits"], expected, atol=1e-4)


@pytest.mark.parametrize("conv", ["depthwise", "shift"])
def test_deployed_products_are_what_was_trained(batch, conv):
    made = functools.partial(NETWORK, conv=conv)
    method = FeatureFusion(made)
    method.compile(keras.optimizers.SGD(0.05), steps_per_epoch=1)
    method.step((tf.constant(batch[0]), tf.constant(batch[1])))
    outputs = method(batch[0])
    for name, network in method.peers.items():
        deployed = models.deploy(network)
        np.testing.assert_allclose(deployed(batch[0]), outputs[name]["logits"], atol=1e-5)
        foreign = [layer.name for layer in deployed.layers if "fusion" in layer.name]
        assert bool(foreign) == (name == "fused")
    alone = models.deploy(made(seed=0, name="alone"))
    for name in ("peer_0", "peer_1"):
        assert count(models.deploy(method.peers[name]).weights) == count(alone.weights)


@pytest.mark.parametrize(("student", "names"), [("single", ("peer_0", "peer_1")), ("fused", ("fused",))])
def test_the_product_says_what_is_chosen(student, names):
    assert make_method("FeatureFusion", student=student).students == names


def test_the_fusion_has_a_decay_of_its_own(batch):
    """One step of plain descent: the rest decays by 0.5, the fusion by what it is given."""
    found = []
    for decay, of_fusion in ((0.0, 0.0), (0.5, 0.25)):
        method = make_method("FeatureFusion", fusion_weight_decay=of_fusion)
        method.compile(keras.optimizers.SGD(0.1), weight_decay=decay, steps_per_epoch=1)
        parts = [method.fusion.trainable_variables[0], method.trunk.trainable_variables[0]]
        start = [v.numpy() for v in parts]
        method.step((tf.constant(batch[0]), tf.constant(batch[1])))
        found.append([v.numpy() for v in parts])
    for before, plain, decayed, decay in zip(start, *found, (0.25, 0.5), strict=True):
        np.testing.assert_allclose(decayed, plain - 0.1 * decay * before, atol=1e-6)


def test_branches_may_be_networks_that_share_nothing(batch):
    """Different architectures; where their maps differ, a regressor brings the larger resolution to the smaller."""
    wide = functools.partial(models.cifar_resnet, (8, 8, 1), 10, depth=8, width=4)
    method = FeatureFusion([NETWORK, wide])
    method.compile(keras.optimizers.SGD(0.05), steps_per_epoch=1)
    logs = method.step((tf.constant(batch[0]), tf.constant(batch[1])))
    assert np.isfinite(float(logs["loss"]))
    outputs = method(batch[0])
    for name, network in method.peers.items():
        np.testing.assert_allclose(models.deploy(network)(batch[0]), outputs[name]["logits"], atol=1e-5)
    assert count(method.peers["peer_0"].weights) == count(NETWORK(seed=0, name="alone").weights)

    fine, coarse = keras.Input((8, 8, 3)), keras.Input((4, 4, 5))
    module = fusion_module([fine, coarse], 10, seed=0)
    assert module.output["map"].shape == (None, 4, 4, 3)
    with pytest.raises(ValueError, match="multiples of the smallest"):
        fusion_module([keras.Input((6, 6, 3)), coarse], 10, seed=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"num_peers": 1}, "at least 2 peers"), ({"student": "both"}, "'single' or 'fused'"), ({"cut": "x"}, "x")],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        make_method("FeatureFusion", **options)
