"""Ranges of activations against numpy."""

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from odtf.quantization import Range, Schedule, pixel_range


def made(schedule=None, **options):
    layer = Range(schedule or Schedule(), **options)
    layer.build((None, 4))
    return layer


def oracle(x, low, high):
    """Jacob et al., equation 1: 256 levels, one of which is zero."""
    scale = (high - low) / 255
    zero = round(-low / scale)
    return (np.clip(np.floor(x / scale + 0.5), -zero, 255 - zero)) * scale


@pytest.mark.parametrize(("low", "high"), [(-1.3, 2.7), (0.0, 5.0), (-4.0, 0.0), (-0.001, 6.0)])
def test_rounds_as_numpy(low, high):
    x = np.random.default_rng(0).uniform(low - 1, high + 1, (64, 64)).astype("float32")
    layer = made(fixed=(low, high))
    y = ops.convert_to_numpy(layer(x))
    scale, zero = layer.levels()
    np.testing.assert_allclose(y, oracle(x, low, high), atol=1e-5)
    np.testing.assert_allclose(y / scale, np.round(y / scale), atol=1e-4)
    assert zero in range(256) and len(np.unique(y)) <= 256


@pytest.mark.parametrize("bounds", [(-1.0, 1.0), (-0.37, 1.9), (-2.5, 2.5)])
def test_zero_is_exact(bounds):
    assert float(made(fixed=bounds)(np.zeros((1, 4), "float32"))[0, 0]) == 0.0


def test_bounds_are_a_moving_average_that_the_first_batch_starts():
    layer = made(momentum=0.9)
    rng = np.random.default_rng(1)
    expected = None
    for _ in range(4):
        x = rng.normal(size=(8, 4)).astype("float32")
        batch = np.array([min(x.min(), 0), max(x.max(), 0)])
        expected = batch if expected is None else 0.9 * expected + 0.1 * batch
        layer(x, training=True)
        np.testing.assert_allclose(layer.bounds, expected, rtol=1e-5)


def test_bounds_move_in_training_only_and_only_once_quantised():
    schedule, x = Schedule(epochs=2, delay_epochs=1), ops.ones((2, 4))
    layer = made(schedule)
    schedule.begin_epoch(0)
    np.testing.assert_array_equal(layer(x - 0.123, training=True), x - 0.123)
    schedule.begin_epoch(1)
    layer(x, training=False)
    assert not layer.bounds.numpy().any()
    with pytest.raises(ValueError, match="was never observed"):
        layer.levels()
    layer(x, training=True)
    assert layer.bounds.numpy().tolist() == [0.0, 1.0]


def test_gradient_passes_inside_the_bounds_alone():
    x = tf.constant([[-3.0, -0.5, 0.5, 3.0]])
    layer = made(fixed=(-1.0, 1.0))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
    assert tape.gradient(y, x).numpy().tolist() == [[0.0, 1.0, 1.0, 0.0]]


@pytest.mark.parametrize("std", [0.5, 0.3])
def test_pixels_are_not_all_rounded_from_half_way(std):
    low, high = pixel_range((0.5,), (std,))
    pixels = (np.arange(256) / 255 - 0.5) / std
    scale = made(fixed=(low, high)).levels()[0]
    assert low <= pixels[0] and pixels[-1] <= high
    assert np.mean(np.abs(np.abs(pixels / scale % 1) - 0.5) < 1e-3) < 0.02


def test_momentum_is_checked():
    with pytest.raises(ValueError, match="momentum=1"):
        Range(Schedule(), momentum=1.0)


def test_schedule():
    schedule = Schedule(epochs=10, delay_epochs=None, freeze_batch_norm_epochs=None)
    assert schedule.quantizes  # As loaded networks need it.
    assert [schedule.phase_at(e) for e in (0, 4, 5, 8, 9)] == ["float", "float", "quantized", "quantized", "frozen"]
    assert [schedule.begin_epoch(e) for e in range(10)] == [e in (0, 5, 9) for e in range(10)]
    for wrong in ({"delay_epochs": 10}, {"delay_epochs": -1}):
        with pytest.raises(ValueError, match="delay_epochs"):
            Schedule(epochs=10, **wrong)
