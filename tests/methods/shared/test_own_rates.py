"""Batch normalisation with a rate and a weight decay of its own, against steps by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf.methods import DeepMutualLearning, Solo, SwitOKD
from odtf.methods.shared.own_rates import Norms
from tests.methods.conftest import make_batch, make_method
from tests.methods.tiny import least

pytestmark = pytest.mark.usefixtures("eagerly")


def after_a_step(norms, decay, method=Solo):
    """Returns the trainable variables of a cohort after one step of plain descent: a dict from path to arrays."""
    made = method(least, seed=1)
    made.norms = norms
    for v in made.trainable_variables:  # So that the decay of biases, which begin at 0, shows.
        v.assign(v + 0.5)
    made.compile(keras.optimizers.SGD(0.1), weight_decay=decay)
    before = {v.path: v.numpy() for v in made.trainable_variables}
    made.step_function(iter(tf.data.Dataset.from_tensors(make_batch())))
    return {v.path: (before[v.path], v.numpy()) for v in made.trainable_variables}


@pytest.mark.parametrize("method", [Solo, DeepMutualLearning])
@pytest.mark.parametrize(("rate", "decays"), [(8.0, True), (8.0, False), (1.0, False)])
def test_steps_are_those_of_the_formula(method, rate, decays):
    """w - 0.1 r (g + d / r w) for a bias, w - 0.1 (g + d w) for all else; d 0 for both weights of a norm if asked."""
    gradients = {path: (old - new) / 0.1 for path, (old, new) in after_a_step(None, 0.0, method).items()}
    found = after_a_step(Norms(rate, decays), 0.25, method)
    assert {path.rpartition("/")[2] for path in found} >= {"beta", "gamma", "kernel"}
    for path, (old, new) in found.items():
        is_bias, is_norm = path.endswith("/beta"), path.endswith(("/beta", "/gamma"))
        own_rate, decay = (rate if is_bias else 1.0), (0.25 if decays or not is_norm else 0.0)
        decay /= own_rate
        expected = old - 0.1 * own_rate * (gradients[path] + decay * old)
        np.testing.assert_allclose(new, expected, rtol=1e-4, atol=1e-6, err_msg=path)


def test_players_that_pause_keep_their_pauses():
    """The large network of SwitOKD steps in some steps alone, its biases with it."""
    made = make_method("SwitOKD", seed=1)
    made.norms = Norms(4.0)
    made.compile(keras.optimizers.SGD(0.1, momentum=0.9), weight_decay=0.1)
    assert isinstance(made, SwitOKD)
    assert len(made.update.optimizers) == 4
    made.step_function(iter(tf.data.Dataset.from_tensors(make_batch())))


def test_a_rate_is_positive():
    with pytest.raises(ValueError, match=r"A rate is positive. Received: bias_rate=0"):
        Norms(0.0)
