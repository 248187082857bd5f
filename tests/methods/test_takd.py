"""TAKD, and what every chain does: whole losses against numpy, who moves whom, steps and how they resume."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf import models, runs
from odtf.methods.takd import TAKD
from odtf.training import strategy
from odtf.training.config import load_config
from tests.methods.test_baselines import cross_entropy, divergence
from tests.methods.test_online_distillation_cheap import moves
from tests.methods.tiny import tiny

pytestmark = pytest.mark.usefixtures("eagerly")  # Few steps of each network.
TEACHER, ASSISTANT = functools.partial(tiny, (8, 12)), functools.partial(tiny, (6, 8))


def make(kind=TAKD, weight_decay=0.0, **options):
    options = {"assistant_networks": [ASSISTANT], "step_epochs": (), **options}
    method = kind(tiny, teacher_network=TEACHER, **options)
    method.compile(keras.optimizers.SGD(0.1, momentum=0.9), weight_decay=weight_decay, steps_per_epoch=2)
    return method


def losses(method, logits, labels):
    """The sum of the terms of every network, for given logits."""
    outputs = {name: {"logits": tf.constant(z, "float32")} for name, z in logits.items()}
    found = {}
    for name, term in method.loss_terms(labels, outputs).items():
        network = name.split("/")[0]
        found[network] = found.get(network, 0.0) + float(tf.reduce_mean(term))
    return found


def random_logits(names, seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(0, 2, (6, 10)) for name in names}


def moved_by(method, batch, term):
    """The networks that have a gradient of a term."""
    variables = {name: [v.value for v in peer.trainable_variables] for name, peer in method.peers.items()}
    with tf.GradientTape() as tape:
        outputs = method(batch[0], training=True)
        loss = tf.reduce_sum(method.loss_terms(tf.constant(batch[1]), outputs)[term])
    return {name for name, gradient in tape.gradient(loss, variables).items() if moves(gradient)}


@pytest.mark.parametrize("kl_reduction", ["batchmean", "elementmean"])
def test_whole_loss_against_numpy(kl_reduction):
    method = make(temperature=3.0, share=0.3, kl_reduction=kl_reduction)
    z, labels = random_logits(method.peers), np.arange(6)
    share = 0.3 / (10 if kl_reduction == "elementmean" else 1)
    expected = {
        "teacher": cross_entropy(labels, z["teacher"]),
        "assistant_1": 0.7 * cross_entropy(labels, z["assistant_1"])
        + share * divergence(z["teacher"], z["assistant_1"], 3.0),
        "peer_0": 0.7 * cross_entropy(labels, z["peer_0"]) + share * divergence(z["assistant_1"], z["peer_0"], 3.0),
    }
    assert losses(method, z, labels) == pytest.approx(expected, rel=1e-5)


def test_a_term_moves_its_own_network_alone(batch):
    method = make()
    outputs = method(batch[0], training=True)
    terms = method.loss_terms(tf.constant(batch[1]), outputs)
    assert set(terms) == {
        "teacher/supervised",
        *(f"{name}/{term}" for name in ("assistant_1", "peer_0") for term in ("supervised", "distillation")),
    }
    for term in terms:
        assert moved_by(method, batch, term) == {term.split("/")[0]}


def test_only_the_student_is_a_candidate():
    method = make()
    assert list(method.peers) == ["teacher", "assistant_1", "peer_0"]
    assert method.students == ("peer_0",)
    # It starts as it does alone.
    alone = keras.tree.map_structure(np.array, TAKD(tiny, teacher_network=TEACHER).peers["peer_0"].get_weights())
    for a, b in zip(alone, method.peers["peer_0"].get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def state(method):
    return {name: [v.numpy() for v in peer.variables] for name, peer in method.peers.items()}


def changed(before, after):
    return {n for n in before if any((a != b).any() for a, b in zip(before[n], after[n], strict=True))}


def fit(method, batch, epochs, start=0):
    """Epochs of two steps, with the calls of the training loop."""
    data = tf.data.Dataset.from_tensors(batch).repeat()
    iterator, logs = iter(data), None
    for epoch in range(start, start + epochs):
        method.begin_epoch(epoch)
        function = method.step_function
        for _ in range(2):
            logs = function(iterator)
    return logs


def test_in_steps_one_network_changes_and_nothing_of_the_others(batch):
    """Decay and momentum included: what is frozen is bit for bit what it was."""
    method = make(step_epochs=(1, 2, 1), weight_decay=0.1)
    assert [method.phase_at(epoch) for epoch in range(6)] == [0, 1, 1, 2, 2, 2]
    for epoch, name in enumerate(["teacher", "assistant_1", "assistant_1", "peer_0", "peer_0"]):
        before = state(method)
        logs = fit(method, batch, 1, start=epoch)
        assert changed(before, state(method)) == {name}
        assert {key.split("/")[0] for key in logs if key != "loss"} == {name} | {
            "teacher": set(),
            "assistant_1": {"teacher"},
            "peer_0": {"assistant_1"},
        }[name]


def test_a_frozen_teacher_teaches_with_its_moving_statistics(batch):
    method = make(step_epochs=(1,))
    fit(method, batch, 2)
    taught = method(batch[0], training=True)
    np.testing.assert_array_equal(
        taught["teacher"]["logits"], method.peers["teacher"](batch[0], training=False)["logits"]
    )
    assert set(taught) == {"teacher", "assistant_1"}
    assert set(method(batch[0], training=False)) == {"teacher", "assistant_1", "peer_0"}


def test_steps_survive_a_resume(batch):
    whole, first, second = (make(step_epochs=(1,), seed=seed) for seed in (3, 3, 9))
    fit(whole, batch, 3)
    fit(first, batch, 2)
    for old, new in zip(first.variables, second.variables, strict=True):
        new.assign(old)
    for old, new in zip(first.optimizer.variables, second.optimizer.variables, strict=True):
        new.assign(old)
    fit(second, batch, 1, start=2)
    for a, b in zip(whole.variables, second.variables, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-6, err_msg=a.path)


def test_deployed_student_is_the_peer(batch):
    method = make()
    deployed = models.deploy(method.peers["peer_0"])
    np.testing.assert_allclose(deployed(batch[0]), method(batch[0])["peer_0"]["logits"], atol=1e-5)
    assert len(deployed.weights) == len(tiny(seed=0, name="alone").weights)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step_epochs": (1, 2)}, "teacher, assistant_1, peer_0.*one positive integer"),
        ({"step_epochs": (0,)}, "one positive integer"),
        ({"share": 1.5}, r"lie in \[0, 1\]"),
        ({"temperature": 0}, "positive"),
        ({"kl_reduction": "sum"}, "'batchmean' or 'elementmean'"),
        ({"assistant_networks": [functools.partial(tiny, classes=7)]}, "answer in one shape"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_a_run_chooses_the_student_though_the_teacher_is_better(tmp_path):
    config = load_config("configs/takd.py", "smoke")
    config.data.max_train_examples = 192
    report = runs.train(config, tmp_path, strategy.make_placement())
    names = [peer["name"] for peer in report["peers"]]
    assert names == ["teacher", "assistant_1", "peer_0"]
    assert report["student"]["name"] == "peer_0"
    assert report["student"]["params"] == min(peer["params"] for peer in report["peers"])
