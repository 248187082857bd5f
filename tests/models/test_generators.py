"""Generators and discriminators against NumPy oracles; seeds, precision, deployment, and what is refused."""

import itertools

import keras
import numpy as np
import pytest

from odtf import models
from odtf.models import heads
from odtf.models.adapters import channel_adapter
from odtf.models.convolution import CONVOLUTIONS, GROUPED
from odtf.models.discriminators import patch_discriminator, route
from tests.models import generator_oracles
from tests.models.test_networks import images, randomized

UNET = {"name": "unet_generator", "levels": 3, "width": 4}
RESNET = {"name": "resnet_generator", "blocks": 3, "width": 4}
SMALL = [
    {**UNET, "width": 2},
    {**UNET, "width": 2, "deep": True},
    {**RESNET, "width": 2},
    {**RESNET, "width": 2, "deep": True, "conv": "standard"},
]
FOR_DEVICES = {**RESNET, "norm": "batch", "separable_norm": "batch", "padding": "zero"}


def build(spec, shape=(16, 16, 3), seed=0, head=None):
    return models.build(spec, shape, heads.Image() if head is None else head, seed=seed)


def words(spec):
    return "-".join(str(value) for value in spec.values())


def spread(network):
    """The network with weights large enough for every layer to matter."""
    random = np.random.default_rng(1)
    for variable in network.trainable_variables:
        center = 1.0 if variable.name == "gamma" else 0.0
        variable.assign(random.normal(center, 0.4, variable.shape))
    return network


@pytest.mark.parametrize("spec", SMALL, ids=words)
def test_generators_compute_what_the_oracle_does(spec):
    network, x = spread(build(spec)), images((16, 16, 3))
    taps = network(x, training=True)
    deep = spec.get("deep", False)
    if spec["name"] == "unet_generator":
        want, down, up = generator_oracles.unet(network, x, 3, deep)
        compared = [down[2], up[2]]
        stages = [down[1], down[2], np.maximum(down[3], 0), up[2], up[1]]
        for index, stage in enumerate(stages, start=1):
            np.testing.assert_allclose(taps[f"stage{index}"], stage, rtol=1e-3, atol=1e-3)
    else:
        want, compared = generator_oracles.resnet(network, x, 3, deep, spec.get("conv") != "standard")
    np.testing.assert_allclose(taps["image"], want, rtol=1e-3, atol=1e-3)
    assert np.abs(want).max() > 0.05
    assert [name for name in taps if name.startswith("channels")] == [f"channels{i + 1}" for i in range(len(compared))]
    for index, tap in enumerate(compared, start=1):
        np.testing.assert_allclose(taps[f"channels{index}"], tap, rtol=1e-3, atol=1e-3)


def test_the_compared_taps_are_where_the_published_ones_are():
    """Of 8 levels: the second and fourth down, with 2 and 8 times the width, then up, with 16 and 4 times."""
    unet = build({"name": "unet_generator", "width": 2}, (256, 256, 3))
    shapes = [unet.output[f"channels{i}"].shape[1:] for i in (1, 2, 3, 4)]
    assert shapes == [(64, 64, 4), (16, 16, 16), (16, 16, 32), (64, 64, 8)]
    makers = [unet.output[f"channels{i}"]._keras_history.operation.name for i in (1, 2, 3, 4)]
    assert makers == ["down2_leaky", "down4_leaky", "up4_relu", "up2_relu"]
    resnet = build({"name": "resnet_generator", "width": 2}, (32, 32, 3))
    makers = [resnet.output[f"channels{i}"]._keras_history.operation.name for i in (1, 2, 3, 4)]
    assert makers == ["down2_relu", "block3_sum", "block6_sum", "block9_sum"]
    assert {resnet.output[f"channels{i}"].shape[-1] for i in (1, 2, 3, 4)} == {8}


