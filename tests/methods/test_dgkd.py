"""DGKD: its whole loss against numpy, the terms that are dropped, who moves whom."""

import inspect

import numpy as np
import pytest

from odtf.methods.dgkd import DGKD, draw
from tests.methods.test_baselines import cross_entropy, divergence
from tests.methods.test_takd import ASSISTANT, TEACHER, losses, make, moved_by, random_logits

CHAIN = {"kind": DGKD, "assistant_networks": [TEACHER, ASSISTANT]}


@pytest.mark.parametrize(("labels_weight", "factor"), [("code", 1), ("paper", 3)])
def test_whole_loss_against_numpy(labels_weight, factor):
    method = make(**CHAIN, temperature=2.0, share=0.8, labels_weight=labels_weight)
    z, labels = random_logits(method.peers), np.arange(6)
    found = losses(method, z, labels)
    teachers = ["teacher", "assistant_1", "assistant_2"]
    expected = 0.2 * factor * cross_entropy(labels, z["peer_0"])
    expected += 0.8 * sum(divergence(z[teacher], z["peer_0"], 2.0) for teacher in teachers)
    assert found["peer_0"] == pytest.approx(expected, rel=1e-5)
    assert found["teacher"] == pytest.approx(cross_entropy(labels, z["teacher"]), rel=1e-5)
    expected = 0.2 * (2 if labels_weight == "paper" else 1) * cross_entropy(labels, z["assistant_2"])
    expected += 0.8 * sum(divergence(z[teacher], z["assistant_2"], 2.0) for teacher in teachers[:2])
    assert found["assistant_2"] == pytest.approx(expected, rel=1e-5)


def test_by_default_the_labels_teach_the_teacher_alone(batch):
    method = make(**CHAIN)
    assert moved_by(method, batch, "peer_0/supervised") == set()
    assert moved_by(method, batch, "teacher/supervised") == {"teacher"}
    for teacher in ("teacher", "assistant_1", "assistant_2"):
        assert moved_by(method, batch, f"peer_0/from_{teacher}") == {"peer_0"}


def test_the_default_is_the_released_length_of_every_step():
    options = {"assistant_networks": [None, None]}
    networks = dict.fromkeys(["teacher", "assistant_1", "assistant_2", "peer_0"])
    assert inspect.signature(DGKD).parameters["step_epochs"].default == (160,)
    spans = DGKD.epochs_of({**options, "step_epochs": (160,)}, networks, 640)
    assert list(spans.values()) == [(0, 160), (160, 320), (320, 480), (480, 640)]


def test_one_term_is_dropped_at_every_step_and_each_as_often():
    method = make(**CHAIN, num_dropped=1)
    z, labels = random_logits(method.peers), np.arange(6)
    whole = [divergence(z[teacher], z["peer_0"], 5.0) for teacher in ("teacher", "assistant_1", "assistant_2")]
    for step in range(12):
        method.optimizer.iterations.assign(step)
        kept = method.draws["peer_0"][step]
        assert kept.sum() == 2
        assert losses(method, z, labels)["peer_0"] == pytest.approx(np.dot(kept, whole), rel=1e-5)
    np.testing.assert_allclose(method.draws["peer_0"].mean(0), 2 / 3, atol=0.03)
    # The assistants draw for themselves; a network with one teacher keeps it.
    assert (method.draws["assistant_1"] == 1).all()
    assert (method.draws["assistant_2"].sum(-1) == 1).all()


def test_draws_follow_from_the_seed():
    assert (draw(3, 1, 5) == draw(3, 1, 5)).all()
    assert (draw(3, 1, 5) != draw(3, 1, 6)).any()
    assert (draw(4, 9, 0).sum(-1) == 1).all()


@pytest.mark.parametrize(
    ("options", "message"), [({"num_dropped": -1}, "negative"), ({"labels_weight": "both"}, "'code' or 'paper'")]
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        make(**CHAIN, **options)
