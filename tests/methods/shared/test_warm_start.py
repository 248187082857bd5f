"""Cohorts that start from trained weights, for every method: layers that wait, rates by part, and twins."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf import models
from odtf.methods.base import Method
from odtf.methods.shared.warm_start import WarmStart, body, marked, twins
from tests.methods.conftest import few_peers, make_batch, make_method, meaningful
from tests.methods.tiny import least

pytestmark = pytest.mark.usefixtures("eagerly")  # A step or two of each network.
NAMES = meaningful()


@functools.cache
def source():
    """A network with weights that no initialiser gives, statistics included."""
    network, random = least(seed=50, name="source"), np.random.default_rng(0)
    for v in network.weights:
        v.assign(random.uniform(0.5, 1.0, v.shape))
    return {v.path: v.numpy() for v in network.weights}


def started(head=False):
    """A maker of networks that start from `source`, with their own heads or its."""

    def make(*, seed, name, synchronized=False):
        network = least(seed=seed, name=name, synchronized=synchronized)
        models.start(network, source(), head=head)
        return network

    return make


def cohort(name, head=False, **options):
    method = make_method(name, network=started(head), seed=1, **few_peers(name), **options)
    method.starts = dict.fromkeys(method.peers)
    return method


def train(method, steps=1, epoch=0, optimizer=None):
    if getattr(method, "optimizer", None) is None:
        # Traced only where a method moves something after the step, for all replicas together.
        eager = type(method).after_step is Method.after_step
        optimizer = optimizer or keras.optimizers.SGD(0.05, momentum=0.9)
        method.compile(optimizer, weight_decay=0.1, steps_per_epoch=2, run_eagerly=eager)
    method.begin_epoch(epoch)
    iterator = iter(tf.data.Dataset.from_tensors(make_batch()).repeat())
    step = method.step_function
    for _ in range(steps):
        step(iterator)


def values(variables):
    return {f"{i} {v.path}": v.numpy() for i, v in enumerate(variables)}


def changed(before, after):
    return {key for key in before if not np.array_equal(before[key], after[key])}


@pytest.mark.parametrize("name", NAMES)
def test_layers_that_were_taken_wait_and_all_else_learns(name):
    # The rear of Spirit Distillation is its teacher's, wherever the student started: here, the last layer alone.
    options = {"InDistill": {"layer_epochs": ()}, "SpiritDistillation": {"cut": "embedding"}}
    method = cohort(name, **options.get(name, {}))
    method.warm_start = WarmStart(frozen_epochs=1)
    layers = {id(v) for layer in marked(method) for v in layer.variables}
    waiting = [v for v in method.variables if id(v) in layers]
    others = [v for v in method.trainable_variables if id(v) not in layers]
    assert len(waiting) >= 20 and others
    before = values(waiting), values(others)
    train(method)
    assert not changed(before[0], values(waiting))
    assert any("logits" in key for key in changed(before[1], values(others)))
    assert all(layer.trainable for layer in marked(method))
    # Then all of them learn, the moving statistics included.
    train(method, epoch=1)
    moved = changed(before[0], values(waiting))
    assert any("kernel" in key for key in moved) and any("moving" in key for key in moved)


OWN_RATES = {"CollaborativeCrossArchitecture": {"rates": [0.5, 1.0]}, "OnlineEnsemble": {"adapter_rate": 0.5}}


@pytest.mark.parametrize("name", ["Solo", "OnlineDistillationCheap", *OWN_RATES])
def test_a_rate_of_the_body_is_a_factor_on_its_steps(name):
    """Of one step of gradient descent from equal weights, with players of the method's own among them."""
    steps = []
    for rate in (1.0, 0.25):
        method = cohort(name, **OWN_RATES.get(name, {}))
        method.warm_start = WarmStart(body_rate=rate)
        before = values(method.trainable_variables)
        train(method, optimizer=keras.optimizers.SGD(0.05))
        after = values(method.trainable_variables)
        steps.append({key: after[key] - before[key] for key in before})
        slow = body(method)
        keys = {key for key, v in zip(before, method.trainable_variables, strict=True) if id(v) in slow}
    assert 0 < len(keys) < len(before)
    for key, step in steps[1].items():
        factor = 0.25 if key in keys else 1.0
        np.testing.assert_allclose(step, factor * steps[0][key], rtol=2e-3, atol=2e-6, err_msg=key)


def test_the_schedule_of_a_body_that_waited_is_where_the_others_is():
    method = cohort("Solo")
    method.warm_start = WarmStart(frozen_epochs=1, body_rate=0.5)
    train(method, steps=2)
    assert [int(optimizer.iterations) for optimizer in method.update.optimizers] == [2, 2]


@pytest.mark.parametrize("arguments", [{"frozen_epochs": -1}, {"body_rate": 0.0}])
def test_numbers_out_of_range_are_refused(arguments):
    with pytest.raises(ValueError, match="Epochs are not negative, and a rate is positive"):
        WarmStart(**arguments)


def symmetrical():
    """Methods with several networks of one role."""
    return [name for name in NAMES if sum(peer.startswith("peer_") for peer in cohort(name).peers) > 1]


@pytest.mark.parametrize("name", symmetrical())
def test_equal_peers_stay_equal_just_where_a_method_says_so(name):
    """What `tells_peers_apart` says is what two steps show; and heads of their own make all peers differ."""
    method = cohort(name, head=True)
    assert (twins(method) is None) == method.tells_peers_apart
    train(method, steps=2)
    peers = [peer for name, peer in method.peers.items() if name.startswith("peer_")][-2:]
    one, other = (np.concatenate([v.numpy().ravel() for v in peer.weights]) for peer in peers)
    assert np.allclose(one, other, rtol=1e-4, atol=1e-6) != method.tells_peers_apart
    assert twins(cohort(name)) is None


def test_views_and_noise_make_equal_peers_differ():
    method = cohort("DeepMutualLearning", head=True)
    assert twins(method) == ("peer_0", "peer_1")
    assert twins(method, num_views=2) is None

    def noisy(*, seed, name, synchronized=False):
        network = started(head=True)(seed=seed, name=name)
        dropped = keras.layers.Dropout(0.5, seed=seed)(network.output["embedding"])
        return keras.Model(network.input, {**network.output, "embedding": dropped}, name=name)

    method = make_method("DeepMutualLearning", network=noisy)
    method.starts = dict.fromkeys(method.peers)
    assert twins(method) is None


def test_disagreement_is_the_share_of_images_on_which_two_peers_differ():
    method = cohort("DeepMutualLearning")
    method.compile(keras.optimizers.SGD(0.1))
    images, labels = make_batch()
    found = method.measure(images, labels)["disagreement/peer_0-peer_1"]
    answers = [peer(images, training=False)["logits"].numpy().argmax(-1) for peer in method.peers.values()]
    assert found == pytest.approx((answers[0] != answers[1]).mean()) and found > 0
