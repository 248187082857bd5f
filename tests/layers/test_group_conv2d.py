import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf import layers
from odtf.layers import native_kernels


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("in_graph", [True, False])
def test_native_and_split_paths_agree(monkeypatch, strides, in_graph):
    layer = layers.GroupConv2D(8, 3, 4, strides=strides)
    x = tf.random.stateless_normal([2, 9, 8, 16], [0, 1])
    layer.build(x.shape)
    # Processors for which TensorFlow has oneDNN off have the forward pass alone.
    differentiable = native_kernels.has_grouped_gradient("CPU", "float32")

    def values_and_gradients(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
            loss = tf.reduce_sum(y**2)
        return [y, *(tape.gradient(loss, [x, layer.kernel.value]) if differentiable else ())]

    results = []
    for native in (True, False):
        monkeypatch.setattr(native_kernels, "has_grouped_gradient", lambda *_, n=native: n)
        results.append((tf.function(values_and_gradients) if in_graph else values_and_gradients)(x))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_a_gradient_is_said_to_be_native_where_tensorflow_has_it():
    kernel = tf.ones((3, 3, 2, 4))
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        y = tf.nn.conv2d(tf.ones((1, 4, 4, 4)), kernel, 1, "SAME")
    try:
        found = tape.gradient(y, kernel) is not None
    except tf.errors.OpError:
        found = False
    assert native_kernels.has_grouped_gradient("CPU", "float32") == found


def test_both_paths_are_the_ones_named(monkeypatch):
    """Native is one convolution, as are narrow groups with zeros between; split is one a group; none goes by XLA."""

    def operators(native, channels):
        monkeypatch.setattr(native_kernels, "has_grouped_gradient", lambda *_: native)
        layer = layers.GroupConv2D(8, 3, 4)
        layer.build([1, 8, 8, channels])
        graph = tf.function(layer).get_concrete_function(tf.TensorSpec([1, 8, 8, channels])).graph
        return [op.type for op in graph.get_operations()]

    native, narrow, split = operators(True, 32), operators(False, 16), operators(False, 32)
    assert [found.count("Conv2D") for found in (native, narrow, split)] == [1, 1, 4]
    assert "Tile" in narrow and "Tile" not in native + split
    assert not any("Call" in op for op in native + narrow + split)


def test_without_onednn_the_layer_trains_all_the_same():
    program = """
import tensorflow as tf
from odtf import layers
from odtf.layers.native_kernels import has_grouped_gradient
layer, x = layers.GroupConv2D(8, 3, 2), tf.ones([2, 6, 6, 4])
@tf.function
def gradient():
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x))
    return tape.gradient(loss, layer.kernel.value)
print(has_grouped_gradient("CPU", "float32"), float(tf.reduce_sum(gradient())))
"""
    environment = {"TF_ENABLE_ONEDNN_OPTS": "0", "CUDA_VISIBLE_DEVICES": "-1", "PYTHONPATH": ":".join(sys.path)}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    # Four positions of the kernel see 5x5 of 6x6 pixels, four 5x6, one all; 2 images, 2 inputs, 8 filters.
    assert run.stdout.split() == ["False", str(float((4 * 25 + 4 * 30 + 36) * 2 * 2 * 8))]


@pytest.mark.parametrize("lowering", ["native", "split"])
@pytest.mark.parametrize("strides", [1, 2])
def test_both_lowerings_compute_the_same(lowering, strides):
    layer = layers.GroupConv2D(8, 3, 4, strides=strides, use_bias=True, bias_initializer="normal")
    x = np.random.default_rng(0).normal(size=(2, 8, 7, 12)).astype("float32")
    want = layer(x)
    inputs = keras.Input(x.shape[1:])
    deployed = keras.Model(inputs, layer.deploy(inputs, lowering=lowering))
    grouped = [part for part in deployed.layers if getattr(part, "groups", 1) > 1]
    assert len(grouped) == (lowering == "native")
    np.testing.assert_allclose(deployed(x), want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("filters", "groups", "channels", "message"),
    [
        (8, 1, 8, "at least 2 groups.*groups=1"),
        (8, 0, 8, "at least 2 groups.*groups=0"),
        (8, 3, 9, "filters must be a multiple.*filters=8, groups=3"),
        (9, 3, 8, "input channels must be a multiple.*8 channels, groups=3"),
    ],
)
def test_groups_that_do_not_divide_are_refused(filters, groups, channels, message):
    with pytest.raises(ValueError, match=message):
        layers.GroupConv2D(filters, 3, groups).build((None, 8, 8, channels))
