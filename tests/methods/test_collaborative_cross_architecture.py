"""MCOD: gate and weight as functions of the step, the whole loss against numpy, the ensemble's shares, resume."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf import models
from odtf.methods.collaborative_cross_architecture import CollaborativeCrossArchitecture
from tests.methods.conftest import NETWORK
from tests.methods.test_baselines import cross_entropy, divergence
from tests.methods.test_online_distillation_cheap import moves
from tests.methods.tiny import tiny

NETWORKS = [
    functools.partial(models.cifar_resnet, (8, 8, 1), 10, depth=8, width=4),
    functools.partial(models.resnet8, (8, 8, 1), 10, width=(4, 6, 8)),
    NETWORK,
]


TINY = [tiny, functools.partial(tiny, (6,)), functools.partial(tiny, (2, 3, 4))]


def make(steps_per_epoch=4, networks=TINY, **options):
    method = CollaborativeCrossArchitecture(networks, **options)
    method.compile(keras.optimizers.SGD(0.1), steps_per_epoch=steps_per_epoch)
    return method


def at(method, step):
    method.optimizer.iterations.assign(step)
    return method


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"period": 5, "duty": 2}, "0001100011"),
        ({"period": 3, "duty": 1}, "0010010010"),
        ({"period": 4, "duty": 0}, "0000000000"),
        ({"period": 4, "duty": 4}, "1111111111"),
    ],
)
def test_gate_by_epoch_and_by_step(options, expected):
    by_epoch = make(**options)
    assert "".join(str(int(at(by_epoch, 4 * epoch + 3).gate)) for epoch in range(10)) == expected
    by_step = make(**options, gate_unit="step")
    assert "".join(str(int(at(by_step, step).gate)) for step in range(10)) == expected


def test_the_constraint_is_enhanced():
    method = make(ramp_epochs=20, max_weight=2.0)
    for epoch in (0, 7, 19, 20, 50):
        expected = 2 * np.exp(-5 * (1 - min(epoch, 20) / 20) ** 2)
        assert float(at(method, 4 * epoch).strength) == pytest.approx(expected, rel=1e-5)
    method = make(enhancement="cycle", period=5, ramp_epochs=20)  # Four cycles.
    assert [float(at(method, 4 * epoch).strength) for epoch in (0, 4, 5, 14, 19, 40)] == [0.25, 0.25, 0.5, 0.75, 1, 1]
    method = make(enhancement="cycle", period=8, ramp_epochs=4, gate_unit="step")  # 16 steps, two cycles.
    assert [float(at(method, step).strength) for step in (0, 7, 8, 15, 99)] == [0.5, 0.5, 1, 1, 1]


@pytest.mark.parametrize("epoch", [2, 3])
def test_whole_loss_against_numpy(epoch):
    rng = np.random.default_rng(0)
    method, labels, shares = at(make(ramp_epochs=8, max_weight=0.5), 4 * epoch), np.arange(6), [0.5, 0.2, 0.3]
    method.shares.assign(shares)
    logits = rng.normal(0, 2, (3, 6, 10)).astype("float32")
    outputs = {name: {"logits": tf.constant(z)} for name, z in zip(method.peers, logits, strict=True)}
    outputs["teacher"] = method.call_teacher(outputs, training=True)
    ensemble = np.tensordot(shares, logits, 1)
    np.testing.assert_allclose(outputs["teacher"]["logits"], ensemble, rtol=1e-5, atol=1e-6)
    weight = 0.5 * np.exp(-5 * (1 - epoch / 8) ** 2) * (epoch == 3)
    expected = sum(cross_entropy(labels, z) + weight * divergence(ensemble, z, 3.0) for z in logits)
    loss = sum(float(tf.reduce_mean(term)) for term in method.loss_terms(labels, outputs).values())
    assert loss == pytest.approx(expected, rel=1e-5)


def test_a_term_moves_its_own_network_alone(batch):
    method = at(make(), 4 * 3)
    variables = {name: [v.value for v in peer.trainable_variables] for name, peer in method.peers.items()}
    for term in ("supervised", "distillation"):
        with tf.GradientTape() as tape:
            outputs = method(batch[0], training=True)
            loss = tf.reduce_sum(method.loss_terms(tf.constant(batch[1]), outputs)[f"peer_1/{term}"])
        found = tape.gradient(loss, variables)
        assert {name: moves(g) for name, g in found.items()} == {"peer_0": False, "peer_1": True, "peer_2": False}


def train(method, batch, steps, start=0):
    """Steps with the calls of the training loop around them; 4 steps an epoch."""
    data = tf.constant(batch[0]), tf.constant(batch[1])
    method.begin_epoch(start // 4, resumed=start % 4 > 0)
    for step in range(start + 1, start + steps + 1):
        logs = method.step(data)
        if step % 4 == 0 and step < start + steps:
            method.begin_epoch(step // 4)
    return logs


def test_shares_follow_the_running_accuracy_and_change_with_the_epoch_alone(batch):
    method = make(ensemble="accuracy")
    train(method, batch, 3)
    np.testing.assert_allclose(method.shares, 1 / 3, rtol=1e-6)
    running = method.running_accuracy.numpy()
    assert running.max() > 0
    train(method, batch, 1, start=3)
    latest = method.running_accuracy.numpy()
    np.testing.assert_allclose(method.shares, 1 / 3, rtol=1e-6)
    method.begin_epoch(1)
    np.testing.assert_allclose(method.shares, latest / latest.sum(), rtol=1e-5)
    answers = {name: taps["logits"].numpy() for name, taps in method(batch[0]).items() if name != "teacher"}
    accuracies = [(logits.argmax(-1) == batch[1]).mean() for logits in answers.values()]
    method.after_step(tf.constant(batch[1]), method(batch[0]))
    np.testing.assert_allclose(method.running_accuracy, 0.99 * latest + 0.01 * np.array(accuracies), rtol=1e-5)


@pytest.mark.parametrize("stop", [8, 10])
def test_gate_and_shares_survive_a_resume(batch, stop):
    """Stopped within an epoch or at its end, restored from the variables, the run ends as if it had not stopped."""
    options = {"ensemble": "accuracy", "period": 3, "duty": 1, "seed": 3, "networks": TINY[:2]}
    whole = make(**options)
    train(whole, batch, 11)
    first = make(**options)
    train(first, batch, stop)
    second = make(**options | {"seed": 8})
    for old, new in zip(first.variables, second.variables, strict=True):
        new.assign(old)
    for old, new in zip(first.optimizer.variables, second.optimizer.variables, strict=True):
        new.assign(old)
    train(second, batch, 11 - stop, start=stop)
    assert int(second.optimizer.iterations) == 11
    for a, b in zip(whole.variables, second.variables, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-5, err_msg=a.path)
    assert any("running_accuracy" in v.path for v in first.variables)


def test_two_replicas_are_one(batch, mirrored):
    """The running accuracy is the mean over the replicas."""
    with mirrored.scope():
        method = make(ensemble="accuracy", seed=1)
    halves = tf.data.Dataset.from_tensor_slices(batch).batch(8)
    logs = method.step_function(
        iter(
            mirrored.experimental_distribute_dataset(
                halves.batch(2).map(lambda x, y: (tf.reshape(x, (16, 8, 8, 1)), tf.reshape(y, (16,))))
            )
        )
    )
    means = [float(logs[f"peer_{i}/top1"]) for i in range(3)]
    np.testing.assert_allclose(method.running_accuracy.numpy(), 0.01 * np.array(means), rtol=1e-4)


def test_networks_have_their_own_rates(batch):
    method = CollaborativeCrossArchitecture(TINY, rates=[0.1, 1.0, 1.0])
    method.compile(keras.optimizers.SGD(0.2), steps_per_epoch=4)
    assert [float(optimizer.learning_rate) for optimizer in method.update.optimizers] == pytest.approx([0.2, 0.02])
    plain = make(seed=0)
    plain.compile(keras.optimizers.SGD(0.2), steps_per_epoch=4)
    before = [v.numpy() for v in plain.peers["peer_0"].trainable_variables]
    for each in (method, plain):
        each.step((tf.constant(batch[0]), tf.constant(batch[1])))
    pairs = zip(
        before, method.peers["peer_0"].trainable_variables, plain.peers["peer_0"].trainable_variables, strict=True
    )
    for start, slow, fast in pairs:
        np.testing.assert_allclose(slow.numpy() - start, 0.1 * (fast.numpy() - start), atol=1e-6)


@pytest.mark.parametrize("index", range(3))
def test_deployed_network_is_the_peer(batch, index):
    method = make(networks=NETWORKS)
    deployed = models.deploy(method.peers[f"peer_{index}"])
    np.testing.assert_allclose(deployed(batch[0]), method(batch[0])[f"peer_{index}"]["logits"], atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"networks": NETWORKS[:1]}, "at least 2"),
        ({"duty": 6}, "duty <= period"),
        ({"gate_unit": "day"}, "'epoch' or 'step'"),
        ({"enhancement": "linear"}, "'exponential' or 'cycle'"),
        ({"ensemble": "best"}, "'uniform' or 'accuracy'"),
        ({"rates": [1.0]}, "one positive rate"),
        ({"ramp_epochs": 0}, "ramp_epochs > 0"),
        (
            {"networks": [NETWORK, functools.partial(models.resnet8, (8, 8, 1), 7)]},
            r"one shape. Received: \(10,\) of peer_0, \(7,\) of peer_1",
        ),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        CollaborativeCrossArchitecture(**{"networks": NETWORK, **options})
