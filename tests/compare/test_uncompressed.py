"""The network that a cheap one stands for, and how many times larger it is."""

import types

import pytest

from odtf.compare.uncompressed import Compressions, original_of
from odtf.training import config as config_lib

RECORD = {"name": "made", "image_shape": [8, 8, 1], "names": ["a", "b", "c"], "mean": [0.5], "std": [0.25]}


@pytest.mark.parametrize(
    ("network", "original"),
    [
        (
            {"name": "od_cheap_resnet", "depth": 8, "conv": "group", "groups": 4, "width": 16},
            {"name": "cifar_resnet", "depth": 8, "width": 16},
        ),
        ({"name": "od_cheap_resnet"}, {"name": "cifar_resnet"}),
        (
            {"name": "cifar_resnet", "depth": 14, "conv": "line5", "init": "x"},
            {"name": "cifar_resnet", "depth": 14, "conv": "standard"},
        ),
        (
            {"name": "vgg", "depth": 8, "cheap": {"conv": "shift"}, "fraction": 0.5, "after": "stage1"},
            {"name": "vgg", "depth": 8},
        ),
        (
            {"name": "unet_generator", "levels": 6, "width": 16, "fraction": 0.5},
            {"name": "resnet_generator", "conv": "standard", "width": 64},
        ),
        ({"name": "cifar_resnet", "depth": 8, "groups": None}, {"name": "cifar_resnet", "depth": 8, "groups": None}),
    ],
)
def test_the_original_has_standard_convolutions_and_all_channels(network, original):
    assert original_of(network) == original


def test_costs_are_those_of_the_networks_that_are_built():
    from odtf import models

    config = config_lib.default_config()
    run = types.SimpleNamespace(data_record=RECORD, config=config)
    network = {"name": "od_cheap_resnet", "depth": 8, "conv": "depthwise", "width": 4}
    small, large = (
        models.cost(make((8, 8, 1), 3, depth=8, width=4)) for make in (models.od_cheap_resnet, models.cifar_resnet)
    )
    found = Compressions().of(run, {"params": small.params, "macs": small.macs}, network)
    assert (found["params"], found["macs"]) == (large.params, large.macs)
    assert found["params_ratio"] == pytest.approx(large.params / small.params) and found["params_ratio"] > 2
    assert found["macs_ratio"] == pytest.approx(large.macs / small.macs)


def test_of_a_run_that_does_not_say_what_its_images_were_nothing_is_known():
    run = types.SimpleNamespace(data_record=None)
    assert Compressions().of(run, {"params": 1, "macs": 1}, {"name": "vgg"}) is None
