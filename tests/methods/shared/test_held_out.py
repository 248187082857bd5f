"""The loss on held-out images, beside the metrics, where a run asks for it."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf import methods, tasks
from odtf.errors import UserError
from tests.methods.tiny import tiny

IMAGES = np.random.default_rng(0).normal(size=(5, 8, 8, 1)).astype("float32")
LABELS = np.int64([3, 1, 4, 1, 5])
# Two batches, the second of them padded.
WEIGHTS = np.float32([1, 1, 1, 1, 0])


def measured(method, judges_loss):
    method.judges_loss = judges_loss
    method.compile(keras.optimizers.SGD(0.1))
    return method.measure(tf.data.Dataset.from_tensor_slices((IMAGES, LABELS, WEIGHTS)).batch(3))


def test_it_is_the_mean_over_what_counts():
    method = methods.DeepMutualLearning(tiny, num_peers=2)
    values = measured(method, True)
    for name, peer in method.peers.items():
        logits = np.float64(peer(IMAGES, training=False)["logits"])
        log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        losses = -log_p[np.arange(5), LABELS]
        assert values[f"{name}/supervised"] == pytest.approx(losses[:4].mean(), rel=1e-5)


def test_who_does_not_ask_gets_metrics_alone():
    asked = measured(methods.DeepMutualLearning(tiny, num_peers=2), True)
    values = measured(methods.DeepMutualLearning(tiny, num_peers=2), False)
    assert {name for name in asked if name not in values} == {"peer_0/supervised", "peer_1/supervised"}
    assert all(asked[name] == value for name, value in values.items())


def test_a_loss_of_relations_has_no_value_of_one_image():
    method = methods.Solo(functools.partial(tiny), task=tasks.Retrieval())
    method.judges_loss = True
    sums = method.sums((IMAGES, LABELS, WEIGHTS))
    assert not any(name.startswith("held_out/") for name in sums)


def test_a_task_without_the_term_has_its_metrics(monkeypatch):
    method = methods.Solo(functools.partial(tiny))

    def absent(targets, output):
        raise UserError("no such term")

    monkeypatch.setattr(method.task, "supervised", absent)
    assert set(measured(method, True)) == set(measured(methods.Solo(functools.partial(tiny)), False))
