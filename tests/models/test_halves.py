"""Networks cut in two: where that is possible, at a share of the multiply-accumulates, and what the halves compute."""

import keras
import numpy as np
import pytest

from odtf import models
from odtf.models import heads
from odtf.models.halves import CUT, halves

SPEC = {
    "name": "deeplab_v3",
    "backbone": {"name": "resnet", "depth": 10, "conv": "standard", "width": 4},
    "width": 8,
    "rates": (1, 2),
}


def deeplab(**changes):
    return models.build({**SPEC, **changes}, (32, 48, 3), heads.Pixels(5, tap="logits"), seed=1, output="logits")


def line(widths=(4, 8, 8)):
    """3x3 convolutions on 8x8 images, with names and multiply-accumulates known by hand, and ReLUs."""
    image = x = keras.Input((8, 8, 3), name="image")
    for index, width in enumerate(widths):
        x = keras.layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"conv{index}")(x)
        x = keras.layers.ReLU(name=f"relu{index}")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, {"logits": keras.layers.Dense(10, name="logits")(x)}, name="line")


@pytest.mark.parametrize("cut", ["stage2", "stage3_block1_relu"])
def test_the_halves_compute_what_the_whole_does(cut):
    network = deeplab()
    parts = halves(network, cut, "logits")
    images = np.random.default_rng(0).normal(size=(2, 32, 48, 3)).astype("float32")
    expected, whole = network(images), parts.whole(images)
    features = parts.front(images)
    np.testing.assert_array_equal(parts.rear(features)["logits"], expected["logits"])
    np.testing.assert_array_equal(whole[CUT], features)
    assert set(whole) == {*expected, CUT}
    own = {id(v) for v in network.variables}
    front, rear = ({id(v) for v in half.variables} for half in (parts.front, parts.rear))
    assert not front & rear and front | rear == own


def test_a_cut_at_a_share_of_the_multiply_accumulates():
    """conv0 has 9*3*4, conv1 9*4*8, conv2 9*8*8 for each of 64 pixels; the last layer 80: 10.8, 28.9, 57.8 %."""
    macs = np.array([9 * 3 * 4 * 64, 9 * 4 * 8 * 64, 9 * 8 * 8 * 64, 80])
    shares = np.cumsum(macs) / macs.sum()
    assert shares[:2] == pytest.approx([0.111, 0.407], abs=1e-3)
    network = line()
    for wanted, expected in ((0.01, "relu0"), (0.2, "relu0"), (0.27, "relu1"), (0.7, "relu1"), (0.71, "pool")):
        parts = halves(network, wanted, "logits")
        assert parts.name == expected
    found = models.cost(keras.Model(network.input, {CUT: halves(network, 0.3, "logits").front.output})).macs
    assert found == macs[:2].sum()


def test_a_share_in_a_network_with_branches():
    """The nearest of the places that there are, and of those with one share the last."""
    network = deeplab()
    total = models.cost(network).macs
    places = ("stem_pool", "stage2_block1_relu", "pyramid_joined_relu")
    shares = {
        name: models.cost(keras.Model(network.input, {CUT: network.get_layer(name).output})).macs / total
        for name in places
    }
    for name, share in shares.items():
        assert halves(network, share + 1e-5, "logits").name == name


def test_a_place_that_a_skip_connection_passes_by_is_refused():
    network = deeplab()
    with pytest.raises(ValueError, match=r"all of its answer passes through.*stem.*'stage2_block1_conv1'"):
        halves(network, "stage2_block1_conv1", "logits")
    backbone = {"name": "resnet", "depth": 10, "width": 4}
    spec = {"name": "encoder_decoder", "backbone": backbone, "width": 8}
    skipping = models.build(spec, (32, 32, 3), heads.Pixels(5, tap="logits"), seed=1, output="logits")
    with pytest.raises(ValueError, match="no skip connection"):
        halves(skipping, "stage3", "logits")


@pytest.mark.parametrize(
    ("cut", "message"),
    [("stage9", "a tap or a layer"), (1.5, r"lies in \(0, 1\)"), ("image", "passes through"), ("logits", "passes")],
)
def test_bad_places(cut, message):
    with pytest.raises(ValueError, match=message):
        halves(line(), cut, "logits")
