"""The losses of maps against golden values in float64 and a numpy oracle, ignored pixels included."""

import numpy as np
import pytest
import tensorflow as tf

from odtf import losses

VOID = 255
# Two images of 1x2 pixels and three classes.
LABELS = np.array([[[0, 2]], [[1, VOID]]], "uint8")
LOGITS = np.array([[[[2, 0.5, -1], [0, 1, 3]]], [[[1, 1, 0], [0.5, -0.5, 2]]]], "float32")
TEACHER = np.array([[[[1, 0, 0], [0, 2, 3]]], [[[2, 1, -1], [0, 0, 1]]]], "float32")

# Of a float64 evaluation of the formulas, written down once.
GOLDEN = {
    "pixel_cross_entropy": [0.20557866, 0.86199480],
    "focal": [0.00761850, 0.28766109],
    "dice": [0.12201596, 0.40615452],
}


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def oracle(labels, logits, each):
    """`each` image's labels `[n]` and logits `[n, classes]` that count."""
    pairs = zip(labels, logits.astype("float64"), strict=True)
    return np.array([each(own[own != VOID], z[own != VOID]) for own, z in pairs])


def each_pixel(labels, z):
    return -np.log(softmax(z)[np.arange(len(labels)), labels])


def dice(labels, z):
    p, g = softmax(z), np.eye(z.shape[-1])[labels]
    shown = g.sum(0) > 0
    return np.mean(1 - 2 * (p * g).sum(0)[shown] / (p.sum(0) + g.sum(0))[shown])


def hardest(share):
    def mean(labels, z):
        ordered = np.sort(each_pixel(labels, z))[::-1]
        return ordered[: int(np.ceil(round(share * len(ordered), 6)))].mean()

    return mean


ORACLES = {
    "pixel_cross_entropy": lambda labels, z: each_pixel(labels, z).mean(),
    "focal": lambda labels, z: ((1 - np.exp(-each_pixel(labels, z))) ** 2 * each_pixel(labels, z)).mean(),
    "dice": dice,
    "hard_pixels": hardest(0.25),
}


@pytest.fixture(scope="module")
def maps():
    random = np.random.default_rng(0)
    labels = random.integers(0, 5, (4, 6, 7)).astype("uint8")
    labels[random.random(labels.shape) < 0.2] = VOID
    return labels, *(random.normal(0, 3, (4, 6, 7, 5)).astype("float32") for _ in range(2))


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_values(name):
    found = getattr(losses, name)(LABELS, LOGITS, VOID)
    np.testing.assert_allclose(found, GOLDEN[name], atol=2e-6)


@pytest.mark.parametrize("name", ORACLES)
def test_against_numpy(name, maps):
    labels, logits, _ = maps
    found = getattr(losses, name)(labels, logits, VOID)
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, oracle(labels, logits, ORACLES[name]), rtol=2e-5)
    half = getattr(losses, name)(labels, tf.cast(logits, tf.bfloat16), VOID)
    assert half.dtype == tf.float32
    np.testing.assert_allclose(half, found, rtol=0.1)


@pytest.mark.parametrize("name", ORACLES)
def test_ignored_pixels_have_no_gradient_and_an_empty_image_none_at_all(name, maps):
    labels, logits, _ = maps
    labels = labels.copy()
    labels[0] = VOID
    variable = tf.Variable(logits)
    with tf.GradientTape() as tape:
        values = getattr(losses, name)(labels, variable, VOID)
    gradient = tape.gradient(values, variable).numpy()
    assert np.isfinite(gradient).all() and values[0] == 0.0
    assert np.all(gradient[labels == VOID] == 0.0) and np.abs(gradient[1:]).sum() > 0
    changed = np.where((labels == VOID)[..., None], 50.0, logits).astype("float32")
    np.testing.assert_array_equal(getattr(losses, name)(labels, changed, VOID), values)


