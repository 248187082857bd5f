"""Convolutions of one pixel with a stride: their numbers, and that no graph has the operation that harms a process."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as keras_layers

from odtf import layers, methods, models, quantization
from odtf.layers.strided_pointwise import protect


def harmful(function, *arguments):
    """Names of gradients of kernels of one pixel with a stride, as one operation, in a function's graph."""
    graph = tf.function(function, autograph=False).get_concrete_function(*arguments).graph
    found = [op for op in graph.get_operations() if op.type == "Conv2DBackpropFilter"]
    assert found
    return [op.name for op in found if max(op.get_attr("strides")) > 1 and tuple(op.outputs[0].shape[:2]) == (1, 1)]


def gradients(network, images):
    with tf.GradientTape() as tape:
        outputs = network(images, training=True)
        loss = sum(tf.reduce_sum(tf.cast(x, "float32") ** 2) for x in tf.nest.flatten(outputs))
    # Those of Keras hold TensorFlow's.
    return tape.gradient(loss, [v.value if hasattr(v, "regularizer") else v for v in network.trainable_variables])


def _images(channels, height=9, width=8):
    return np.random.default_rng(0).standard_normal((3, height, width, channels)).astype("float32")


@pytest.mark.parametrize("strides", [2, (2, 1), 3])
@pytest.mark.parametrize("padding", ["symmetric", "same", "valid"])
def test_the_numbers_are_those_of_the_operation(strides, padding):
    # With 16 channels the operation is sound.
    images, ours = _images(16), layers.Conv2D(7, 1, strides, padding=padding, use_bias=True)
    ours.build(images.shape)
    stock = keras_layers.Conv2D(7, 1, strides, padding="valid")
    stock.build(images.shape)
    stock.set_weights(ours.get_weights())
    found = []
    for layer in (ours, stock):
        x = tf.Variable(images)
        with tf.GradientTape() as tape:
            y = layer(x)
            loss = tf.reduce_sum(y * y)
        found.append([y, *tape.gradient(loss, [x, layer.kernel.value, layer.bias.value])])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("groups", [1, 2])
def test_few_channels_have_the_gradient_of_the_formula(groups):
    images = _images(4)
    layer = layers.GroupConv2D(6, 1, 2, strides=2) if groups == 2 else layers.Conv2D(6, 1, 2)
    layer.build(images.shape)
    with tf.GradientTape() as tape:
        y = layer(images)
        loss = tf.reduce_sum(y * y)
    found = tape.gradient(loss, layer.kernel.value)
    seen = images[:, ::2, ::2].reshape(3, 5, 4, groups, -1).astype("float64")
    kernel = np.asarray(layer.kernel)[0, 0].reshape(4 // groups, groups, -1)
    answer = np.einsum("nhwgi,igo->nhwgo", seen, kernel)
    np.testing.assert_allclose(y, answer.reshape(y.shape), atol=1e-5)
    wanted = 2 * np.einsum("nhwgi,nhwgo->igo", seen, answer)
    np.testing.assert_allclose(np.asarray(found)[0, 0].reshape(wanted.shape), wanted, rtol=1e-4)


def users():
    """A network as users write it, with a strided shortcut of four channels."""
    image = keras.Input((8, 8, 3))
    x = keras_layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    short = keras_layers.Conv2D(6, 1, 2, name="short")(x)
    x = keras_layers.Add()([keras_layers.Conv2D(6, 3, 2, padding="same")(x), short])
    return keras.Model(image, keras_layers.Dense(3)(keras_layers.GlobalAveragePooling2D()(x)))


class Subclassed(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = users()

    def call(self, images):
        return self.inner(images)


@pytest.mark.parametrize("make", [users, Subclassed])
def test_a_cohort_s_networks_of_the_user_s_are_protected(make):
    images, model = _images(3, 8), make()
    model(images)
    assert harmful(gradients, model, images), "stock Keras has the operation, or the test sees nothing"
    cohort = methods.DeepMutualLearning(models.from_keras(model), num_peers=2)
    cohort(images)
    cohort.compile(keras.optimizers.SGD(0.1))
    assert not harmful(gradients, cohort.peers["peer_0"], images)


def test_what_trains_for_int8_is_protected():
    images = _images(3, 8)
    network = quantization.quantization_aware(users(), input_range=(-4.0, 4.0))
    network(images, training=True)
    assert not harmful(gradients, network, images)


def test_a_network_of_tf_keras_is_protected_and_saved_as_it_was():
    tf_keras = pytest.importorskip("tf_keras")
    image = tf_keras.Input((8, 8, 4))
    model = tf_keras.Model(image, tf_keras.layers.Conv2D(6, 1, 2, name="short")(image))
    images, before = _images(4, 8), model.get_config()
    answers = model(images)
    assert harmful(gradients, model, images)
    protect(model)
    assert not harmful(gradients, model, images) and model.get_config() == before
    np.testing.assert_array_equal(model(images), answers)
