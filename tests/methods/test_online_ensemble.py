"""OEM: the published sizes of its students, its whole loss against numpy, who moves whom, what is deployed."""

import functools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf import models
from odtf.methods.online_ensemble import OnlineEnsemble
from odtf.training.config import load_config
from tests.methods.test_baselines import cross_entropy, divergence
from tests.methods.test_online_distillation_cheap import moves

WIDTHS = [(8, 16, 32), (6, 12, 25), (3, 6, 12)]


def network(widths=WIDTHS[0], shape=(8, 8, 1), classes=10, depth=8, stem_width=8):
    return functools.partial(models.cifar_resnet, shape, classes, depth=depth, widths=widths, stem_width=stem_width)


def make(**options):
    return OnlineEnsemble([network(widths) for widths in WIDTHS], **options)


def parameters(variables):
    return sum(math.prod(v.shape) for v in variables)


def fractions(depth, classes=10):
    widths = [tuple(int(c * (5 - i) / 5) for c in (16, 32, 64)) for i in range(5)]
    return [network(w, (32, 32, 3), classes, depth, 16) for w in widths]


def test_one_training_graph_holds_five_students_of_the_published_sizes():
    """The counts of the paper's table 1 for ResNet-20, the base in every student and once in the graph."""
    networks = fractions(20)
    method = OnlineEnsemble(networks)
    counts = [272_474, 171_536, 97_018, 42_231, 10_773]
    assert [parameters(peer.trainable_variables) for peer in method.peers.values()] == counts
    # Two of these together are as wide as the first.
    assert method.compressed.names == [("peer_1", "peer_4"), ("peer_2", "peer_3")]
    base = 3 * 9 * 16 + 2 * 16
    # 12 adapters, each of (c + 1) C weights from c to C channels.
    channels = [(12, 25, 51), (9, 19, 38), (6, 12, 25), (3, 6, 12)]
    adapters = sum((c + 1) * full for student in channels for c, full in zip(student, (16, 32, 64), strict=True))
    assert parameters(method.trainable_variables) == sum(counts) - 4 * base + adapters
    assert parameters(v for a in method.adapters.values() for v in a.trainable_variables) == adapters


@pytest.mark.parametrize("weights", [(0.7, 0.15, 0.15), (0.4, 0.2, 0.4)])
def test_whole_loss_against_numpy(weights):
    alpha, beta, gamma = weights
    rng = np.random.default_rng(0)
    method, labels = make(alpha=alpha, beta=beta, gamma=gamma, temperature=3.0), np.arange(6)
    outputs = {
        name: {tap: tf.constant(rng.normal(0, 2, (6, *t.shape[1:])), "float32") for tap, t in peer.output.items()}
        for name, peer in method.peers.items()
    }
    outputs["teacher"] = method.call_teacher(outputs, training=True)
    logits = [outputs[name]["logits"].numpy() for name in method.peers]
    ensemble = (logits[0] + logits[1] + logits[2]) / 3
    np.testing.assert_allclose(outputs["teacher"]["logits"], ensemble, rtol=1e-5, atol=1e-6)
    expected = sum(alpha * cross_entropy(labels, z) + gamma * divergence(ensemble, z, 3.0) for z in logits)
    for name in ("peer_1", "peer_2"):
        for stage in ("stage1", "stage2", "stage3"):
            kernel, bias = (w.numpy() for w in method.adapters[name].get_layer(f"adapter_{stage}").weights)
            assert bias.shape == (outputs["peer_0"][stage].shape[-1],)
            adapted = outputs[name][stage].numpy() @ kernel[0, 0] + bias
            expected += beta * ((outputs["peer_0"][stage].numpy() - adapted) ** 2).mean()
    loss = sum(float(tf.reduce_mean(term)) for term in method.loss_terms(labels, outputs).values())
    assert loss == pytest.approx(expected, rel=1e-5)


def gradients(method, batch, term):
    parts = {"base": method.trunk, **method.branches, **{f"{n}/adapters": a for n, a in method.adapters.items()}}
    variables = {name: [v.value for v in part.trainable_variables] for name, part in parts.items()}
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(method.loss_terms(tf.constant(batch[1]), method(batch[0], training=True))[term])
    found = tape.gradient(loss, variables)
    return {name for name, gradient in found.items() if moves(gradient)}


