"""Averages of weights against numpy, and what is evaluated with them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf.methods import DeepMutualLearning, Solo
from odtf.methods.shared.averaging import Averaging
from tests.methods.tiny import least

STEPS = 5


def batches():
    random = np.random.default_rng(0)
    images = random.normal(1.0, 2.0, (STEPS, 16, 8, 8, 1)).astype("float32")
    return images, random.integers(0, 10, (STEPS, 16)).astype("int32")


def cohort(averaging=None, network=least, method=Solo):
    made = method(network, seed=1)
    made.averaging = averaging
    made.compile(keras.optimizers.SGD(0.1, momentum=0.9), steps_per_epoch=STEPS)
    made.begin_epoch(0)
    return made


def weights(made):
    return [v.numpy() for v in made.trainable_variables]


def trained(made):
    """Trains over all batches; returns the weights after every step."""
    iterator, found = iter(tf.data.Dataset.from_tensor_slices(batches())), []
    for _ in range(STEPS):
        made.step_function(iterator)
        found.append(weights(made))
    return found


def decays(decay, every, power):
    return [decay * (step / STEPS) ** power if step % every == 0 else 1.0 for step in range(1, STEPS + 1)]


@pytest.mark.parametrize(("every", "power"), [(1, 0.0), (2, 3.0)])
def test_an_average_beside_the_weights(every, power):
    made = cohort(Averaging("ema", decay=0.75, every=every, power=power, total_steps=STEPS))
    expected, course = weights(made), trained(made)
    for decay, after in zip(decays(0.75, every, power), course, strict=True):
        expected = [decay * average + (1.0 - decay) * weight for average, weight in zip(expected, after, strict=True)]
    for average, wanted in zip(made.averaging.averages, expected, strict=True):
        np.testing.assert_allclose(average.numpy(), wanted, rtol=1e-5, atol=1e-6)
    for one, other in zip(course[-1], trained(cohort())[-1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_lookahead_goes_on_from_the_average():
    """Against a twin without it, whose weights are moved by hand after each second step."""
    made, twin = cohort(Averaging("lookahead", decay=0.5, every=2)), cohort()
    slow, course = weights(twin), trained(made)
    iterator = iter(tf.data.Dataset.from_tensor_slices(batches()))
    for step in range(1, STEPS + 1):
        twin.step_function(iterator)
        if step % 2 == 0:
            slow = [0.5 * a + 0.5 * b for a, b in zip(slow, weights(twin), strict=True)]
            for v, value in zip(twin.trainable_variables, slow, strict=True):
                v.assign(value)
        for one, other in zip(course[step - 1], weights(twin), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5, err_msg=str(step))


def normalized(*, seed, name):
    """A network whose batch normalisation takes the image itself."""
    image = keras.Input((8, 8, 1))
    x = keras.layers.BatchNormalization(momentum=0.9, name="norm")(image)
    pooled = keras.layers.GlobalAveragePooling2D(name="embedding")(x)
    logits = keras.layers.Dense(10, kernel_initializer=keras.initializers.HeNormal(seed), name="logits")(pooled)
    return keras.Model(image, {"stage1": x, "embedding": pooled, "logits": logits}, name=name)


def test_statistics_are_of_the_batches_and_all_is_restored():
    made = cohort(Averaging("ema", decay=0.5), normalized)
    trained(made)
    before, averages = [v.numpy() for v in made.variables], [v.numpy() for v in made.averaging.averages]
    norm, (images, labels) = made.peers["peer_0"].get_layer("norm"), batches()

    def given():
        return iter(tf.data.Dataset.from_tensor_slices((images, labels))), 3

    with made.averaging.applied(made, given):
        for weight, average in zip(weights(made), averages, strict=True):
            np.testing.assert_array_equal(weight, average)
        np.testing.assert_allclose(norm.moving_mean, [images[:3].mean()], rtol=1e-5)
        np.testing.assert_allclose(norm.moving_variance, [images[:3].var(axis=(1, 2, 3, 4)).mean()], rtol=1e-5)
    assert norm.momentum == 0.9
    for variable, value in zip(made.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value, err_msg=variable.path)


def test_all_replicas_hold_one_average(mirrored):
    with mirrored.scope():
        made = cohort(Averaging("ema", decay=0.75), method=DeepMutualLearning)
    (images, labels) = batches()
    alone = cohort(Averaging("ema", decay=0.75), method=DeepMutualLearning)

    def shares(context):
        return tf.data.Dataset.from_tensor_slices((images.reshape(10, 8, 8, 8, 1), labels.reshape(10, 8)))

    iterator = iter(mirrored.distribute_datasets_from_function(shares))
    for _ in range(2):
        made.step_function(iterator)
    average = made.averaging.averages[0].value
    copies = [part.numpy() for part in mirrored.experimental_local_results(average)]
    np.testing.assert_array_equal(copies[0], copies[-1])
    assert np.abs(copies[0] - alone.averaging.averages[0].numpy()).max() > 0


@pytest.mark.parametrize("wrong", [{"kind": "swa"}, {"decay": 1.0}, {"every": 0}, {"power": -1.0}])
def test_what_is_out_of_range_is_refused(wrong):
    with pytest.raises(ValueError, match="An average is one of ema, lookahead"):
        Averaging(**wrong)
