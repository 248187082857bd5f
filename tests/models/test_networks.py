"""What every network has: taps, seeds, clear refusals, any image size."""

import itertools

import keras
import numpy as np
import pytest

from odtf import models

SPECS = [
    {"name": "od_cheap_resnet", "depth": 8, "conv": "depthwise"},
    {"name": "od_cheap_resnet", "depth": 8, "conv": "group", "groups": 4},
    {"name": "od_cheap_resnet", "depth": 8, "conv": "shift", "expansion": 2},
    {"name": "od_cheap_resnet", "depth": 8, "conv": "shift", "block": "single"},
    {"name": "cifar_resnet", "depth": 8},
    {"name": "cifar_resnet", "depth": 8, "conv": "depthwise", "shortcut": "identity"},
    {"name": "cifar_resnet", "depth": 11, "block": "bottleneck", "conv": "shuffled_group", "groups": 2},
    {"name": "resnet8", "conv": "line"},
    {"name": "resnet8", "conv": "shift"},
    {"name": "resnet8", "conv": "ghost", "width": (15, 31, 64)},
]
every_spec = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: "-".join(str(v) for v in spec.values()))


def randomized(network, seed=0):
    """The network as if trained: no statistic or scale at its initial value."""
    random = np.random.default_rng(seed)
    for variable in network.variables:
        if variable.name in ("gamma", "moving_variance"):
            variable.assign(random.uniform(0.5, 1.5, variable.shape))
        elif variable.name in ("beta", "moving_mean", "bias"):
            variable.assign(random.normal(0.0, 0.2, variable.shape))
    return network


def images(shape, batch=2):
    return np.random.default_rng(0).normal(size=(batch, *shape)).astype("float32")


@every_spec
@pytest.mark.parametrize("shape", [(8, 8, 1), (33, 18, 3)])
def test_taps_and_their_shapes(spec, shape):
    network = models.build(spec, shape, 5, seed=0, name="peer")
    taps = network(images(shape))
    assert network.name == "peer"
    assert list(taps) == ["stage1", "stage2", "stage3", "embedding", "logits"]
    sizes = [tuple(-(-n // 2**i) for n in shape[:2]) for i in range(3)]
    assert [taps[f"stage{i + 1}"].shape[1:3] for i in range(3)] == sizes
    np.testing.assert_allclose(taps["embedding"], np.mean(taps["stage3"], (1, 2)), atol=1e-5)
    assert taps["logits"].shape == (2, 5)
    assert not np.allclose(taps["logits"][0], taps["logits"][1])


@every_spec
def test_seeds_decide_every_random_weight(spec):
    one, same, other = (models.build(spec, (8, 8, 3), 10, seed=seed) for seed in (1, 1, 2))
    for a, b, c in zip(one.trainable_variables, same.trainable_variables, other.trainable_variables, strict=True):
        np.testing.assert_array_equal(a, b)
        constant = a.name in ("gamma", "beta") or (a.name == "bias" and "shortcut" in a.path)
        assert np.array_equal(a, c) == constant, a.path


@every_spec
def test_no_two_layers_start_alike(spec):
    kernels = [v.numpy().ravel() for v in models.build(spec, (8, 8, 3), 10, seed=0).trainable_variables]
    kernels = [k for k in kernels if k.std() > 0 and len(k) >= 8]
    for a, b in itertools.combinations(kernels, 2):
        assert not np.array_equal(a[:8] / a[0], b[:8] / b[0])


@every_spec
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_deployed_networks_are_stock_and_compute_the_same(spec, policy):
    shape = (12, 10, 3)
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        network = randomized(models.build(spec, shape, 10, seed=0, name="peer"))
    finally:
        keras.config.set_dtype_policy(previous)
    assert network(images(shape))["logits"].dtype == "float32"
    reference = models.build(spec, shape, 10, seed=1)
    reference.set_weights(network.get_weights())
    deployed = models.deploy(network)
    assert deployed.name == "peer"
    assert {type(layer).__module__.split(".")[0] for layer in deployed.layers} == {"keras"}
    assert not deployed.trainable_variables
    want = reference(images(shape), training=False)["logits"]
    np.testing.assert_allclose(deployed(images(shape)), want, rtol=1e-5, atol=1e-5)
    assert np.abs(want).max() > 0.01


def test_grouped_convolutions_can_be_deployed_split():
    network = randomized(models.build(SPECS[1], (8, 8, 3), 10, seed=0))
    split = models.deploy(network, grouped="split")
    assert all(getattr(layer, "groups", 1) == 1 for layer in split.layers)
    np.testing.assert_allclose(split(images((8, 8, 3))), network(images((8, 8, 3)))["logits"], rtol=1e-5, atol=1e-5)


def test_any_tap_can_be_deployed_without_what_follows_it():
    network = models.build(SPECS[0], (8, 8, 3), 10, seed=0)
    embedding = models.deploy(network, output="embedding")
    assert embedding.output_shape == (None, 64)
    assert "logits" not in [layer.name for layer in embedding.layers]


def test_a_model_without_taps_is_deployed():
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3), keras.layers.GlobalAveragePooling2D()])
    for network in (model, keras.Model(model.inputs, model.outputs[0])):
        deployed = models.deploy(network)
        np.testing.assert_allclose(deployed(images((8, 8, 3))), network(images((8, 8, 3))), atol=1e-6)
        assert not deployed.trainable_variables


