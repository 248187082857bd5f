"""Networks that answer for every pixel: any backbone, convolution and size of picture; dilation against strides."""

import keras
import numpy as np
import pytest

from odtf import models
from odtf.models import encoders, heads
from odtf.models.convolution import CONVOLUTIONS, GROUPED
from tests.models.test_networks import images, randomized

SMALL = {
    "alexnet": {"width_multiplier": 0.1},
    "cifar_resnet": {"depth": 8, "width": 4},
    "densenet": {"depth": 10, "growth": 4},
    "googlenet": {"width_multiplier": 0.1, "modules": (1, 1, 1)},
    "mobilenet_v2": {"width_multiplier": 0.1, "blocks": (1,) * 7, "last_width": 8},
    "od_cheap_resnet": {"depth": 8, "width": 4},
    "plain_cnn": {"widths": (4, 8), "padding": "symmetric"},
    "preact_resnet": {"depth": 10, "width": 4},
    "resnet": {"depth": 10, "width": 4},
    "resnet8": {"width": (4, 8, 8)},
    "vgg": {"depth": 8, "width": 4},
    "wide_resnet": {"depth": 10, "widen": 1, "widths": (4, 8, 8), "stem_width": 4},
}
ON_TOP = ("encoder_decoder", "deeplab_v3")
GENERATORS = ("unet_generator", "resnet_generator")  # Which have tests of their own.
CONVS = [{"conv": conv, "groups": 2 if conv in GROUPED else None} for conv in CONVOLUTIONS]


def build(name, shape=(32, 48, 3), seed=0, classes=5, **options):
    return models.build({"name": name, **options}, shape, heads.Pixels(classes), seed=seed)


def test_every_backbone_is_here():
    assert sorted((*SMALL, *ON_TOP, *GENERATORS)) == list(models.specification.names())


@pytest.mark.parametrize(
    ("name", "backbone"),
    [("encoder_decoder", name) for name in SMALL] + [("deeplab_v3", name) for name in ("densenet", "googlenet", "vgg")],
)
def test_any_backbone_answers_in_the_size_of_the_picture(name, backbone):
    shape = (30, 45, 3)
    network = build(name, shape, backbone={"name": backbone, **SMALL[backbone]}, width=8)
    assert network.input_shape == (None, *shape)
    taps = {tap: tensor.shape for tap, tensor in network.output.items()}
    assert taps["logits"] == (None, *shape[:2], 5) and network.output["logits"].dtype == "float32"
    names = [tap for tap in taps if tap.startswith("stage")]
    assert names == [f"stage{i + 1}" for i in range(len(names))]
    assert models.cost(network).macs > 0


@pytest.mark.parametrize("backbone", ["resnet8", "mobilenet_v2", "vgg"])
def test_a_plain_backbone_answers_too(backbone):
    network = build(backbone, (45, 30, 3), **SMALL[backbone])
    assert network.output["logits"].shape == (None, 45, 30, 5)


@pytest.mark.parametrize("name", ON_TOP)
@pytest.mark.parametrize("options", CONVS, ids=lambda options: options["conv"])
def test_any_convolution_and_the_deployed_network_agree(name, options):
    network = randomized(
        build(name, (24, 40, 3), backbone={"name": "resnet8", **SMALL["resnet8"]}, width=18, **options)
    )
    stock = models.deploy(network)
    assert {type(layer).__module__.split(".")[0] for layer in stock.layers} == {"keras"}
    x = images((24, 40, 3))
    np.testing.assert_allclose(stock(x), network(x, training=False)["logits"], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ON_TOP)
def test_seeds_and_names(name):
    options = {"backbone": {"name": "resnet", **SMALL["resnet"]}, "width": 8}
    one, same, other = (build(name, (32, 64, 3), seed=seed, **options) for seed in (3, 3, 4))
    for a, b, c in zip(one.weights, same.weights, other.weights, strict=True):
        np.testing.assert_array_equal(a, b)
        if a.name == "kernel":
            assert np.abs(a - c).max() > 0
    # Where methods cut, and what they compare.
    assert one.get_layer("stem_relu").output.shape[1:3] == (16, 32)


def test_steps_of_the_decoder():
    backbone = {"name": "resnet", **SMALL["resnet"]}
    for stride, sizes in ((4, [1, 2, 4, 8][1:]), (8, [2, 4]), (64, [])):
        network = build("encoder_decoder", (32, 32, 3), backbone=backbone, width=8, stride=stride)
        decoded = [tap.shape[1] for name, tap in network.output.items() if name.startswith("stage")][4:]
        assert decoded == (sizes or [1])
    doubled = [layer for layer in network.layers if isinstance(layer, keras.layers.UpSampling2D)]
    assert all(layer.size == (2, 2) and layer.interpolation == "bilinear" for layer in doubled)


def test_skips_may_be_concatenated():
    backbone = {"name": "resnet8", **SMALL["resnet8"]}
    added, joined = (
        build("encoder_decoder", backbone=backbone, width=8, stride=1, merge=m) for m in ("add", "concatenate")
    )
    assert models.cost(joined).macs > models.cost(added).macs
    assert any(isinstance(layer, keras.layers.Concatenate) for layer in joined.layers)


