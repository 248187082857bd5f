"""The fused batch normalisation against Keras' own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf.layers import BatchNormalization, native_kernels


def pair(dtype=None, channels=6, **arguments):
    """The fused layer and the stock one, with the same random weights."""
    arguments = {"momentum": 0.9, "epsilon": 1e-5, "dtype": dtype, "name": "norm", **arguments}
    fused, stock = BatchNormalization(**arguments), keras.layers.BatchNormalization(**arguments)
    for layer in (fused, stock):
        layer.build((None, 5, 4, channels))
    random = np.random.default_rng(0)
    stock.set_weights([random.uniform(0.5, 1.5, w.shape) for w in stock.get_weights()])
    fused.set_weights(stock.get_weights())
    return fused, stock


def step(layer, x, upstream, training=True):
    """Output, gradients of input and weights, and the weights after one call in a graph of unknown batch size."""

    @tf.function(input_signature=[tf.TensorSpec([None, *x.shape[1:]], x.dtype)])
    def run(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=training)
            loss = tf.reduce_sum(tf.cast(y, "float32") * upstream)
        return [y, *tape.gradient(loss, [x, *(v.value for v in layer.trainable_variables)])]

    return [tf.cast(t, "float32").numpy() for t in run(x)], layer.get_weights()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("arguments", [{}, {"center": False}, {"scale": False}, {"trainable": False}], ids=str)
def test_output_gradients_and_moving_statistics_are_the_stock_layers(arguments, training):
    fused, stock = pair(**arguments)
    x = 3.0 + 2.0 * tf.random.stateless_normal([3, 5, 4, 6], [0, 1])
    upstream = tf.random.stateless_normal(x.shape, [0, 2])
    for _ in range(2):
        (got, weights), (want, stock_weights) = step(fused, x, upstream, training), step(stock, x, upstream, training)
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
        for a, b in zip(weights, stock_weights, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize(("channels", "fills"), [(3, False), (12, None), (24, None), (38, False), (48, True)])
def test_channels_that_are_not_normalised_together_are_so_beside_others(monkeypatch, channels, fills, dtype, training):
    """Where oneDNN is: a multiple of 4 in float32, of 16 in bfloat16. Otherwise none are added."""
    compute = dtype.removeprefix("mixed_")
    x = tf.cast(3.0 + 2.0 * tf.random.stateless_normal([3, 5, 4, channels], [0, 1]), compute)
    upstream = tf.random.stateless_normal(x.shape, [0, 2])
    results = []
    for onednn in (True, False):
        monkeypatch.setattr(native_kernels, "are_onednn", lambda found=onednn: found)
        layer, _ = pair(dtype, channels)
        results.append(step(layer, x, upstream, training))
        full = fills if fills is not None else compute == "float32"
        assert ("ConcatV2" in operators(layer, x.shape, dtype=x.dtype)) == (onednn and not full)
    (got, weights), (want, plain_weights) = results
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4 if compute == "float32" else 0.02, atol=1e-4)
    for a, b in zip(weights, plain_weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_the_variance_of_a_small_batch_is_the_biased_one():
    fused, _ = pair()
    x = np.random.default_rng(0).normal(size=(1, 2, 1, 6)).astype("float32")
    before = fused.moving_variance.numpy()
    fused(x, training=True)
    np.testing.assert_allclose(fused.moving_variance, 0.9 * before + 0.1 * x.var((0, 1, 2)), rtol=1e-5)


def test_one_pixel_has_no_variance():
    fused, _ = pair()
    before = fused.moving_variance.numpy()
    fused(np.ones((1, 1, 1, 6), "float32"), training=True)
    np.testing.assert_allclose(fused.moving_variance, 0.9 * before, rtol=1e-6)


@pytest.mark.parametrize(("dtype", "tolerance"), [("mixed_bfloat16", 0.03), ("mixed_float16", 0.004)])
def test_under_mixed_precision_statistics_are_float32(dtype, tolerance):
    fused, stock = pair(dtype)
    x = tf.cast(40.0 + tf.random.stateless_normal([8, 5, 4, 6], [0, 1]), dtype.removeprefix("mixed_"))
    upstream = tf.random.stateless_normal(x.shape, [0, 2])
    (got, weights), (want, stock_weights) = step(fused, x, upstream), step(stock, x, upstream)
    assert fused(x, training=True).dtype == x.dtype
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance * np.abs(b).max())
    for a, b in zip(weights, stock_weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4)


def test_config_and_weight_names_are_the_stock_layers():
    fused, stock = pair()
    assert fused.get_config() == stock.get_config()
    assert [v.path for v in fused.weights] == [v.path for v in stock.weights]


def test_weights_of_a_stock_network_load(tmp_path):
    def network(norm):
        return keras.Sequential([keras.Input((4, 4, 3)), norm(name="norm")])

    stock, fused = network(keras.layers.BatchNormalization), network(BatchNormalization)
    stock.set_weights([np.random.default_rng(0).uniform(0.5, 1.5, w.shape) for w in stock.get_weights()])
    stock.save_weights(tmp_path / "stock.weights.h5")
    fused.load_weights(tmp_path / "stock.weights.h5")
    for a, b in zip(fused.get_weights(), stock.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def operators(layer, shape, dtype="float32", **kwargs):
    def run(x):
        return layer(x, training=True, **kwargs)

    graph = tf.function(run).get_concrete_function(tf.TensorSpec(shape, dtype)).graph
    return {op.type for op in graph.get_operations()}


def test_the_kernel_is_the_fused_one():
    assert "FusedBatchNormV3" in operators(pair()[0], [2, 5, 4, 6])


@pytest.mark.parametrize(
    ("arguments", "shape"),
    [({"synchronized": True}, [2, 5, 4, 6]), ({"axis": 1}, [2, 6, 4, 5]), ({}, [2, 6])],
    ids=["synchronized", "axis", "rank"],
)
def test_what_the_kernel_does_not_cover_is_left_to_the_stock_layer(arguments, shape):
    layer = BatchNormalization(**arguments)
    layer.build(shape)
    assert "FusedBatchNormV3" not in operators(layer, shape)


def test_a_mask_is_respected():
    fused, stock = pair()
    x, mask = tf.random.stateless_normal([3, 5, 4, 6], [0, 1]), np.random.default_rng(0).random((3, 5, 4)) < 0.5
    np.testing.assert_allclose(fused(x, training=True, mask=mask), stock(x, training=True, mask=mask), atol=1e-5)