@pytest.mark.parametrize("spec", [UNET, {**RESNET, "deep": True}, FOR_DEVICES], ids=words)
def test_weights_start_as_published(spec):
    """Kernels N(0, 0.02), biases 0, scales N(1, 0.02), each of its own seed."""
    one, same, other = (build({**spec, "width": 8}, seed=seed) for seed in (3, 3, 4))
    for a, b, c in zip(one.trainable_variables, same.trainable_variables, other.trainable_variables, strict=True):
        value = np.asarray(a)
        np.testing.assert_array_equal(value, b)
        if a.name in ("bias", "beta"):
            assert not value.any()
            continue
        assert np.abs(value - c).max() > 0
        if value.size > 500:
            assert abs(value.mean() - (a.name == "gamma")) < 0.004 and abs(value.std() - 0.02) < 0.003
    kernels = [np.asarray(v).ravel() for v in one.trainable_variables if v.name == "kernel"]
    assert not any(np.array_equal(a[:8], b[:8]) for a, b in itertools.combinations(kernels, 2))
    norms = [layer for layer in one.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert all((norm.epsilon, norm.momentum) == (1e-5, 0.9) for norm in norms)
    scales = [np.asarray(norm.gamma) for norm in norms]
    assert all(0 < np.abs(scale - 1).max() < 0.1 for scale in scales)


def test_biases_stand_where_no_offset_follows():
    def biased(spec):
        return {v.path.split("/")[0] for v in build(spec).trainable_variables if v.name == "bias"}

    assert biased(UNET) == {"image_values"}
    instance = biased({**UNET, "norm": "instance"})
    assert instance == {"down1", "down2", "down3", "up2", "up1", "image_values"}
    assert biased(FOR_DEVICES) == {"image_values"}
    resnet = build(RESNET)
    assert biased(RESNET) == {v.path.split("/")[0] for v in resnet.trainable_variables}


@pytest.mark.parametrize("conv", CONVOLUTIONS)
@pytest.mark.parametrize("spec", [{**UNET, "width": 6}, FOR_DEVICES], ids=words)
def test_any_convolution_and_the_deployed_network_agree(spec, conv):
    network = randomized(build({**spec, "conv": conv, "groups": 2 if conv in GROUPED else None}))
    check_deployed(network, images((16, 16, 3)))


@pytest.mark.parametrize("spec", [{**RESNET, "deep": True}, FOR_DEVICES], ids=words)
def test_deployed_mobile_networks_compute_the_same(spec):
    check_deployed(spread(build(spec)), images((16, 16, 3)))


def check_deployed(network, x):
    stock = models.deploy(network, output="image")
    assert {type(operation).__module__.split(".")[0] for operation in stock.operations} == {"keras"}
    want = network(x, training=False)["image"]
    # Where tanh is steep, weights this large make of a rounding a thousandth of its range.
    np.testing.assert_allclose(stock(x), want, atol=5e-3)
    assert np.abs(want).max() > 1e-5


def test_a_network_for_devices_multiplies_as_much():
    macs = [models.cost(build(spec, (64, 64, 3)), output="image").macs for spec in (RESNET, FOR_DEVICES)]
    assert macs[0] == macs[1]
    operations = {type(op).__name__ for op in models.deploy(build(FOR_DEVICES), output="image").operations}
    assert not operations & {"Pad", "Rsqrt", "Mean"}


@pytest.mark.parametrize("spec", [UNET, RESNET], ids=words)
def test_mixed_precision_answers_in_float32(spec):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = build(spec)
    finally:
        keras.config.set_dtype_policy("float32")
    assert network.output["image"].dtype == "float32" and network.output["stage2"].dtype == "bfloat16"
    exact = build(spec)
    exact.set_weights(network.get_weights())
    x = images((16, 16, 3))
    got, want = (np.asarray(each(x)["image"]) for each in (network, exact))
    assert np.abs(got - want).max() < 0.05 * np.abs(want).max()


def test_any_network_paints_an_image_and_a_generator_answers_for_pixels():
    decoder = build({"name": "encoder_decoder", "width": 8, "backbone": {"name": "resnet8", "width": (4, 8, 8)}})
    assert decoder.output["image"].shape == (None, 16, 16, 3) and decoder.output["image"].dtype == "float32"
    painted = np.asarray(decoder(100 * images((16, 16, 3)))["image"])
    assert np.abs(painted).max() <= 1 and painted.std() > 0.1
    for spec in (UNET, RESNET):
        assert build(spec, head=heads.Pixels(5)).output["logits"].shape == (None, 16, 16, 5)
        assert build(spec, head=7).output["logits"].shape == (None, 7)
        assert build(spec, head=heads.Image(1, "depth")).output["depth"].shape == (None, 16, 16, 1)


@pytest.mark.parametrize(
    ("spec", "shape", "message"),
    [
        (UNET, (20, 16, 3), r"multiples of 8: .* Received: \(20, 16\)"),
        ({**UNET, "levels": 2}, (16, 16, 3), "3 levels or more. Received: levels=2"),
        ({**UNET, "norm": "layer"}, (16, 16, 3), "batch or instance. Received: norm='layer'"),
        ({**UNET, "conv": "separable"}, (16, 16, 3), "Received: conv='separable'"),
        ({**RESNET, "conv": "wide"}, (16, 16, 3), "there are separable, standard.* Received: conv='wide'"),
        (RESNET, (18, 16, 3), r"multiples of 4. Received: \(18, 16\)"),
        ({**RESNET, "blocks": 2}, (16, 16, 3), "Received: blocks=2"),
        ({**RESNET, "padding": "same"}, (16, 16, 3), "reflect or zero. Received: padding='same'"),
    ],
)
def test_what_is_refused(spec, shape, message):
    with pytest.raises(ValueError, match=message):
        build(spec, shape)


@pytest.mark.parametrize(("norm", "shared"), [("batch", 5), ("instance", 3)])
def test_discriminators_compute_what_the_oracle_does(norm, shared):
    options = {"routes": ("wide", "deep"), "shared": shared, "width": 2, "norm": norm}
    network = spread(patch_discriminator((24, 32, 6), seed=1, **options))
    x = images((24, 32, 6))
    for name in options["routes"]:
        want = generator_oracles.discriminator(network, x, name, shared)
        assert want.shape == (2, 1, 2, 1)
        np.testing.assert_allclose(route(network, name)(x, training=True), want, rtol=1e-3, atol=1e-3)
    wide, deep = ({v.path for v in route(network, name).trainable_variables} for name in options["routes"])
    everything = {v.path for v in network.trainable_variables}
    assert wide | deep == everything and (wide == deep) == (shared == 5)
    biased = {v.path.split("/")[0].rpartition("_")[2] for v in network.trainable_variables if v.name == "bias"}
    assert biased == ({"block1", "block5"} if norm == "batch" else {f"block{i}" for i in range(1, 6)})


def test_discriminators_start_apart_and_refuse_small_images():
    network = patch_discriminator((24, 24, 3), routes=("a", "b"), shared=0, width=8)
    kernels = [np.asarray(v).ravel()[:8] for v in network.trainable_variables if v.name == "kernel"]
    assert len(kernels) == 10
    assert not any(np.array_equal(a, b) for a, b in itertools.combinations(kernels, 2))
    with pytest.raises(ValueError, match=r"24 at least. Received: \(16, 16\)"):
        patch_discriminator((16, 16, 3))
    with pytest.raises(ValueError, match="Received: shared=6"):
        patch_discriminator((24, 24, 3), shared=6)
    with pytest.raises(ValueError, match=r"different names. Received: routes="):
        patch_discriminator((24, 24, 3), routes=("a", "a"))


def test_adapters():
    student, teacher = keras.Input((4, 4, 3)), keras.Input((4, 4, 64))
    adapter = channel_adapter(student, teacher, seed=2)
    kernel, gamma, beta = (np.asarray(v) for v in adapter.trainable_variables)
    assert kernel.shape == (1, 1, 3, 64) and not beta.any()
    assert abs(kernel.std() - 0.02) < 0.004 and 0 < np.abs(gamma - 1).max() < 0.1
    x = images((4, 4, 3))
    y = x @ kernel[0, 0]
    want = (y - y.mean((0, 1, 2))) / np.sqrt(y.var((0, 1, 2)) + 1e-5) * gamma
    np.testing.assert_allclose(adapter(x, training=True), np.maximum(want, 0), rtol=1e-3, atol=1e-4)
    with pytest.raises(ValueError, match="one height and width"):
        channel_adapter(student, keras.Input((2, 2, 8)))
