"""Segmenters on devices: nothing for the CPU beside an Ethos-U, operators of TFLite Micro, accuracy of integers."""

import functools
import pathlib

import numpy as np
import pytest

from odtf import data, export, models
from odtf.export import compile_with_vela
from odtf.models import heads
from odtf.targets import TARGETS
from odtf.tasks.segmentation import Segmentation
from tests.export.conftest import normalized
from tests.models.test_networks import randomized


def spec(name, conv):
    return {"name": name, "backbone": {"name": "resnet8", "width": (4, 6, 8), "conv": conv}, "conv": conv, "width": 8}


NETWORKS = {
    "encoder_decoder depthwise": spec("encoder_decoder", "depthwise"),
    "encoder_decoder shift": spec("encoder_decoder", "shift"),
    "deeplab_v3": spec("deeplab_v3", "depthwise"),
}


@pytest.fixture(scope="module")
def scenes():
    return data.load("digit_scenes", targets=Segmentation.targets)


@pytest.fixture(scope="module")
def exported(scenes, tmp_path_factory):
    """Function from a network, a target and what its file gives to the row of the file, and the network."""

    @functools.cache
    def network_of(name):
        network = randomized(models.build(NETWORKS[name], scenes.image_shape, heads.Pixels(11), seed=0, name="peer"))
        return network, {}  # What it was converted to, of which several targets make their files.

    @functools.cache
    def export_one(name, target, answers=None):
        network, memory = network_of(name)
        options = {"task": Segmentation(answers=answers), "calibration_examples": 16, "max_examples": 4}
        folder = tmp_path_factory.mktemp("devices")
        row = export.export_student(network, scenes, folder, target=target, max_drop=1.0, memory=memory, **options)
        return row, network

    return export_one


@pytest.mark.needs(package="ethosu")
@pytest.mark.parametrize(
    ("name", "accelerator", "answers"),
    [
        *((name, "ethos-u55-256", None) for name in NETWORKS),
        ("encoder_decoder depthwise", "ethos-u55-256", "classes"),
        ("deeplab_v3", "ethos-u65-256", "classes"),
    ],
)
def test_vela_leaves_nothing_of_a_segmenter_on_the_cpu(name, accelerator, answers, exported):
    row, _ = exported(name, accelerator[:9], answers)
    figures = compile_with_vela(row["path"], accelerator)
    assert figures["cpu_operators"] == [] and figures["npu_operators"] > 10


@pytest.mark.parametrize("name", NETWORKS)
def test_a_segmenter_has_operators_of_tflite_micro_alone(name, scenes, exported):
    row, network = exported(name, "micro")
    assert set(row["ops"]) <= TARGETS["micro"].operators
    images = scenes.splits["test"].take(np.arange(4))[0]
    found = export.Runner(row["path"]).predict(images)
    wanted = network(normalized(images, scenes), training=False)["logits"].numpy()
    assert np.abs(found - wanted).max() < 0.1 * np.ptp(wanted)
    assert pathlib.Path(row["path"]).with_suffix(".cc").exists()
