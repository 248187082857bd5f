"""Generators on devices: what is refused, what passes, and of which operators files are."""

import functools

import pytest

from odtf import data, export, models
from odtf.errors import UserError, VerificationError
from odtf.models import heads
from odtf.tasks import Translation
from tests.models.test_networks import randomized

NETWORKS = {
    "unet": {"name": "unet_generator", "levels": 3, "width": 4},
    "resnet": {"name": "resnet_generator", "blocks": 3, "width": 4},
    "resnet for chips": {
        "name": "resnet_generator",
        "blocks": 3,
        "width": 4,
        "norm": "batch",
        "separable_norm": "batch",
        "padding": "zero",
    },
}
MIRRORED = {"MIRROR_PAD", "RSQRT", "SQUARED_DIFFERENCE"}


@pytest.fixture(scope="module")
def pictures():
    return data.load("digit_pictures", targets=Translation.targets, image_size=32, normalization=(0.5, 0.5))


@pytest.fixture(scope="module")
def exported(pictures, tmp_path_factory):
    """Function from a network, a target and a quantisation to the row of the file."""

    @functools.cache
    def export_one(name, target, quantization=None):
        head = heads.Image(1)
        network = randomized(models.build(NETWORKS[name], pictures.image_shape, head, seed=0, name="peer"))
        options = {"task": Translation(), "calibration_examples": 16, "max_examples": 8, "max_drop": 1.0}
        folder = tmp_path_factory.mktemp("devices")
        return export.export_student(network, pictures, folder, target=target, quantization=quantization, **options)

    return export_one


@pytest.mark.parametrize(
    ("name", "target", "quantization", "least"),
    [
        ("unet", "soc", "int8", 30.0),
        ("unet", "phone", "int8", 30.0),
        ("unet", "phone", "float16", 35.0),
        ("resnet", "phone", "float16", 35.0),
        ("resnet for chips", "phone", "int8", 30.0),
        ("resnet for chips", "soc", "int8", 30.0),
    ],
)
def test_a_file_paints_what_its_network_does(name, target, quantization, least, exported):
    assert exported(name, target, quantization)["agreement"] >= least


def test_instance_norms_lose_too_much_in_int8_and_are_refused_with_the_figure(exported):
    with pytest.raises(VerificationError, match=r"PSNR to the network is 2\d\.\d+ dB; at least 30\.00 dB was expected"):
        exported("resnet", "phone", "int8")


def test_a_unet_is_of_operators_that_chips_have(exported):
    ops = exported("unet", "soc", "int8")["ops"]
    assert set(ops) == {"CONV_2D", "TRANSPOSE_CONV", "LEAKY_RELU", "RELU", "CONCATENATION", "TANH", "DEPTHWISE_CONV_2D"}
    assert ops["DEPTHWISE_CONV_2D"] == 1  # The pixels'; norms lie in the convolutions before them.


def test_mirrored_margins_and_instance_norms_are_refused_by_name(exported):
    with pytest.raises(UserError) as refusal:
        exported("resnet", "soc", "int8")
    assert all(name in str(refusal.value) for name in MIRRORED)
    assert not MIRRORED & set(exported("resnet for chips", "soc", "int8")["ops"])
