"""Adversarial losses against golden values and their gradients."""

import numpy as np
import pytest
import tensorflow as tf

from odtf import losses

ANSWERS = np.array([[[2.0, 0.5], [-1.0, -3.0]], [[0.0, 1.0], [1.0, -0.5]]], "float32")[..., None]


@pytest.mark.parametrize(
    ("loss", "want"),
    [
        # max(0, 1 - D): 0, 0.5, 2, 4; and 1, 0, 0, 1.5.
        (losses.hinge_real, [1.625, 0.625]),
        # max(0, 1 + D): 3, 1.5, 0, 0; and 1, 2, 2, 0.5.
        (losses.hinge_fake, [1.125, 1.375]),
        (losses.hinge_generator, [0.375, -0.375]),
        # (D - 1)^2: 1, 0.25, 4, 16; and 1, 0, 0, 2.25.
        (lambda answers: losses.least_squares(answers, 1), [5.3125, 0.8125]),
        (lambda answers: losses.least_squares(answers, 0), [3.5625, 0.5625]),
    ],
)
def test_golden_values(loss, want):
    found = loss(ANSWERS)
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, want)
    low = loss(tf.constant(ANSWERS, tf.bfloat16))
    assert low.dtype == tf.float32
    np.testing.assert_allclose(low, want)


def test_hinges_are_flat_where_the_discriminator_is_sure():
    def gradient(loss):
        with tf.GradientTape() as tape:
            answers = tf.constant(ANSWERS)
            tape.watch(answers)
            value = tf.reduce_sum(loss(answers))
        return tape.gradient(value, answers).numpy()[0, :, :, 0]

    np.testing.assert_allclose(gradient(losses.hinge_real), [[0, -0.25], [-0.25, -0.25]])
    np.testing.assert_allclose(gradient(losses.hinge_fake)[0], [0.25, 0.25])
    assert gradient(losses.hinge_fake)[1, 1] == 0
    np.testing.assert_allclose(gradient(losses.hinge_generator), np.full((2, 2), -0.25))