@pytest.mark.parametrize(
    ("term", "moved"),
    [
        ("peer_0/supervised", {"peer_0"}),
        ("peer_0/distillation", {"peer_0"}),
        ("peer_1/supervised", {"peer_1"}),
        ("peer_1/distillation", {"peer_1"}),
        ("peer_1/intermediate", {"peer_1", "peer_1/adapters"}),
        ("peer_2/intermediate", {"peer_2", "peer_2/adapters"}),
    ],
)
def test_a_term_moves_its_own_student_and_the_base(batch, term, moved):
    assert gradients(make(), batch, term) == moved | {"base"}
    # With the switch, the pseudo teacher alone shapes the base.
    expected = moved | ({"base"} if term.startswith("peer_0") else set())
    assert gradients(make(base_gradient="pseudo_teacher"), batch, term) == expected


def test_the_base_is_shared_and_runs_once(batch):
    method = make()
    stems = {id(peer.get_layer("stem").kernel) for peer in method.peers.values()}
    assert len(stems) == 1
    norm = method.trunk.get_layer("stem_norm")
    before = norm.moving_mean.numpy()
    method(batch[0], training=True)
    images = tf.nn.conv2d(batch[0], method.trunk.get_layer("stem").kernel, 1, "SAME").numpy()
    # One update of the moving mean, not one for every student.
    np.testing.assert_allclose(norm.moving_mean, 0.9 * before + 0.1 * images.mean((0, 1, 2)), atol=1e-5)


def test_every_student_is_deployed_without_adapters(batch):
    method = make()
    method.compile(keras.optimizers.SGD(0.1))
    method.step((tf.constant(batch[0]), tf.constant(batch[1])))
    outputs = method(batch[0])
    for name, peer in method.peers.items():
        deployed = models.deploy(peer)
        np.testing.assert_allclose(deployed(batch[0]), outputs[name]["logits"], atol=1e-5)
        assert not [layer.name for layer in deployed.layers if "adapter" in layer.name]


def test_adapters_may_learn_slower(batch):
    """The first step of SGD is the rate times the gradient: half the rate is half the step, of the adapters alone."""
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([5], [0.1, 0.01])
    steps = []
    for rate in (1.0, 0.5):
        method = make(adapter_rate=rate, seed=4)
        method.compile(keras.optimizers.SGD(schedule, momentum=0.9))
        parts = {"peers": method.peers["peer_1"], "adapters": method.adapters["peer_1"]}
        before = {name: [v.numpy() for v in part.trainable_variables] for name, part in parts.items()}
        method.step((tf.constant(batch[0]), tf.constant(batch[1])))
        after = {name: [v.numpy() for v in part.trainable_variables] for name, part in parts.items()}
        steps.append({n: [b - a for a, b in zip(before[n], after[n], strict=True)] for n in parts})
    for whole, half in zip(steps[0]["adapters"], steps[1]["adapters"], strict=True):
        np.testing.assert_allclose(half, 0.5 * whole, atol=1e-7)
        assert np.abs(whole).max() > 1e-5
    for one, other in zip(steps[0]["peers"], steps[1]["peers"], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-7)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"base_gradient": "none"}, "'all' or 'pseudo_teacher'"),
        ({"alpha": -1.0}, "must not be negative"),
        ({"networks": [network()]}, "at least 2 peers"),
        ({"networks": [network(), network(stem_width=4)]}, "equal up to the cut"),
        ({"networks": [network(), network(shape=(16, 16, 1))]}, "must"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        OnlineEnsemble(**{"networks": network(), **options})


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("resnet32", [466_906, 293_560, 165_442, 71_555, 17_745]),
        ("densenet100_12", [769_162, 446_170, 279_482, 102_410, 33_002]),
    ],
)
def test_the_config_names_students_of_the_published_sizes(name, counts):
    config = load_config("configs/oem.py", f"network={name}")
    # The smallest is built, and for the ResNet the largest: a built DenseNet of 100 layers takes seconds.
    chosen = [0, 4] if name == "resnet32" else [4]
    specs = config.method.to_dict()["networks"]
    assert [parameters(models.build(specs[i], (32, 32, 3), 10, seed=0).trainable_variables) for i in chosen] == [
        counts[i] for i in chosen
    ]
    alone = load_config("configs/oem.py", f"network={name},student=5")
    assert alone.network.to_dict() == specs[4] and alone.method.name == "Solo"
