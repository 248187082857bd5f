"""Losses of images against golden values and a NumPy oracle in float64, gradients included."""

import numpy as np
import pytest
import tensorflow as tf

from odtf import losses


def pair(shape=(2, 14, 9, 3), seed=0):
    random = np.random.default_rng(seed)
    return [random.uniform(-1, 1, shape).astype("float32") for _ in range(2)]


def l1(x, y):
    return np.abs(x.astype("float64") - y).mean((1, 2, 3))


def ssim(x, y):
    """Pixel by pixel: a window of weights on the image with five zeros around."""
    x, y = x.astype("float64"), y.astype("float64")
    line = np.exp(-((np.arange(11) - 5.0) ** 2) / (2 * 1.5**2))
    window = np.outer(line, line) / np.outer(line, line).sum()

    def blurred(maps):
        wide = np.pad(maps, ((0, 0), (5, 5), (5, 5), (0, 0)))
        found = np.zeros_like(maps)
        for row in range(maps.shape[1]):
            for column in range(maps.shape[2]):
                patch = wide[:, row : row + 11, column : column + 11]
                found[:, row, column] = np.einsum("bijc,ij->bc", patch, window)
        return found

    mx, my = blurred(x), blurred(y)
    vx, vy, covariance = blurred(x * x) - mx**2, blurred(y * y) - my**2, blurred(x * y) - mx * my
    top, bottom = (2 * mx * my + 1e-4) * (2 * covariance + 9e-4), (mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4)
    return (top / bottom).mean((1, 2, 3))


def variation(x):
    """Every pixel against the one below and the one to the right."""
    x, total = x.astype("float64"), np.zeros(len(x))
    for row in range(x.shape[1]):
        for column in range(x.shape[2]):
            if row + 1 < x.shape[1]:
                total += np.abs(x[:, row + 1, column] - x[:, row, column]).sum(-1)
            if column + 1 < x.shape[2]:
                total += np.abs(x[:, row, column + 1] - x[:, row, column]).sum(-1)
    return total


OF_TWO = {
    "absolute_difference": l1,
    "cycle_consistency": l1,
    "identity_mapping": l1,
    "structural_similarity": ssim,
}


@pytest.mark.parametrize("name", OF_TWO)
def test_against_numpy(name):
    x, y = pair()
    loss = getattr(losses, name)
    found = loss(x, y)
    assert found.dtype == tf.float32 and found.shape == (2,)
    np.testing.assert_allclose(found, OF_TWO[name](x, y), rtol=1e-4, atol=1e-5)
    low = [tf.cast(each, tf.bfloat16) for each in (x, y)]
    exact = OF_TWO[name](*(np.asarray(tf.cast(each, "float32")) for each in low))
    assert loss(*low).dtype == tf.float32
    np.testing.assert_allclose(loss(*low), exact, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="in one shape"):
        loss(x, y[:, 1:])


def test_golden_values():
    """Two even images, a step, a difference."""
    even, other = np.full((1, 33, 33, 1), 0.5, "float32"), np.full((1, 33, 33, 1), -0.25, "float32")
    # Of a float64 evaluation, written down once. Far from the border it is (2 x y + C1) / (x^2 + y^2 + C1) = -0.7994.
    np.testing.assert_allclose(losses.structural_similarity(even, other), [-0.2006146], rtol=1e-4)
    larger = [np.pad(x, ((0, 0), (99, 99), (99, 99), (0, 0)), "edge") for x in (even, other)]
    assert abs(float(losses.structural_similarity(*larger)[0]) - -0.7994) < 0.11
    np.testing.assert_allclose(losses.structural_similarity(even, even), [1.0], rtol=1e-6)
    step = np.zeros((2, 4, 6, 3), "float32")
    step[1, 2:] = 0.5
    # Six columns and three channels of one step; a sum, whatever the size of the image and of the batch.
    np.testing.assert_allclose(losses.total_variation(step), [0.0, 0.5 * 6 * 3])
    np.testing.assert_allclose(losses.absolute_difference(step, 0 * step), [0.0, 0.25])


def test_total_variation():
    x, _ = pair()
    np.testing.assert_allclose(losses.total_variation(x), variation(x), rtol=1e-5)
    assert losses.total_variation(tf.cast(x, tf.bfloat16)).dtype == tf.float32


def test_channel_distillation_is_a_sum_over_maps_of_means_over_channels():
    random = np.random.default_rng(0)
    teacher = [random.normal(size=shape).astype("float32") for shape in ((2, 4, 4, 6), (2, 2, 3, 5))]
    student = [random.normal(size=x.shape).astype("float32") for x in teacher]
    want = sum(((t.mean((1, 2)) - s.mean((1, 2))) ** 2).mean(-1) for t, s in zip(teacher, student, strict=True))
    np.testing.assert_allclose(losses.channel_distillation(teacher, student), want, rtol=1e-5)
    with pytest.raises(ValueError, match="Received: 2 and 1"):
        losses.channel_distillation(teacher, student[:1])
    with pytest.raises(ValueError, match="in one shape"):
        losses.channel_distillation(teacher, [student[0], student[0]])


def test_a_teacher_that_the_caller_stops_gets_no_gradient():
    """The student's gradient is the same either way, and that of the formula."""
    teacher, student = (tf.constant(x) for x in pair((2, 3, 3, 4)))

    def gradients(stop):
        with tf.GradientTape() as tape:
            tape.watch([teacher, student])
            constant = tf.stop_gradient(teacher) if stop else teacher
            loss = tf.reduce_mean(losses.channel_distillation([constant], [student]))
        return tape.gradient(loss, [teacher, student])

    stopped, flowing = gradients(True), gradients(False)
    assert stopped[0] is None and np.abs(flowing[0]).max() > 0
    np.testing.assert_array_equal(stopped[1], flowing[1])
    means = np.asarray(student).mean((1, 2)) - np.asarray(teacher).mean((1, 2))
    want = np.broadcast_to(2 * means[:, None, None] / (2 * 4 * 9), student.shape)
    np.testing.assert_allclose(stopped[1], want, rtol=1e-4, atol=1e-8)


def test_the_gradient_of_similarity_is_the_oracles_slope():
    x, y = pair((1, 12, 12, 1))
    direction = np.random.default_rng(3).normal(size=x.shape)
    with tf.GradientTape() as tape:
        moved = tf.constant(x)
        tape.watch(moved)
        value = tf.reduce_sum(losses.structural_similarity(moved, y))
    step = 1e-5
    slope = (ssim(x + step * direction, y)[0] - ssim(x - step * direction, y)[0]) / (2 * step)
    np.testing.assert_allclose(np.sum(tape.gradient(value, moved) * direction), slope, rtol=1e-3)