def test_class_weights_are_factors_of_each_term(maps):
    labels, logits, _ = maps
    weights = np.array([0.5, 2.0, 1.0, 0.0, 3.0])
    found = losses.pixel_cross_entropy(labels, logits, VOID, weights)
    expected = oracle(labels, logits, lambda own, z: (weights[own] * each_pixel(own, z)).mean())
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_losses_meet_where_they_are_the_same(maps):
    labels, logits, _ = maps
    plain = losses.pixel_cross_entropy(labels, logits, VOID)
    np.testing.assert_allclose(losses.focal(labels, logits, VOID, gamma=0.0), plain, rtol=1e-5)
    np.testing.assert_allclose(losses.hard_pixels(labels, logits, VOID, share=1.0), plain, rtol=1e-5)
    whole = np.where(labels == VOID, 0, labels)
    np.testing.assert_array_equal(
        losses.pixel_cross_entropy(whole, logits), losses.pixel_cross_entropy(whole, logits, VOID)
    )


@pytest.mark.parametrize("share", [0.1, 0.3, 0.9])
def test_hard_pixels_are_a_share_rounded_up(share, maps):
    labels, logits, _ = maps
    found = losses.hard_pixels(labels, logits, VOID, share)
    np.testing.assert_allclose(found, oracle(labels, logits, hardest(share)), rtol=1e-5)


# Distillation ---------------------------------------------------------------------------------------------------------

GOLDEN_KL = {
    ("pixel_kl", 1.0): [0.15002537, 0.16102719],
    ("pixel_kl", 4.0): [0.22457098, 0.24803077],
    ("channel_kl", 1.0): [0.08931359, 0.06365563],
    ("channel_kl", 4.0): [0.16604665, 0.10056577],
}


@pytest.mark.parametrize(("name", "temperature"), GOLDEN_KL)
def test_golden_divergences(name, temperature):
    found = getattr(losses, name)(TEACHER, LOGITS, temperature)
    np.testing.assert_allclose(found, GOLDEN_KL[name, temperature], atol=3e-6)


def divergence(t, s, temperature, axis):
    p, q = (softmax(np.moveaxis(z / temperature, axis, -1)) for z in (t, s))
    return temperature**2 * (p * np.log(p / q)).sum(-1).mean()


@pytest.mark.parametrize(("name", "axis"), [("pixel_kl", 1), ("channel_kl", 0)])
@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_divergences_against_numpy(name, axis, temperature, maps):
    labels, student, teacher = maps
    loss = getattr(losses, name)
    rows = [z.reshape(4, -1, 5).astype("float64") for z in (teacher, student)]
    expected = [divergence(t, s, temperature, axis) for t, s in zip(*rows, strict=True)]
    np.testing.assert_allclose(loss(teacher, student, temperature), expected, rtol=1e-4)
    np.testing.assert_allclose(loss(teacher, teacher, temperature), np.zeros(4), atol=1e-6)
    valid = (labels != VOID).reshape(4, -1)
    expected = [divergence(t[v], s[v], temperature, axis) for t, s, v in zip(*rows, valid, strict=True)]
    np.testing.assert_allclose(loss(teacher, student, temperature, labels != VOID), expected, rtol=1e-4)
    assert np.all(loss(teacher, student, temperature, np.zeros_like(labels)).numpy() == 0.0)


@pytest.mark.parametrize("name", ["pixel_kl", "channel_kl"])
def test_gradients_flow_to_both_sides(name, maps):
    teacher, student = tf.Variable(maps[1]), tf.Variable(maps[2])
    with tf.GradientTape() as tape:
        loss = getattr(losses, name)(teacher, student, 2.0)
    for gradient in tape.gradient(loss, [teacher, student]):
        assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0
    with tf.GradientTape() as tape:
        loss = getattr(losses, name)(teacher, student, 2.0, maps[0] != VOID)
    assert np.all(tape.gradient(loss, student).numpy()[maps[0] == VOID] == 0.0)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("focal", {"gamma": -1.0}),
        ("hard_pixels", {"share": 0.0}),
        ("hard_pixels", {"share": 1.5}),
        ("pixel_kl", {"temperature": 0.0}),
        ("channel_kl", {"temperature": -1.0}),
    ],
)
def test_what_is_refused(name, arguments):
    with pytest.raises(ValueError, match="Received: "):
        getattr(losses, name)(LABELS if "kl" not in name else TEACHER, LOGITS, **arguments)
