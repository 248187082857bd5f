"""Losses of relations against golden vectors in float64 and a numpy oracle with loops."""

import numpy as np
import pytest
import tensorflow as tf

from odtf.losses import conditional_divergence, supervised_contrastive

EMBEDDINGS = np.array([[1, 0], [0.6, 0.8], [0, 2], [-1, 0.5]], "float32")
LABELS = np.array([0, 0, 1, 0])


def contrastive(labels, embeddings, temperature):
    """Equation 2 of the paper, in float64."""
    z = np.asarray(embeddings, "float64")
    z = z / np.linalg.norm(z, axis=1, keepdims=True)
    values = []
    for i in range(len(z)):
        others = [a for a in range(len(z)) if a != i]
        positives = [p for p in others if labels[p] == labels[i]]
        total = np.log(sum(np.exp(z[i] @ z[a] / temperature) for a in others))
        terms = [z[i] @ z[p] / temperature - total for p in positives]
        values.append(-sum(terms) / len(terms) if terms else 0.0)
    return np.array(values)


def divergence(teacher, student):
    """Equations 3 to 6 of the paper, in float64."""

    def conditional(x):
        x = np.asarray(x, "float64").reshape(len(x), -1)
        kernel = [[(1 + a @ b / np.linalg.norm(a) / np.linalg.norm(b)) / 2 for b in x] for a in x]
        kernel = np.array(kernel) * (1 - np.eye(len(x)))
        return kernel / kernel.sum(1, keepdims=True)

    p, q = conditional(teacher), conditional(student)
    count = len(p)
    return np.array([sum(p[i, j] * np.log(p[i, j] / q[i, j]) for j in range(count) if j != i) for i in range(count)])


def test_contrastive_golden_values():
    """By hand for the first: cosines 0.6, 0 and -2/sqrt(5); positives the first and the last of them."""
    cosines = np.array([0.6, 0.0, -2 / np.sqrt(5)]) / 0.5
    first = np.log(np.exp(cosines).sum()) - (cosines[0] + cosines[2]) / 2
    found = supervised_contrastive(LABELS, EMBEDDINGS, 0.5).numpy()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], first, rtol=1e-5)
    np.testing.assert_allclose(found, [1.79567135, 1.7730367, 0.0, 2.27096122], atol=2e-6)


@pytest.mark.parametrize("temperature", [0.05, 0.1, 1.0])
def test_contrastive_against_loops(temperature):
    rng = np.random.default_rng(0)
    embeddings, labels = rng.normal(size=(24, 5)), rng.integers(0, 6, 24)
    labels[3] = 9  # Alone of its class.
    found = supervised_contrastive(labels, embeddings.astype("float32"), temperature).numpy()
    np.testing.assert_allclose(found, contrastive(labels, embeddings, temperature), rtol=2e-4, atol=1e-5)
    assert found[3] == 0.0


def test_contrastive_of_one_example_is_nothing():
    value = tf.Variable([[1.0, 2.0]])
    with tf.GradientTape() as tape:
        loss = supervised_contrastive(np.array([1]), value)
    assert loss.numpy() == [0.0] and np.all(tape.gradient(loss, value).numpy() == 0.0)
    with pytest.raises(ValueError, match="must be a positive number"):
        supervised_contrastive(LABELS, EMBEDDINGS, 0.0)


def test_divergence_against_loops():
    rng = np.random.default_rng(1)
    teacher, student = rng.normal(size=(12, 3, 2)), rng.normal(size=(12, 4))
    found = conditional_divergence(teacher.astype("float32"), student.astype("float32")).numpy()
    np.testing.assert_allclose(found, divergence(teacher, student), rtol=1e-4, atol=1e-6)
    assert np.all(found > 0)
    np.testing.assert_allclose(conditional_divergence(teacher, 3.0 * teacher), 0.0, atol=1e-6)


def test_divergence_is_finite_where_vectors_are_opposite_or_zero():
    student = tf.Variable([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
    with tf.GradientTape() as tape:
        loss = conditional_divergence(np.eye(3, dtype="float32"), student)
    assert np.all(np.isfinite(loss)) and np.all(np.isfinite(tape.gradient(loss, student)))
    assert np.all(np.isfinite(conditional_divergence(np.ones((1, 2), "float32"), np.ones((1, 2), "float32"))))
