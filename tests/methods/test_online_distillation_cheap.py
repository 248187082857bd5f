"""OD-cheap: its whole loss against numpy, who moves whom, the parameters of its training graph."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf import models
from odtf.methods.online_distillation_cheap import OnlineDistillationCheap
from tests.methods.conftest import make_method


def log_softmax(z):
    z = z - z.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def numpy_loss(labels, teacher, students, temperature, element_mean):
    """The loss as the paper writes it, for one batch, in float64."""
    rows = np.arange(len(labels))
    total = -log_softmax(teacher)[rows, labels].mean()
    for student in students:
        p, q = log_softmax(teacher / temperature), log_softmax(student / temperature)
        kl = (np.exp(p) * (p - q)).sum(-1).mean()
        total += -log_softmax(student)[rows, labels].mean()
        total += temperature**2 * kl / (teacher.shape[-1] if element_mean else 1)
    return total


@pytest.mark.parametrize("kl_reduction", ["batchmean", "elementmean"])
@pytest.mark.parametrize("num_peers", [2, 4])
def test_whole_loss_against_numpy(kl_reduction, num_peers):
    rng = np.random.default_rng(num_peers)
    method = make_method("OnlineDistillationCheap", num_peers=num_peers, kl_reduction=kl_reduction, temperature=3.0)
    logits = rng.normal(0, 2, (num_peers + 1, 8, 10))
    labels = rng.integers(0, 10, 8)
    outputs = {name: {"logits": tf.constant(z, "float32")} for name, z in zip(method.peers, logits[1:], strict=True)}
    outputs["teacher"] = {"logits": tf.constant(logits[0], "float32")}
    loss = sum(float(tf.reduce_mean(term)) for term in method.loss_terms(labels, outputs).values())
    assert loss == pytest.approx(
        numpy_loss(labels, logits[0], logits[1:], 3.0, kl_reduction == "elementmean"), rel=1e-5
    )


def gradients(method, batch, term):
    """Returns the gradient of one term on the trainable variables of the peers and of the teacher's head."""
    parts = {**method.peers, "teacher": method.teacher_head}
    variables = {name: [v.value for v in part.trainable_variables] for name, part in parts.items()}
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(method.loss_terms(tf.constant(batch[1]), method(batch[0], training=True))[term])
    return tape.gradient(loss, variables)


def moves(gradient):
    return any(g is not None and np.abs(g.numpy()).max() > 1e-9 for g in gradient)


def test_learning_is_mutual(batch):
    """The divergence of peer_0 pulls peer_0, the teacher's head and, through the concatenation, every other peer."""
    found = gradients(make_method("OnlineDistillationCheap", num_peers=3), batch, "peer_0/distillation")
    assert {name: moves(g) for name, g in found.items()} == dict.fromkeys(found, True)


def test_detached_teacher_is_not_pulled(batch):
    method = make_method("OnlineDistillationCheap", num_peers=3, detach_teacher=True)
    found = gradients(method, batch, "peer_0/distillation")
    assert {name: moves(g) for name, g in found.items()} == {
        "peer_0": True,
        "peer_1": False,
        "peer_2": False,
        "teacher": False,
    }


def test_labels_of_the_teacher_train_all_peers_and_those_of_a_peer_itself_alone(batch):
    method = make_method("OnlineDistillationCheap", num_peers=2)
    found = gradients(method, batch, "teacher/supervised")
    assert all(moves(g) for g in found.values())
    # The classifiers of the peers have no part in the teacher.
    assert found["peer_0"][-1] is None
    found = gradients(method, batch, "peer_1/supervised")
    assert {name: moves(g) for name, g in found.items()} == {"peer_0": False, "peer_1": True, "teacher": False}


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({"conv": "shift"}, 411_506),
        ({"conv": "depthwise"}, 482_354),
        ({"conv": "group", "groups": 16}, 620_594),
        ({"conv": "group", "groups": 4}, 1_247_858),
    ],
)
def test_parameters_of_the_training_graph(options, count):
    network = functools.partial(models.od_cheap_resnet, (32, 32, 3), 10, depth=56, **options)
    method = OnlineDistillationCheap(network, num_peers=4)
    assert sum(int(np.prod(v.shape)) for v in method.trainable_variables) == count


def test_teacher_is_the_head_on_concatenated_maps(batch):
    """BN, ReLU, pooling, dense, recomputed by hand from the peers' maps."""
    method = make_method("OnlineDistillationCheap", num_peers=2)
    outputs = method(batch[0], training=True)
    maps = np.concatenate([outputs[name]["stage3"].numpy() for name in method.peers], axis=-1)
    mean, variance = maps.mean((0, 1, 2)), maps.var((0, 1, 2))
    head = {w.path.split("/")[-1]: w.numpy() for w in method.teacher_head.weights}
    normal = (maps - mean) / np.sqrt(variance + 1e-5) * head["gamma"] + head["beta"]
    expected = np.maximum(normal, 0).mean((1, 2)) @ head["kernel"] + head["bias"]
    np.testing.assert_allclose(outputs["teacher"]["logits"], expected, atol=1e-4)


def test_deployed_peer_is_the_peer_and_nothing_else(batch):
    method = make_method("OnlineDistillationCheap", num_peers=2)
    method.compile(keras.optimizers.SGD(0.1))
    method.step((tf.constant(batch[0]), tf.constant(batch[1])))
    deployed = models.deploy(method.peers["peer_1"])
    np.testing.assert_allclose(deployed(batch[0]), method(batch[0])["peer_1"]["logits"], atol=1e-5)
    assert not [layer.name for layer in deployed.layers if "teacher" in layer.name]
    alone = make_method("Solo")
    assert len(deployed.weights) == len(alone.peers["peer_0"].weights)


def test_elementmean_is_refused_when_misspelt():
    with pytest.raises(ValueError, match=r"'batchmean' or 'elementmean'.*'mean'"):
        make_method("OnlineDistillationCheap", kl_reduction="mean")
