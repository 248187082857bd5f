"""Parameters and operations of generators and discriminators as they were published, to the last printed digit."""

import math

import keras
import pytest
from keras import ops

from odtf import models
from odtf.models import heads
from odtf.models.discriminators import patch_discriminator
from odtf.models.graph import calls

# Network, width, whether deep -> millions of parameters, billions of multiplications at 256x256.
GENERATORS = [
    ("unet_generator", 64, False, "54.414", "18.140"),
    ("unet_generator", 16, True, "44.172", "18.344"),
    ("unet_generator", 48, False, "30.611", "10.289"),
    ("unet_generator", 12, True, "24.856", "10.340"),
    ("unet_generator", 16, False, "3.404", "1.219"),
    ("unet_generator", 12, False, "1.916", "0.707"),
    ("unet_generator", 8, False, "0.852", "0.333"),
    ("unet_generator", 96, False, "122.417", "40.476"),
    ("unet_generator", 24, True, "99.349", "41.189"),
    ("unet_generator", 24, False, "7.656", "2.657"),
    ("resnet_generator", 64, False, "1.987", "18.314"),
    ("resnet_generator", 16, True, "2.547", "18.237"),
    ("resnet_generator", 48, False, "1.131", "10.565"),
    ("resnet_generator", 12, True, "1.437", "10.324"),
    ("resnet_generator", 16, False, "0.137", "1.408"),
    ("resnet_generator", 12, False, "0.081", "0.858"),
    ("resnet_generator", 8, False, "0.039", "0.440"),
    ("resnet_generator", 96, False, "4.418", "40.155"),
    ("resnet_generator", 24, True, "5.716", "40.769"),
    ("resnet_generator", 24, False, "0.296", "2.904"),
]
DISCRIMINATORS = [
    (128, 6, "batch", "11.04", "12.57"),
    (96, 6, "batch", "6.22", "7.11"),
    (128, 6, "instance", "11.04", "12.57"),
    (96, 6, "instance", "6.22", "7.11"),
    (64, 3, "instance", "2.765", "3.147"),
]


@pytest.fixture(autouse=True)
def zeros(monkeypatch):
    """Only shapes count here; the largest network has 122 million weights."""
    monkeypatch.setattr(keras.initializers.RandomNormal, "__call__", lambda self, shape, dtype: ops.zeros(shape, dtype))


def parameters(network):
    return sum(math.prod(v.shape) for v in network.trainable_variables)


def published_macs(network):
    """Multiplications in the convention of the published figures: of transposed convolutions at their output's size.

    A transposed convolution of stride 2 meets only a quarter of them; `models.cost` counts what really runs.
    """
    return sum(
        math.prod(call.operation.kernel.shape) * math.prod(_pixels(call))
        for call in calls(network)
        if hasattr(call.operation, "kernel")
    )


def _pixels(call):
    if isinstance(call.operation, keras.layers.Conv2DTranspose):
        return [2 * side for side in call.input_tensors[0].shape[1:3]]
    return call.outputs[0].shape[1:3]


def rounded(value, like):
    return f"{value:.{len(like.partition('.')[2])}f}"


@pytest.mark.parametrize(("name", "width", "deep", "millions", "billions"), GENERATORS)
def test_generators(name, width, deep, millions, billions):
    network = models.build({"name": name, "width": width, "deep": deep}, (256, 256, 3), heads.Image(), seed=0)
    assert rounded(parameters(network) / 1e6, millions) == millions
    assert rounded(published_macs(network) / 1e9, billions) == billions


def test_the_full_network_that_compression_is_counted_from():
    """82.5 times fewer parameters are 11.3 M over 0.137 M, and 40 times fewer operations 56.8 G over 1.408 G."""
    spec = {"name": "resnet_generator", "width": 64, "conv": "standard"}
    network = models.build(spec, (256, 256, 3), heads.Image(), seed=0)
    assert parameters(network) == 11_378_179
    assert rounded(published_macs(network) / 1e9, "56.8") == "56.8"


@pytest.mark.parametrize(("width", "channels", "norm", "millions", "billions"), DISCRIMINATORS)
def test_discriminators(width, channels, norm, millions, billions):
    network = patch_discriminator((256, 256, channels), width=width, norm=norm)
    assert network.output["patches"].shape == (None, 30, 30, 1)
    assert rounded(parameters(network) / 1e6, millions) == millions
    assert rounded(published_macs(network) / 1e9, billions) == billions


def test_what_a_deeper_teacher_costs_is_what_the_wider_one_does():
    """The published rule of the design, within 2.5 %."""
    macs = {(name, width): float(billions) for name, width, _, _, billions in GENERATORS}
    for name in ("unet_generator", "resnet_generator"):
        deep = {w: float(b) for n, w, is_deep, _, b in GENERATORS if n == name and is_deep}
        for width, billions in deep.items():
            assert abs(billions / macs[name, 4 * width] - 1) < 0.025


def test_transposed_convolutions_cost_what_really_runs():
    """Every input pixel meets the kernel once, whatever falls on a margin that is cut off."""
    image = keras.Input((6, 10, 5))
    for kernel_size, padding in ((4, "same"), (3, "valid")):
        layer = keras.layers.Conv2DTranspose(7, kernel_size, strides=2, padding=padding)
        cost = models.cost(keras.Model(image, layer(image)))
        assert cost.macs == 6 * 10 * kernel_size**2 * 5 * 7
        assert cost.params == kernel_size**2 * 5 * 7 + 7


def test_costs_of_a_generator_are_those_of_its_layers():
    spec = {"name": "unet_generator", "levels": 3, "width": 4}
    network = models.build(spec, (16, 16, 3), heads.Image(), seed=0)
    down = 64 * 16 * 3 * 4 + 16 * 16 * 4 * 8 + 4 * 16 * 8 * 16
    up = 4 * 16 * 16 * 8 + 16 * 16 * 16 * 4 + 64 * 16 * 8 * 3
    cost = models.cost(network, output="image")
    assert (cost.macs, cost.params) == (down + up, parameters(network))
    assert models.cost(network, output="image", deployed=True).macs >= cost.macs
