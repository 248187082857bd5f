import numpy as np
import pytest
import tensorflow as tf

from odtf import layers


def shifted(x, **kwargs):
    return layers.Shift2D(**kwargs)(x).numpy()


def test_an_impulse_moves_by_each_displacement():
    """Channel c = 3 (dy + 1) + dx + 1 reads at (y + dy, x + dx): what was at the centre goes the opposite way."""
    x = np.zeros((1, 5, 5, 9), "float32")
    x[0, 2, 2] = 1.0
    y = shifted(x)
    for c, (dy, dx) in enumerate((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)):
        assert np.argwhere(y[0, :, :, c]).tolist() == [[2 - dy, 2 - dx]]


@pytest.mark.parametrize(("channels", "untouched"), [(10, 2), (16, 8), (32, 8), (64, 8)])
def test_how_many_channels_stay(channels, untouched):
    x = np.random.default_rng(0).normal(size=(2, 6, 7, channels)).astype("float32")
    assert sum(np.array_equal(a, b) for a, b in zip(x.T, shifted(x).T, strict=True)) == untouched


def test_fewer_channels_than_displacements_are_the_identity():
    x = np.random.default_rng(0).normal(size=(2, 6, 7, 8)).astype("float32")
    np.testing.assert_array_equal(shifted(x), x)


def test_gradient_is_the_opposite_shift_and_has_no_kernel():
    layer = layers.Shift2D()
    x = tf.ones([1, 4, 4, 9])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(layer(x))
    gradient = tape.gradient(y, x).numpy()
    # The pixels that leave the image count for nothing: one row or column of four, or both.
    assert gradient.sum((0, 1, 2)).tolist() == [9, 12, 9, 12, 16, 12, 9, 12, 9]
    assert layer.weights == []


def test_some_channels_of_a_shift_move_as_they_did():
    x, left = np.random.default_rng(0).normal(size=(2, 6, 7, 20)).astype("float32"), [1, 4, 9, 17, 19]
    positions = [1, 4, 0, 8, 4]  # The last two of 20 channels stay where they are.
    np.testing.assert_array_equal(shifted(x[..., left], positions=positions), shifted(x)[..., left])
    layer = layers.Shift2D(positions=positions)
    assert layers.Shift2D.from_config(layer.get_config()).positions == tuple(positions)
    with pytest.raises(ValueError, match=r"Each channel has a position.*20 channels, 5 positions"):
        layer(x)


@pytest.mark.parametrize(
    "arguments", [{"kernel_size": 2}, {"kernel_size": 0}, {"dilation_rate": 0}, {"positions": [9]}]
)
def test_impossible_kernels_are_refused(arguments):
    with pytest.raises(ValueError, match="Received"):
        layers.Shift2D(**arguments)
