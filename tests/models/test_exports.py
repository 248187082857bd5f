"""Every network of the literature as an int8 file for microcontrollers, which answers as the network does."""

import numpy as np
import pytest

from odtf import data, models
from odtf.export import SOC, Runner, export_student
from tests.models.test_networks import randomized

CONVOLUTIONS = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MEAN"}
SUMS, PADS = {"ADD"}, {"PAD"}
SPECS = [
    ({"name": "wide_resnet", "depth": 10, "widths": (4, 6, 8)}, SUMS | PADS),
    ({"name": "densenet", "depth": 10, "growth": 3}, {"CONCATENATION", "AVERAGE_POOL_2D"}),
    ({"name": "vgg", "depth": 8, "width": 4, "hidden": (8,)}, {"MAX_POOL_2D"}),
    ({"name": "alexnet", "width_multiplier": 0.125}, {"MAX_POOL_2D"}),
    (
        {"name": "googlenet", "width_multiplier": 0.125, "modules": (1, 1, 1)},
        {"MAX_POOL_2D", "CONCATENATION"} | PADS,
    ),
    ({"name": "resnet", "depth": 10, "width": 4}, {"MAX_POOL_2D"} | SUMS | PADS),
    ({"name": "plain_cnn", "padding": "symmetric"}, {"MAX_POOL_2D"}),
    (
        {"name": "mobilenet_v2", "width_multiplier": 0.25, "blocks": (1, 1, 1, 1, 2, 1, 1), "last_width": 32},
        SUMS | PADS,
    ),
]


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.mark.parametrize(
    ("spec", "operators"), SPECS, ids=lambda value: value.get("name") if isinstance(value, dict) else ""
)
def test_int8_files_answer_as_their_networks(spec, operators, digits, tmp_path):
    images, _ = digits.splits["test"].take(np.arange(64))
    pixels = (images / np.float32(255.0) - np.float32(digits.mean)) / np.float32(digits.std)
    network = randomized(models.build(spec, (8, 8, 1), 10, seed=0, name="peer"))
    _tell_apart(network, pixels)
    row = export_student(network, digits, tmp_path, calibration_examples=64, max_examples=16, max_drop=1.0)
    assert set(row["ops"]) <= SOC.operators
    # A map of one pixel makes a convolution a matrix product, between two RESHAPEs.
    assert set(row["ops"]) - {"RESHAPE"} <= CONVOLUTIONS | operators
    assert operators - PADS <= set(row["ops"])
    logits = network(pixels, training=False)["logits"].numpy()
    assert np.corrcoef(logits.ravel(), Runner(row["path"]).predict(images).ravel())[0, 1] > 0.9


def _tell_apart(network, pixels):
    """Centres the embedding of an untrained network and scales it, so that the logits differ by image."""
    embedding = network(pixels, training=False)["embedding"].numpy()
    classifier = next(layer for layer in network.layers if layer.input is network.output["embedding"])
    kernel = classifier.kernel.numpy() / embedding.std(0).mean()
    classifier.set_weights([kernel, -embedding.mean(0) @ kernel])
