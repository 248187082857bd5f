"""Networks computed two at a time: the numbers of the networks run one by one."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf import models
from odtf.models.pairs import Pairs
from odtf.models.share import share_trunk

WIDTHS = {"whole": (8, 8, 16), "large": (5, 5, 9), "middle": (3, 4, 5), "small": (2, 3, 7)}


@pytest.fixture
def branches():
    return make()


def make(**options):
    network = functools.partial(models.cifar_resnet, (8, 8, 1), 3, depth=8, stem_width=6)
    networks = [network(widths=w, seed=i, **options) for i, w in enumerate(WIDTHS.values())]
    return dict(zip(WIDTHS, share_trunk(networks, "stem_relu")[1], strict=True))


def test_numbers_are_those_of_the_networks_alone(branches):
    whole = branches.pop("whole")
    pairs = Pairs(branches, limit=whole)
    assert pairs.names == [("large", "small")]
    cut = tf.constant(np.random.default_rng(0).normal(size=(4, 8, 8, 6)).astype("float32"))

    def step(run):
        variables = [v.value for branch in branches.values() for v in branch.trainable_variables]
        with tf.GradientTape() as tape:
            tape.watch(cut)
            taps = run()
            loss = sum(tf.reduce_sum(tf.sin(tap)) for tap in tf.nest.flatten(taps))
        return taps, tape.gradient(loss, [cut, *variables])

    start = {name: branch.get_weights() for name, branch in branches.items()}
    alone = step(lambda: {name: branch(cut, training=True) for name, branch in branches.items()})
    moved = {name: branch.get_weights() for name, branch in branches.items()}
    for name, branch in branches.items():
        branch.set_weights(start[name])
    together = step(lambda: pairs(cut, training=True))
    assert list(together[0]) == ["large", "middle", "small"]
    tf.nest.map_structure(functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4), alone, together)
    # Moving statistics: those of the networks, and of the one step.
    for name, branch in branches.items():
        for expected, found in zip(moved[name], branch.get_weights(), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        assert any(np.abs(a - b).max() > 1e-3 for a, b in zip(start[name], moved[name], strict=True))
    inference = pairs(cut)
    for name, branch in branches.items():
        for tap, values in branch(cut).items():
            np.testing.assert_allclose(inference[name][tap], values, rtol=1e-4, atol=1e-4)


def test_inference_moves_nothing(branches):
    pairs = Pairs({name: branches[name] for name in ("large", "small")}, limit=branches["whole"])
    before = branches["small"].get_weights()
    pairs(tf.ones((2, 8, 8, 6)))
    for a, b in zip(before, branches["small"].get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_no_pairs_where_they_do_not_pay_or_are_not_known(branches):
    assert Pairs({name: branches[name] for name in ("whole", "small")}, limit=branches["whole"]).names == []
    cheap = make(conv="depthwise")
    assert Pairs({name: cheap[name] for name in ("large", "small")}, limit=cheap["whole"]).names == []

    class Other(keras.layers.ReLU):
        pass

    def names(*layers):
        x = keras.Input((2, 2, 1))
        networks = {str(i): keras.Model(x, {"logits": layer(x)}) for i, layer in enumerate(layers)}
        return Pairs(networks, limit=networks["0"]).names

    assert names(*(keras.layers.ReLU(name="act") for _ in range(2))) == [("0", "1")]
    assert names(*(Other(name="act") for _ in range(2))) == []
    assert names(*(keras.layers.ReLU(limit, name="act") for limit in (1, 6))) == []


def test_two_replicas_keep_one_set_of_statistics(mirrored):
    """Both see the same batch, so that their mean is what one network alone would have."""
    cut = tf.constant(np.random.default_rng(0).normal(size=(4, 8, 8, 6)).astype("float32"))
    alone = make()
    alone["small"](cut, training=True)
    with mirrored.scope():
        branches = make()
        pairs = Pairs({name: branches[name] for name in ("large", "small")}, limit=branches["whole"])
    assert pairs.names
    tf.function(lambda: mirrored.run(lambda: pairs(cut, training=True)["small"]["logits"]), autograph=False)()
    for one, two in zip(alone["small"].get_weights(), branches["small"].get_weights(), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)
