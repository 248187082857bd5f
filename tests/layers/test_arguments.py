"""What the convolutions refuse, and how their weights start."""

import numpy as np
import pytest

from odtf import layers


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Conv2D(4, 2), "odd kernel sizes.*kernel_size=\\(2, 2\\)"),
        (lambda: layers.Conv2D(4, 3, padding="reflect"), "Unknown padding.*'reflect'"),
        (lambda: layers.Conv2D(4, 3, data_format="channels_first"), "channels last.*'channels_first'"),
        (lambda: layers.Conv2D(4, 3, groups=2), "use GroupConv2D"),
        (lambda: layers.LineConv2D(4, (3, 3)), "one positive integer.*\\(3, 3\\)"),
        (lambda: layers.DepthwiseConv2D(3, strides=(1, 2)), "equal strides.*\\(1, 2\\)"),
        (lambda: layers.DepthwiseConv2D(3, strides=2, dilation_rate=2), "stride 1.*dilation_rate=\\(2, 2\\)"),
        (lambda: layers.GhostModule(8, ratio=1), "ratio of at least 2.*ratio=1"),
        (lambda: layers.GhostModule(2, ratio=3), "ratio=3, filters=2"),
        (lambda: layers.ChannelShuffle(1), "at least 2 groups.*groups=1"),
        (lambda: layers.ChannelShuffle(3).build((None, 4, 4, 8)), "8 channels, groups=3"),
    ],
)
def test_impossible_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "fan_in"),
    [
        (layers.Conv2D(256, 3), 9 * 64),
        (layers.GroupConv2D(256, 3, 4), 9 * 16),
        (layers.LineConv2D(256, 3), 3 * 64),
        (layers.DepthwiseConv2D(3, depth_multiplier=16), 9),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_default_weights_are_normal_of_the_true_fan_in(layer, fan_in):
    layer.build((None, 8, 8, 64))
    kernel = layer.kernel.numpy()
    deviation = np.sqrt(2 / fan_in)
    assert abs(kernel.std() / deviation - 1) < 0.05
    assert np.abs(kernel).max() > 2.5 * deviation  # untruncated


def test_stride_two_samples_where_pytorch_does():
    """Padded by one on every side, the first window is centred on the first pixel, not on the second."""
    layer = layers.Conv2D(1, 3, strides=2)
    layer.build((None, 4, 4, 1))
    centre = np.zeros((3, 3, 1, 1))
    centre[1, 1] = 1
    layer.set_weights([centre])
    x = np.arange(16, dtype="float32").reshape(1, 4, 4, 1)
    assert layer(x).numpy().ravel().tolist() == [0, 2, 8, 10]


def test_channel_shuffle_visits_every_group_in_turn():
    x = np.arange(6, dtype="float32").reshape(1, 1, 1, 6)
    assert layers.ChannelShuffle(2)(x).numpy().ravel().tolist() == [0, 3, 1, 4, 2, 5]


@pytest.mark.parametrize(("filters", "ratio"), [(5, 2), (7, 3), (8, 2)])
def test_a_ghost_module_has_exactly_its_filters(filters, ratio):
    assert layers.GhostModule(filters, ratio=ratio)(np.ones((1, 4, 4, 3), "float32")).shape == (1, 4, 4, filters)
