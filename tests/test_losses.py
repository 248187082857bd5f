"""The losses against golden vectors in float64 and a numpy oracle."""

import numpy as np
import pytest
import tensorflow as tf

from odtf.losses import cross_entropy, kl_divergence

TEACHER = np.array([[2, 0.5, -1], [0, 1, 3]], "float32")
STUDENT = np.array([[1, 1, 0], [0.5, -0.5, 2]], "float32")

# Temperature -> KL of each example (without the factor T^2), and its mean times T^2.
GOLDEN = {
    1.0: ([0.27952277, 0.09060438], 0.18506358),
    2.0: ([0.08949218, 0.05292623], 0.28483682),
    3.0: ([0.04127238, 0.02925331], 0.31736562),
    4.0: ([0.02336898, 0.01808002], 0.33159201),
}


@pytest.mark.parametrize("temperature", GOLDEN)
def test_kl_golden_values(temperature):
    values, scaled_mean = GOLDEN[temperature]
    result = kl_divergence(TEACHER, STUDENT, temperature).numpy()
    np.testing.assert_allclose(result, temperature**2 * np.array(values), atol=2e-6)
    np.testing.assert_allclose(result.mean(), scaled_mean, atol=2e-6)


def test_kl_golden_gradients_flow_to_both_sides():
    teacher, student = tf.Variable(TEACHER), tf.Variable(STUDENT)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(kl_divergence(teacher, student, 4.0))
    to_teacher, to_student = tape.gradient(loss, [teacher, student])
    np.testing.assert_allclose(to_student[0], [-0.20633855, 0.08325456, 0.12308399], atol=1e-6)
    np.testing.assert_allclose(to_teacher[0], [0.21179449, -0.09311606, -0.11867844], atol=1e-6)


def _softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def test_against_numpy():
    rng = np.random.default_rng(0)
    teacher, student = rng.normal(0, 3, (2, 16, 10))
    labels = rng.integers(0, 10, 16)
    p, q = _softmax(teacher / 3.0), _softmax(student / 3.0)
    expected = 9.0 * (p * (np.log(p) - np.log(q))).sum(-1)
    np.testing.assert_allclose(kl_divergence(teacher, student, 3.0), expected, rtol=1e-4, atol=1e-5)
    target = 0.9 * np.eye(10)[labels] + 0.1 / 10
    expected = -(target * np.log(_softmax(student))).sum(-1)
    np.testing.assert_allclose(cross_entropy(labels, student, 0.1), expected, rtol=1e-4)
    expected = -np.log(_softmax(student))[np.arange(16), labels]
    np.testing.assert_allclose(cross_entropy(labels, student), expected, rtol=1e-4)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_extreme_logits_stay_finite_and_float32(dtype):
    teacher = tf.constant([[3e4, -3e4, 0.0]], dtype)
    student = tf.Variable(tf.constant([[-3e4, 3e4, 0.0]], dtype))
    with tf.GradientTape() as tape:
        losses = kl_divergence(teacher, student, 2.0) + cross_entropy([0], student)
    assert losses.dtype == tf.float32
    assert np.isfinite(losses.numpy()).all()
    assert np.isfinite(tf.cast(tape.gradient(losses, student), "float32").numpy()).all()


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_temperature_must_be_positive(temperature):
    with pytest.raises(ValueError, match=r"temperature must be a positive number.*Received"):
        kl_divergence(TEACHER, STUDENT, temperature)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_label_smoothing_must_be_a_share(smoothing):
    with pytest.raises(ValueError, match=r"Label smoothing.*Received"):
        cross_entropy([0, 1], STUDENT, smoothing)