@pytest.mark.parametrize("model", [keras.Model(), keras.Sequential([keras.layers.Flatten()])])
def test_a_model_without_a_graph_is_not_deployed(model):
    with pytest.raises(ValueError, match=r"no graph to rewrite. Received"):
        models.deploy(model)


def test_deploying_changes_nothing_of_the_network():
    network = models.build(SPECS[0], (8, 8, 3), 10, seed=0)
    before = network(images((8, 8, 3)), training=False)["logits"].numpy()
    deployed = models.deploy(network)
    deployed.set_weights([w + 1 for w in deployed.get_weights()])
    np.testing.assert_array_equal(network(images((8, 8, 3)), training=False)["logits"], before)
    assert network.trainable_variables


def test_the_block_of_online_distillation_has_its_order():
    """Stride in the second 1x1 convolution, ReLU before the sum and none after it."""
    network = models.build(SPECS[0], (8, 8, 3), 10, seed=0)
    names = [layer.name for layer in network.layers if layer.name.startswith("stage2_block1")]
    order = ["spatial1", "pointwise1", "pointwise1_norm", "pointwise1_relu"]
    order += ["spatial2", "pointwise2", "pointwise2_norm", "pointwise2_relu", "sum"]
    assert [n.removeprefix("stage2_block1_") for n in names if "shortcut" not in n] == order
    assert network.get_layer("stage2_block1_spatial2").output.shape[1:3] == (8, 8)
    assert network.get_layer("stage2_block1_pointwise2").strides == (2, 2)
    taps = [id(t) for t in network.output.values()]
    assert id(network.get_layer("stage2_block1_sum").output) in taps


def test_synchronized_reaches_every_batch_normalisation():
    for synchronized in (False, True):
        network = models.build(SPECS[-1], (8, 8, 3), 10, seed=0, synchronized=synchronized)
        layers = [part for part in network._flatten_layers() if isinstance(part, keras.layers.BatchNormalization)]
        assert len(layers) > 8
        assert {(part.synchronized, part.momentum, part.epsilon) for part in layers} == {(synchronized, 0.9, 1e-5)}


