"""The losses against golden vectors in float64 and a numpy oracle."""

import numpy as np
import pytest
import tensorflow as tf

from odtf.losses import (
    attention_map,
    attention_transfer,
    cross_entropy,
    kl_divergence,
    probabilistic_knowledge_transfer,
    squared_difference,
    unit_norm,
)

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


def _relations(x):
    """The two row-normalised kernels of a batch, written with loops."""
    n = len(x)
    cosine, student_t = np.zeros((n, n)), np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            cosine[i, j] = (1 + x[i] @ x[j] / (np.linalg.norm(x[i]) * np.linalg.norm(x[j]))) / 2
            student_t[i, j] = 1 / (1 + np.sqrt(((x[i] - x[j]) ** 2).sum() + 1e-6))
    return [k / k.sum(-1, keepdims=True) for k in (cosine, student_t)]


def test_pkt_against_numpy_with_other_widths():
    rng = np.random.default_rng(0)
    teacher, student = rng.normal(size=(8, 12)), rng.normal(size=(8, 5))
    expected = sum(
        (p - q) * (np.log(p) - np.log(q)) for p, q in zip(_relations(teacher), _relations(student), strict=True)
    ).mean(-1)
    result = probabilistic_knowledge_transfer(teacher, student)
    assert result.shape == (8,)
    np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-7)
    # Symmetric in its arguments, zero for the same relations: cosines and distances do not see a rotation.
    np.testing.assert_allclose(probabilistic_knowledge_transfer(student, teacher), result, rtol=1e-5)
    rotation = np.linalg.qr(rng.normal(size=(12, 12)))[0]
    assert np.abs(probabilistic_knowledge_transfer(teacher, teacher)).max() == 0.0
    np.testing.assert_allclose(probabilistic_knowledge_transfer(teacher, teacher @ rotation), 0.0, atol=1e-9)


def test_pkt_is_finite_where_features_vanish_or_oppose():
    student = tf.Variable([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]])
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(probabilistic_knowledge_transfer(tf.constant([[1.0], [2.0], [0.0], [-3.0]]), student))
    assert np.isfinite(loss.numpy()) and loss.numpy() > 0
    assert np.isfinite(tape.gradient(loss, student).numpy()).all()


def test_squared_difference():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 4, 3, 3, 5))
    np.testing.assert_allclose(squared_difference(a, b), ((a - b) ** 2).mean((1, 2, 3)), rtol=1e-5)
    with pytest.raises(ValueError, match=r"one shape.*\(3, 3, 5\) and \(3, 3, 4\)"):
        squared_difference(a, b[..., :4])


def _unit(x):
    return x / np.sqrt((x**2).sum(-1, keepdims=True))


def test_attention_against_numpy():
    rng = np.random.default_rng(1)
    teacher, student = rng.normal(0, 1, (4, 3, 5, 6)), rng.normal(0, 1, (4, 3, 5, 2))
    maps = [(x**2).mean(-1).reshape(4, 15) for x in (teacher, student)]
    np.testing.assert_allclose(attention_map(teacher), maps[0], rtol=1e-5)
    np.testing.assert_allclose(unit_norm(maps[0]), _unit(maps[0]), rtol=1e-5)
    expected = ((_unit(maps[0]) - _unit(maps[1])) ** 2).mean(-1)
    np.testing.assert_allclose(attention_transfer(teacher, student), expected, rtol=1e-4)


def test_attention_of_dead_and_of_half_precision_maps():
    """A map of zeros has a finite gradient; float16 squares in float32, where 400^2 does not overflow."""
    dead, alive = tf.Variable(tf.zeros((1, 2, 2, 3))), tf.ones((1, 2, 2, 3))
    with tf.GradientTape() as tape:
        loss = attention_transfer(alive, dead)
    assert np.isfinite(tape.gradient(loss, dead).numpy()).all()
    large = attention_transfer(tf.constant(400.0, "float16", (1, 2, 2, 3)), tf.cast(alive, "float16"))
    assert large.dtype == tf.float32
    np.testing.assert_allclose(large, 0.0, atol=1e-6)


def test_attention_needs_maps_of_one_size():
    with pytest.raises(ValueError, match=r"one height and width. Received: \(4, 4\) and \(2, 2\)"):
        attention_transfer(tf.zeros((1, 4, 4, 3)), tf.zeros((1, 2, 2, 3)))
