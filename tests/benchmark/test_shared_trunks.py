"""Peers that share their first layers: whose steps are compared, and how passes are counted."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf.benchmark import shared_trunks, steps
from odtf.benchmark.setup import Setup
from odtf.methods import PeerCollaborative
from odtf.training.config import load_config


@pytest.fixture
def setup(monkeypatch):
    monkeypatch.setattr(shared_trunks, "WIDTHS", (5, 5, 10))
    return Setup(depth=8, batch_size=2, repeats=1, log=lambda line: None)


def test_the_students_are_those_of_the_config():
    config = load_config("configs/oem.py")
    for student, spec in zip(shared_trunks.students(20), config.method.to_dict()["networks"], strict=True):
        assert {"name": student.func.__name__, **student.keywords} == spec


def test_ensemble_step(setup, monkeypatch):
    monkeypatch.setattr(shared_trunks, "STUDENTS", 2)
    rows = shared_trunks.ensemble_step(setup)
    case = "OEM, 2 students of ResNet-8"
    assert [row.case for row in rows] == [case, f"{case}, processor time"]
    for row in rows:
        assert (row.name, row.baseline, row.at_most) == ("joint step", "separate steps", 0.85)
        assert min(row.times) > 0 and min(row.baseline_times) > 0


def test_the_trunk_runs_once_for_every_view(setup, monkeypatch):
    """Trained and mean trunk: 1 + 1 passes for one view; 2 + 2 for two, as without sharing."""

    def forward(cohort, batch):
        def loss(batch):
            return {"loss": sum(tf.reduce_sum(taps["logits"]) for taps in cohort(batch[0], training=True).values())}

        return tf.function(loss, autograph=False).get_concrete_function(batch)

    monkeypatch.setattr(shared_trunks, "PEERS", 2)
    # Gradients take five times as long to trace.
    monkeypatch.setattr(shared_trunks, "trace", forward)
    found = [(row.case.rpartition(", ")[2], row.name, row.baseline) for row in shared_trunks.shared_trunk(setup)]
    assert found == [
        ("1 view", "2 trunk passes", "4 trunk passes"),
        ("2 views", "4 trunk passes", "4 trunk passes"),
    ]


def test_peers_with_a_trunk_for_each_compute_the_same(setup):
    images, _ = steps.make_batch(setup)
    network = shared_trunks.peer(8)
    shared, separate = (
        kind(network, num_peers=2, seed=1) for kind in (PeerCollaborative, shared_trunks.TrunkForEveryPeer)
    )
    for one, other in zip(tf.nest.flatten(shared(images)), tf.nest.flatten(separate(images)), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_only_forward_passes_are_counted():
    x = keras.Input((4, 4, 1))
    network = keras.Model(x, keras.layers.Conv2D(1, 3)(keras.layers.Conv2D(1, 1)(x)))
    images = tf.ones((1, 4, 4, 1))

    def graph(function):
        return tf.function(function).get_concrete_function().graph

    def gradient():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(network(images) + network(2 * images))
        return tape.gradient(loss, [v.value for v in network.trainable_variables])

    assert shared_trunks.count_passes(graph(gradient), network) == 2
    assert shared_trunks.count_passes(graph(lambda: images + 1), network) == 0
    with pytest.raises(ValueError, match=r"once in a pass.*\[0, 1\]"):
        shared_trunks.count_passes(graph(lambda: network.layers[1](images)), network)
