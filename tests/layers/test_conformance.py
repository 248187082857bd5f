"""Every layer against its oracle, in its gradient, config, precision and deployed form."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.layers.cases import CASES, weights_of

every_case = pytest.mark.parametrize("case", CASES, ids=str)


@every_case
def test_forward_is_the_oracle_and_the_shape_is_announced(case):
    layer, x = case.built(), case.inputs()
    want = case.oracle(x.astype("float64"), weights_of(layer))
    assert layer.compute_output_shape((None, *case.shape)) == (None, *want.shape[1:])
    np.testing.assert_allclose(layer(x), want, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(tf.function(layer)(x), want, rtol=1e-4, atol=1e-4)


@every_case
def test_gradients_are_the_oracles_slopes(case):
    """Along a random direction of the input and of every trainable weight, by central differences in float64."""
    layer, x = case.built(), case.inputs()
    weights, random = weights_of(layer), np.random.default_rng(2)
    upstream = random.normal(size=case.oracle(x.astype("float64"), weights).shape)
    trained = [v.value for v in layer.trainable_variables]

    @tf.function
    def gradients(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x) * tf.cast(upstream, "float32"))
        return tape.gradient(loss, [x, *trained])

    got = [np.asarray(g, np.float64) for g in gradients(tf.constant(x))]
    names = [
        next(n for n, v in zip(weights, layer.variables, strict=True) if v is t) for t in layer.trainable_variables
    ]
    directions = [random.normal(size=g.shape) for g in got]
    step = 1e-5

    def loss_at(which, sign):
        moved = dict(weights)
        at = x + sign * step * directions[0] if which == 0 else x.astype("float64")
        if which:
            moved[names[which - 1]] = weights[names[which - 1]] + sign * step * directions[which]
        return np.sum(case.oracle(at, moved) * upstream)

    for which, gradient in enumerate(got):
        want = (loss_at(which, 1) - loss_at(which, -1)) / (2 * step)
        scale = np.linalg.norm(gradient) * np.linalg.norm(directions[which]) + 1e-3
        assert abs(np.sum(gradient * directions[which]) - want) < 1e-5 * scale


@every_case
def test_config_round_trip(case):
    layer, x = case.built(), case.inputs()
    copy = type(layer).from_config(layer.get_config())
    copy.build((None, *case.shape))
    assert copy.get_config() == layer.get_config()
    assert [v.path for v in copy.variables] == [v.path for v in layer.variables]
    copy.set_weights(layer.get_weights())
    np.testing.assert_array_equal(copy(x), layer(x))


@every_case
def test_deployed_layers_are_stock_and_compute_the_same(case):
    layer, x = case.built(), case.inputs()
    inputs = keras.Input(case.shape)
    deployed = keras.Model(inputs, layer.deploy(inputs))
    assert {type(part).__module__.split(".")[0] for part in deployed.layers} == {"keras"}
    np.testing.assert_allclose(deployed(x), layer(x), rtol=1e-5, atol=1e-5)


@every_case
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_computes_low_and_keeps_weights_high(case, policy):
    low, high, x = case.built(dtype=policy), case.built(), case.inputs()
    y = low(x)
    assert y.dtype.name == policy.removeprefix("mixed_")
    assert all(v.dtype == "float32" for v in low.variables)
    want = np.asarray(high(x))
    error = np.abs(np.asarray(tf.cast(y, "float32")) - want).max()
    assert error < (0.05 if policy == "mixed_bfloat16" else 0.01) * np.abs(want).max()
    inputs = keras.Input(case.shape)
    np.testing.assert_allclose(keras.Model(inputs, low.deploy(inputs))(x), want, rtol=1e-5, atol=1e-5)
