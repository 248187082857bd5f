"""OKDDip: its loss with its attention against numpy, what the attention learns from, who moves whom."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from odtf import methods, models
from tests.methods.conftest import make_method
from tests.methods.numpy_losses import (
    at_epoch,
    count,
    cross_entropy,
    divergence,
    log_softmax,
    moved,
    random_outputs,
    total,
)

AUXILIARIES = ("peer_1", "peer_2", "peer_3")


@pytest.mark.parametrize("aggregate", ["logits", "probabilities"])
def test_whole_loss_against_numpy(aggregate):
    method = at_epoch(make_method("OKDDip", aggregate=aggregate, alpha=0.5), 40)
    labels, z, outputs = random_outputs(method, method.peers)
    h = np.random.default_rng(1).normal(size=(3, 8, 16))
    for name, embedding in zip(AUXILIARIES, h, strict=True):
        outputs[name]["embedding"] = tf.constant(embedding, "float32")

    query, key = (method.attention.get_layer(name).kernel.numpy() for name in ("query", "key"))
    scores = np.einsum("anq,bnq->nab", h @ query, h @ key)
    attention = np.exp(log_softmax(scores))
    space = {name: z[name] if aggregate == "logits" else np.exp(log_softmax(z[name] / 3.0)) for name in AUXILIARIES}

    def kl(mixed, name):
        return divergence(mixed if aggregate == "logits" else 3.0 * np.log(mixed), z[name], 3.0)

    soft = kl(sum(space.values()) / 3, "peer_0")
    for a, name in enumerate(AUXILIARIES):
        soft += kl(sum(attention[:, a, b, None] * space[other] for b, other in enumerate(AUXILIARIES)), name)
    expected = sum(cross_entropy(labels, each) for each in z.values()) + 0.5 * 0.286505 * soft
    assert query.shape == (16, 2)
    assert total(method, labels, outputs) == pytest.approx(expected, rel=2e-5)


def parts(method):
    return {"query": method.attention.get_layer("query"), "key": method.attention.get_layer("key"), **method.branches}


def test_attention_learns_through_the_targets(batch):
    method = at_epoch(make_method("OKDDip"), 80)
    assert moved(method, batch, "peer_1/distillation", parts(method)) == {
        "query": True,
        "key": True,
        "peer_0": False,
        "peer_1": True,
        "peer_2": True,
        "peer_3": True,
    }
    assert not any(moved(method, batch, "peer_1/supervised", parts(method))[name] for name in ("query", "key"))


def test_detached_targets_freeze_the_attention(batch):
    method = at_epoch(make_method("OKDDip", detach_targets=True), 80)
    found = moved(method, batch, "peer_1/distillation", parts(method))
    assert [name for name, value in found.items() if value] == ["peer_1"]


def test_the_leader_pulls_its_peers(batch):
    method = at_epoch(make_method("OKDDip"), 80)
    found = moved(method, batch, "peer_0/distillation", {"trunk": method.trunk, **method.branches})
    assert found == dict.fromkeys(found, True)


def test_published_counts():
    method = methods.OKDDip(functools.partial(models.cifar_resnet, (32, 32, 3), 100, depth=32))
    assert count(method.trainable_variables) == 1_554_272
    assert count(method.attention.trainable_variables) == 2 * 64 * 8
    assert count(method.peers["peer_0"].trainable_variables) == 472_756


def test_networks_share_nothing():
    method = make_method("OKDDip", form="network")
    alone = count(make_method("Solo").trainable_variables)
    assert count(method.trainable_variables) == 4 * alone + count(method.attention.trainable_variables)


@pytest.mark.parametrize("form", ["branch", "network"])
def test_the_leader_is_deployed(form, batch):
    method = make_method("OKDDip", form=form)
    assert method.students == ("peer_0",)
    deployed = models.deploy(method.peers["peer_0"])
    np.testing.assert_allclose(deployed(batch[0]), method(batch[0])["peer_0"]["logits"], atol=1e-5)
    assert len(deployed.weights) == len(make_method("Solo").peers["peer_0"].weights)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_peers": 2}, "at least 3 peers"),
        ({"alpha": -1.0}, "alpha=-1"),
        ({"form": "tree"}, r"'branch' or 'network'.*'tree'"),
        ({"aggregate": "votes"}, "'votes'"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        make_method("OKDDip", **options)