def test_costs_are_those_of_the_layers():
    """Parameters and MACs by hand, of a decoder on a backbone whose own are known."""
    backbone = {"name": "resnet8", "width": (4, 8, 8)}
    network = build("encoder_decoder", (16, 16, 3), backbone=backbone, width=8, stride=4, classes=5)
    alone = models.build(backbone, (16, 16, 3), lambda pieces, stages, embedding: {}, seed=0)
    cost = models.cost(network, output="logits")
    # Nothing is decoded at the stride of the backbone: a 1x1 convolution to 8 channels, and 5 classes, at 4x4.
    extra = 4 * 4 * (8 * 8 + 8 * 5)
    kernels = [layer for layer in alone.layers if isinstance(layer, keras.layers.Conv2D)]
    own = sum(int(np.prod(k.kernel.shape)) * k.output.shape[1] * k.output.shape[2] for k in kernels)
    assert cost.macs == own + extra
    assert (
        cost.params
        == alone.count_params()
        - sum(int(np.prod(w.shape)) for w in alone.non_trainable_weights)
        + 8 * 8
        + 2 * 8
        + 8 * 5
        + 5
    )


# Dilation ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spec",
    [
        {"name": "resnet", "depth": 10, "width": 18, "conv": options["conv"], "groups": options["groups"]}
        for options in CONVS
    ]
    + [{"name": "mobilenet_v2", **SMALL["mobilenet_v2"]}, {"name": "resnet", "depth": 50, "width": 4}],
    ids=lambda spec: f"{spec['name']}-{spec.get('conv', '')}{spec.get('depth', '')}",
)
def test_a_dilated_backbone_computes_what_the_strided_one_does_and_more(spec):
    shape = (64, 96, 3)
    image, strided, strides = encoders.encoded(shape, spec, seed=1)
    plain = keras.Model(image, strided)
    image, maps, dilated_strides = encoders.encoded(shape, spec, seed=1, output_stride=8)
    dilated = keras.Model(image, maps)
    assert max(strides) > 8 and dilated_strides == [min(stride, 8) for stride in strides]
    randomized(plain)
    for to, given in zip(dilated.weights, plain.weights, strict=True):
        assert to.shape == given.shape
        to.assign(given)
    x = images(shape)
    for want, got, stride in zip(plain(x), dilated(x), strides, strict=True):
        step = max(stride // 8, 1)
        np.testing.assert_allclose(np.asarray(got)[:, ::step, ::step], want, rtol=2e-3, atol=2e-3)


def test_poolings_are_taken_out():
    image, maps, strides = encoders.encoded((32, 32, 3), {"name": "vgg", **SMALL["vgg"]}, seed=0, output_stride=8)
    assert strides == [2, 4, 8, 8, 8]
    assert keras.Model(image, maps)(images((32, 32, 3)))[-1].shape == (2, 4, 4, 32)


@pytest.mark.parametrize("stride", [8, 16])
def test_rates_follow_the_output_stride(stride):
    network = build("deeplab_v3", (64, 64, 3), backbone={"name": "resnet", **SMALL["resnet"]}, output_stride=stride)
    rates = [network.get_layer(f"pyramid{i}_depthwise").dilation_rate[0] for i in (2, 3, 4)]
    assert rates == [rate * 16 // stride for rate in (6, 12, 18)]
    assert network.output["stage5"].shape[1:3] == (64 // stride, 64 // stride)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("encoder_decoder", {"merge": "max"}, "Unknown merge.*'max'"),
        ("encoder_decoder", {"stride": 3}, "power of 2.*3"),
        ("encoder_decoder", {"width": 0}, "positive integer"),
        ("encoder_decoder", {"conv": "wide"}, "Unknown convolution"),
        ("encoder_decoder", {"backbone": {"name": "none"}}, "Unknown network"),
        ("encoder_decoder", {"backbone": {"name": "plain_cnn"}}, "halves the picture"),
        ("deeplab_v3", {"output_stride": 4}, "8 or 16.*4"),
        ("deeplab_v3", {"rates": (0,)}, "positive integer"),
    ],
)
def test_what_is_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        build(name, (64, 64, 3), **options)


@pytest.mark.parametrize("size", [(12, 20), (11, 19), (9, 17), (3, 5)])
def test_a_map_is_enlarged_to_any_size_it_came_from(size):
    x = keras.Input((3, 5, 2))
    y = heads.enlarged(x, size, name="y")
    assert tuple(y.shape[1:3]) == size
    constant = keras.Model(x, y)(np.ones((1, 3, 5, 2), "float32")) if size != (3, 5) else np.ones(1)
    np.testing.assert_allclose(constant, 1.0)
    with pytest.raises(ValueError, match=r"by doubling.*\(3, 5\) for \(12, 40\)"):
        heads.enlarged(x, (12, 40), name="z")