@pytest.mark.parametrize(
    ("spec", "shape", "classes", "message"),
    [
        ({"name": "resnet9"}, (8, 8, 1), 10, "od_cheap_resnet.*name='resnet9'"),
        ({"name": "deploy"}, (8, 8, 1), 10, "Unknown network"),
        ({}, (8, 8, 1), 10, "Unknown network.*name=None"),
        ({"name": "resnet8", "depth": 8}, (8, 8, 1), 10, "resnet8 has no argument 'depth'.*conv, groups, width"),
        ({"name": "resnet8", "seed": 3}, (8, 8, 1), 10, "no argument 'seed'"),
        ({"name": "cifar_resnet", "depth": 21}, (8, 8, 1), 10, "6n\\+2, the nearest is 20.*depth=21"),
        ({"name": "cifar_resnet", "depth": 2}, (8, 8, 1), 10, "the nearest is 8.*depth=2"),
        ({"name": "cifar_resnet", "depth": "x"}, (8, 8, 1), 10, "6n\\+2.*depth='x'"),
        ({"name": "cifar_resnet", "depth": 20, "block": "bottleneck", "conv": "line"}, (8, 8), 10, "height, width"),
        ({"name": "cifar_resnet", "depth": 22, "block": "bottleneck"}, (8, 8, 1), 10, "9n\\+2, the nearest is 20"),
        ({"name": "cifar_resnet", "block": "wide"}, (8, 8, 1), 10, "block='wide'"),
        ({"name": "cifar_resnet", "shortcut": "none"}, (8, 8, 1), 10, "shortcut='none'"),
        ({"name": "cifar_resnet", "inner_width": 2}, (8, 8, 1), 10, "inner_width=2, block='basic'"),
        ({"name": "cifar_resnet", "width": 0}, (8, 8, 1), 10, "width=0"),
        ({"name": "cifar_resnet", "conv": "winograd"}, (8, 8, 1), 10, "standard, group.*conv='winograd'"),
        ({"name": "cifar_resnet", "conv": "line4"}, (8, 8, 1), 10, "line5 and so on.*conv='line4'"),
        ({"name": "cifar_resnet", "conv": "line1"}, (8, 8, 1), 10, "Unknown convolution.*conv='line1'"),
        ({"name": "unet_generator", "conv": "lines"}, (256, 256, 3), 10, "Unknown convolution.*conv='lines'"),
        ({"name": "cifar_resnet", "conv": "group"}, (8, 8, 1), 10, "needs the number of groups"),
        ({"name": "cifar_resnet", "conv": "group", "groups": 3}, (8, 8, 1), 10, "filters=16, groups=3"),
        ({"name": "cifar_resnet", "conv": "group", "groups": 1}, (8, 8, 1), 10, "at least 2 groups.*groups=1"),
        ({"name": "cifar_resnet", "groups": 4}, (8, 8, 1), 10, "Only grouped.*groups=4"),
        ({"name": "od_cheap_resnet", "conv": "standard"}, (8, 8, 1), 10, "depthwise, group, shift.*'standard'"),
        ({"name": "od_cheap_resnet", "conv": "depthwise", "expansion": 3}, (8, 8, 1), 10, "expansion=3"),
        ({"name": "od_cheap_resnet", "block": "triple"}, (8, 8, 1), 10, "block='triple'"),
        ({"name": "resnet8", "width": (16, 32)}, (8, 8, 1), 10, "three stages.*\\(16, 32\\)"),
        ({"name": "resnet8", "conv": ["line"]}, (8, 8, 1), 10, "three stages.*\\['line'\\]"),
        ({"name": "resnet8", "conv": ["line"] * 3, "groups": 2}, (8, 8, 1), 10, "Only grouped.*groups=2"),
        ({"name": "resnet8", "conv": ["line", "group", "line"]}, (8, 8, 1), 10, "needs the number of groups"),
        ({"name": "resnet8", "conv": ["line", "line", "x"]}, (8, 8, 1), 10, "Unknown convolution.*'x'"),
        ({"name": "resnet8"}, (3, 8, 1), 10, "at least 4x4.*\\(3, 8, 1\\)"),
        ({"name": "resnet8"}, (None, 8, 1), 10, "all known.*None"),
        ({"name": "resnet8"}, (8, 8, 1), 1, "at least 2 classes.*head=1"),
    ],
    ids=str,
)
def test_impossible_networks_are_refused(spec, shape, classes, message):
    with pytest.raises(ValueError, match=message):
        models.build(spec, shape, classes, seed=0)


@pytest.mark.parametrize(("conv", "width"), [("line", 3), ("line5", 5), ("line11", 11)])
def test_lines_of_any_odd_width(conv, width):
    """1xN kernels at either stride, and the network that is deployed computes the same."""
    network = randomized(models.build({"name": "resnet8", "conv": conv}, (9, 9, 3), 10, seed=0))
    kernels = [tuple(network.get_layer(name).kernel.shape) for name in ("stage1_conv1", "stage2_conv1")]
    assert kernels == [(1, width, 16, 16), (1, width, 16, 32)]
    x = images((9, 9, 3))
    np.testing.assert_allclose(models.deploy(network)(x), network(x)["logits"], rtol=1e-4, atol=1e-4)


def test_a_negative_seed_is_refused():
    with pytest.raises(ValueError, match="seed=-1"):
        models.build(SPECS[0], (8, 8, 1), 10, seed=-1)


@pytest.mark.parametrize("arguments", [{"output": "stage9"}, {"grouped": "dense"}])
def test_impossible_deployments_are_refused(arguments):
    with pytest.raises(ValueError, match="Received"):
        models.deploy(models.build(SPECS[0], (8, 8, 1), 10, seed=0), **arguments)
