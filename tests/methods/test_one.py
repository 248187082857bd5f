"""ONE: its loss against numpy, the gate, who moves whom, its two products."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from odtf import methods, models
from tests.methods.conftest import make_method
from tests.methods.numpy_losses import at_epoch, count, cross_entropy, divergence, moved, random_outputs, total


def parts(method):
    return {"trunk": method.trunk, "gate": method.gate, **method.branches}


# The ramp exp(-5 (1 - e / 80)^2) at some epochs.
@pytest.mark.parametrize(("epoch", "weight"), [(0, 0.006738), (40, 0.286505), (200, 1.0)])
def test_whole_loss_against_numpy(epoch, weight):
    method = at_epoch(make_method("ONE"), epoch)
    labels, z, outputs = random_outputs(method, ["peer_0", "peer_1", "peer_2", "ensemble"])
    expected = cross_entropy(labels, z["ensemble"]) + sum(
        cross_entropy(labels, z[name]) + weight * divergence(z["ensemble"], z[name], 3.0) for name in method.branches
    )
    assert total(method, labels, outputs) == pytest.approx(expected, rel=2e-5)


def test_the_ensemble_is_the_gated_sum(batch):
    method = make_method("ONE")
    outputs = method(batch[0], training=True)
    weights = {w.path.split("/")[-1]: w.numpy() for w in method.gate.weights}
    x = outputs["peer_0"]["stage2"].numpy().mean((1, 2)) @ weights["kernel"] + weights["bias"]
    x = np.maximum((x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5), 0)
    gate = np.exp(x) / np.exp(x).sum(-1, keepdims=True)
    np.testing.assert_allclose(outputs["ensemble"]["gate"], gate, atol=1e-4)
    expected = sum(gate[:, i, None] * outputs[name]["logits"].numpy() for i, name in enumerate(method.branches))
    np.testing.assert_allclose(outputs["ensemble"]["logits"], expected, atol=1e-4)


def test_the_gate_learns_from_the_labels_of_the_ensemble_alone(batch):
    method = at_epoch(make_method("ONE"), 80)
    found = moved(method, batch, "ensemble/supervised", parts(method))
    assert found == dict.fromkeys(parts(method), True)
    found = moved(method, batch, "peer_1/distillation", parts(method))
    assert found == {"trunk": True, "gate": False, "peer_0": False, "peer_1": True, "peer_2": False}


def test_the_shared_map_learns_through_the_gate(batch):
    method = make_method("ONE")
    found = moved(method, batch, lambda outputs: outputs["ensemble"]["gate"][:, 0], parts(method))
    assert found == {"trunk": True, "gate": True, "peer_0": False, "peer_1": False, "peer_2": False}


def test_an_attached_target_pulls_gate_and_branches(batch):
    method = at_epoch(make_method("ONE", detach_teacher=False), 80)
    assert all(moved(method, batch, "peer_1/distillation", parts(method)).values())


def test_published_counts():
    method = methods.ONE(functools.partial(models.cifar_resnet, (32, 32, 3), 100, depth=32))
    assert count(method.trainable_variables) == 1_193_189
    assert count(method.peers["peer_0"].trainable_variables) == 472_756
    assert count(method.peers["ensemble"].trainable_variables) == 1_193_189


def test_both_products_are_deployed(batch):
    method = at_epoch(make_method("ONE"), 80)
    method.step((tf.constant(batch[0]), tf.constant(batch[1])))
    outputs = method(batch[0])
    for name in ("peer_2", "ensemble"):
        deployed = models.deploy(method.peers[name])
        np.testing.assert_allclose(deployed(batch[0]), outputs[name]["logits"], atol=1e-5)
    alone = make_method("Solo").peers["peer_0"]
    assert len(models.deploy(method.peers["peer_2"]).weights) == len(alone.weights)


def test_the_student_is_a_branch_or_the_ensemble():
    assert make_method("ONE").students == ("peer_0", "peer_1", "peer_2")
    assert make_method("ONE", student="ensemble").students == ("ensemble",)
    with pytest.raises(ValueError, match=r"'branch' or 'ensemble'.*'gate'"):
        make_method("ONE", student="gate")


def test_another_cut_shares_less():
    late, early = (make_method("ONE", cut=cut) for cut in (None, "stage1"))
    assert count(late.trainable_variables) < count(early.trainable_variables)
    with pytest.raises(ValueError, match="ramp"):
        make_method("ONE", ramp_epochs=-1)
