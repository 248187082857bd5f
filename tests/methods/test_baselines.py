"""Solo, mutual learning and offline distillation: losses against numpy, and who moves whom."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf import models
from tests.methods.conftest import make_method
from tests.methods.test_online_distillation_cheap import log_softmax, moves


def loss_of(method, labels, logits):
    outputs = {name: {"logits": tf.constant(z, "float32")} for name, z in logits.items()}
    return sum(float(tf.reduce_mean(term)) for term in method.loss_terms(labels, outputs).values())


def divergence(p, q, temperature):
    p, q = log_softmax(p / temperature), log_softmax(q / temperature)
    return temperature**2 * (np.exp(p) * (p - q)).sum(-1).mean()


def cross_entropy(labels, z):
    return -log_softmax(z)[np.arange(len(labels)), labels].mean()


@pytest.fixture
def logits():
    rng = np.random.default_rng(3)
    return {name: rng.normal(0, 2, (8, 10)) for name in ("peer_0", "peer_1", "peer_2", "teacher")}


LABELS = np.arange(8)


def test_solo(logits):
    assert loss_of(make_method("Solo"), LABELS, logits) == pytest.approx(
        cross_entropy(LABELS, logits["peer_0"]), rel=1e-5
    )


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_mutual_learning(logits, temperature):
    method = make_method("DeepMutualLearning", num_peers=3, temperature=temperature)
    peers = [logits[name] for name in method.peers]
    expected = sum(
        cross_entropy(LABELS, z) + sum(divergence(other, z, temperature) for other in peers if other is not z) / 2
        for z in peers
    )
    assert loss_of(method, LABELS, logits) == pytest.approx(expected, rel=1e-5)


def test_offline_distillation(logits):
    method = make_method("OfflineDistillation", alpha=0.7, temperature=4.0)
    expected = 0.3 * cross_entropy(LABELS, logits["peer_0"]) + 0.7 * divergence(
        logits["teacher"], logits["peer_0"], 4.0
    )
    assert loss_of(method, LABELS, logits) == pytest.approx(expected, rel=1e-5)


def test_in_mutual_learning_a_term_moves_its_own_peer_alone(batch):
    method = make_method("DeepMutualLearning", num_peers=2)
    variables = {name: [v.value for v in peer.trainable_variables] for name, peer in method.peers.items()}
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(method.loss_terms(tf.constant(batch[1]), method(batch[0], training=True))["peer_0/mutual"])
    found = tape.gradient(loss, variables)
    assert moves(found["peer_0"])
    assert not moves(found["peer_1"])


def test_the_offline_teacher_stays_as_it_was(batch):
    method = make_method("OfflineDistillation")
    method.compile(keras.optimizers.SGD(0.1), weight_decay=0.1)
    before = [v.numpy() for v in method.teacher.variables]
    expected = method.teacher(batch[0], training=False)["logits"].numpy()
    method.step((tf.constant(batch[0]), tf.constant(batch[1])))
    for old, new in zip(before, method.teacher.variables, strict=True):
        np.testing.assert_array_equal(old, new.numpy())
    np.testing.assert_array_equal(method(batch[0], training=True)["teacher"]["logits"], expected)


def test_a_deployed_network_can_teach(batch):
    teacher = models.deploy(models.cifar_resnet((8, 8, 1), 10, depth=8, width=4, seed=1))
    method = make_method("OfflineDistillation", teacher=teacher)
    np.testing.assert_allclose(method(batch[0])["teacher"]["logits"], teacher(batch[0]), atol=1e-6)


def test_teacher_of_other_classes_is_refused():
    with pytest.raises(ValueError, match=r"one shape. Received: \(7,\) of teacher, \(10,\) of peer_0"):
        make_method("OfflineDistillation", teacher=models.cifar_resnet((8, 8, 1), 7, depth=8, width=4))


@pytest.mark.parametrize("alpha", [-0.1, 1.1])
def test_alpha_is_a_share(alpha):
    with pytest.raises(ValueError, match=r"lie in \[0, 1\]"):
        make_method("OfflineDistillation", alpha=alpha)
