"""Divergences of class scores against golden values in float64 and numpy oracles with loops, also pixel by pixel."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from odtf.losses import dist, dkd, kl_divergence, standardized_kl

VOID = 255
LABELS = np.array([0, 2])
TEACHER = np.array([[2, 0.5, -1], [0, 1, 3]], "float32")
STUDENT = np.array([[1, 1, 0], [0.5, -0.5, 2]], "float32")


def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


def kl(p, q):
    return sum(a * np.log(a / b) for a, b in zip(p, q, strict=True))


def standardized_row(label, t, s, temperature):
    def z(row):
        return (row - row.mean()) / (row.std(ddof=1) + 1e-7)

    return temperature**2 * kl(softmax(z(t) / temperature), softmax(z(s) / temperature))


def dkd_row(label, t, s, temperature, alpha, beta):
    p, q = softmax(t / temperature), softmax(s / temperature)
    binary = kl((p[label], 1 - p[label]), (q[label], 1 - q[label]))
    others = kl(*(softmax(np.delete(row, label) / temperature) for row in (t, s)))
    return temperature**2 * (alpha * binary + beta * others)


def pearson(a, b):
    a, b = a - a.mean(), b - b.mean()
    return a @ b / (np.sqrt(a @ a) * np.sqrt(b @ b) + 1e-8)


def dist_rows(teacher, student, temperature, beta, gamma):
    """Of rows: those of inter, and intra, which they share."""
    p, q = (np.array([softmax(row / temperature) for row in z]) for z in (teacher, student))
    inter = np.array([1 - pearson(a, b) for a, b in zip(q, p, strict=True)])
    intra = 1 - np.mean([pearson(q[:, k], p[:, k]) for k in range(p.shape[1])])
    return temperature**2 * beta * inter, temperature**2 * gamma * intra


def rows(labels, teacher, student, each):
    values = zip(labels, teacher.astype("float64"), student.astype("float64"), strict=True)
    return np.array([each(*row) for row in values])


def random_case(shape=(24, 7)):
    rng = np.random.default_rng(len(shape))
    teacher, student = rng.normal(0, 3, (2, *shape)).astype("float32")
    return rng.integers(0, shape[-1], shape[:-1]), teacher, student


# Of a float64 evaluation of the formulas, written down once.
GOLDEN = {
    "standardized": (lambda: standardized_kl(TEACHER, STUDENT, 2.0), [0.10077381, 0.12328389]),
    "dkd": (lambda: dkd(LABELS, TEACHER, STUDENT, 4.0, 1.0, 8.0), [0.60071806, 4.01043157]),
    "dist": (lambda: dist(TEACHER, STUDENT, 4.0), [3.07345824, 2.56164673]),
}


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_golden_values(name):
    compute, expected = GOLDEN[name]
    found = compute()
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, expected, rtol=2e-5)


def test_dkd_golden_value_by_hand():
    """Two classes of three at T = 1: b = (e^2, e^0.5 + e^-1) / their sum, q = (e^0.5, e^-1) / theirs."""
    b_t = np.array([np.exp(2), np.exp(0.5) + np.exp(-1)]) / (np.exp(2) + np.exp(0.5) + np.exp(-1))
    b_s = np.array([np.e, np.e + 1]) / (2 * np.e + 1)
    q_t = np.array([np.exp(0.5), np.exp(-1)]) / (np.exp(0.5) + np.exp(-1))
    q_s = np.array([np.e, 1]) / (np.e + 1)
    expected = 0.5 * (b_t * np.log(b_t / b_s)).sum() + 3.0 * (q_t * np.log(q_t / q_s)).sum()
    assert float(dkd(LABELS, TEACHER, STUDENT, 1.0, 0.5, 3.0)[0]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_against_loops(temperature):
    labels, teacher, student = random_case()
    expected = rows(labels, teacher, student, functools.partial(standardized_row, temperature=temperature))
    np.testing.assert_allclose(standardized_kl(teacher, student, temperature), expected, rtol=1e-4, atol=1e-6)
    each = functools.partial(dkd_row, temperature=temperature, alpha=0.7, beta=2.0)
    found = dkd(labels, teacher, student, temperature, 0.7, 2.0)
    np.testing.assert_allclose(found, rows(labels, teacher, student, each), rtol=1e-4, atol=1e-5)
    inter, intra = dist_rows(teacher.astype("float64"), student.astype("float64"), temperature, 0.5, 2.0)
    np.testing.assert_allclose(dist(teacher, student, temperature, 0.5, 2.0), inter + intra, rtol=1e-4)


def test_pixels_are_rows_and_an_image_is_their_mean():
    labels, teacher, student = random_case((3, 2, 4, 5))
    flat = labels.reshape(-1), teacher.reshape(-1, 5), student.reshape(-1, 5)
    expected = rows(*flat, functools.partial(standardized_row, temperature=2.0)).reshape(3, -1).mean(1)
    np.testing.assert_allclose(standardized_kl(teacher, student, 2.0), expected, rtol=1e-4)
    inter, intra = dist_rows(*(z.astype("float64") for z in flat[1:]), 2.0, 1.0, 1.0)
    np.testing.assert_allclose(dist(teacher, student, 2.0), inter.reshape(3, -1).mean(1) + intra, rtol=1e-4)


def test_pixels_of_the_ignored_label_count_for_nothing():
    labels, teacher, student = random_case((3, 2, 4, 5))
    labels = labels.astype("uint8")
    labels[0, 0, :3], labels[2] = VOID, VOID
    expected = np.zeros(3)
    for i in range(3):
        counts = labels[i] != VOID
        each = functools.partial(dkd_row, temperature=2.0, alpha=1.0, beta=4.0)
        expected[i] = (
            rows(labels[i][counts], teacher[i][counts], student[i][counts], each).mean() if counts.any() else 0
        )
    np.testing.assert_allclose(dkd(labels, teacher, student, 2.0, 1.0, 4.0, ignore=VOID), expected, rtol=1e-4)


def test_of_soft_labels_the_largest_is_the_true_class():
    labels, teacher, student = random_case()
    soft = 0.6 * np.eye(7, dtype="float32")[labels] + 0.4 / 7
    np.testing.assert_array_equal(dkd(soft, teacher, student, 2.0), dkd(labels, teacher, student, 2.0))


def test_dkd_has_the_plain_kl_as_a_special_case():
    """KL = KL(b_t || b_s) + (1 - p_y of the teacher) KL(q_t || q_s)."""
    labels, teacher, student = random_case()
    p = np.exp(teacher) / np.exp(teacher).sum(-1, keepdims=True)
    binary, others = (dkd(labels, teacher, student, 1.0, *weights).numpy() for weights in ((1.0, 0.0), (0.0, 1.0)))
    missing = 1 - p[np.arange(24), labels]
    np.testing.assert_allclose(binary + missing * others, kl_divergence(teacher, student), rtol=1e-4, atol=1e-6)


def test_what_does_not_matter_to_them():
    labels, teacher, student = random_case()
    moved = 0.5 * teacher + 7.0
    for loss in (functools.partial(standardized_kl, temperature=2.0), dist, functools.partial(dkd, labels)):
        np.testing.assert_allclose(loss(teacher, teacher + 3.0), np.zeros(24), atol=2e-5)
    # The standardised one sees neither size nor place of logits; the plain KL does.
    np.testing.assert_allclose(standardized_kl(moved, student), standardized_kl(teacher, student), rtol=1e-3)
    assert np.abs(kl_divergence(moved, student) - kl_divergence(teacher, student)).max() > 0.1


@pytest.mark.parametrize("loss", [standardized_kl, dist, functools.partial(dkd, LABELS)])
@pytest.mark.parametrize("scale", [0.0, 200.0])
def test_gradients_are_finite_where_all_is_equal_or_certain(loss, scale):
    """A classifier that starts at zero; and logits whose softmax is 1 and 0 in float32."""
    for side in (0, 1):
        z = [tf.Variable(scale * TEACHER), tf.Variable(scale * STUDENT)]
        with tf.GradientTape() as tape:
            value = loss(*z)
        assert np.isfinite(value).all()
        assert np.isfinite(tape.gradient(value, z[side])).all()


@pytest.mark.parametrize("loss", [standardized_kl, dist, functools.partial(dkd, LABELS)])
def test_it_is_float32_of_half_precision_and_refuses_a_temperature_of_zero(loss):
    half = [tf.cast(z, "float16") for z in (TEACHER, STUDENT)]
    assert loss(*half).dtype == tf.float32
    with pytest.raises(ValueError, match="temperature=0"):
        loss(TEACHER, STUDENT, 0)
