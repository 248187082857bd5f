"""The networks of the literature on distillation beside the CIFAR ResNets: shapes, seeds, deployment, refusals."""

import itertools

import keras
import numpy as np
import pytest

from odtf import models
from odtf.models.share import share_trunk
from tests.models.test_networks import images, randomized

WIDE, DENSE = {"name": "wide_resnet", "depth": 10}, {"name": "densenet", "depth": 10, "growth": 4}
PLAIN_DENSE = {**DENSE, "bottleneck": False, "compression": 1.0}
VGG = {"name": "vgg", "depth": 8, "width": 4}
GOOGLE = {"name": "googlenet", "width_multiplier": 0.0625, "modules": (1, 1, 1)}
MOBILE = {"name": "mobilenet_v2", "width_multiplier": 0.25, "blocks": (1, 1, 1, 2, 1, 1, 1), "last_width": 32}
# Each with the share of the image's size that its stages have.
CASES = [
    (WIDE, (1, 2, 4)),
    ({**WIDE, "conv": "line", "stem_conv": "line", "variant": "ffsd"}, (1, 2, 4)),
    ({**WIDE, "second_conv": "ghost", "widths": (8, 12, 16)}, (1, 2, 4)),
    (DENSE, (1, 2, 4)),
    ({**DENSE, "stem_width": 6, "taps": "transitions", "conv": "shift"}, (2, 4, 4)),
    ({**PLAIN_DENSE, "conv": "group", "groups": 2}, (1, 2, 4)),
    (VGG, (2, 4, 8, 16, 32)),
    ({**VGG, "hidden": (8, 9), "conv": "depthwise"}, (2, 4, 8, 16, 32)),
    ({"name": "alexnet", "width_multiplier": 0.125}, (2, 4, 8)),
    ({"name": "alexnet", "width_multiplier": 0.125, "conv": "shuffled_group", "groups": 4}, (2, 4, 8)),
    (GOOGLE, (1, 2, 4)),
    ({"name": "resnet", "depth": 10, "width": 4, "stem_width": 6}, (4, 8, 16, 32)),
    ({"name": "preact_resnet", "depth": 10, "width": 4}, (1, 2, 4, 8)),
    ({"name": "plain_cnn", "padding": "symmetric", "layers": (1, 2, 1)}, None),
    ({"name": "plain_cnn", "padding": "symmetric", "widths": (4, 8), "embedding": 0}, None),
    (MOBILE, (2, 4, 8, 16, 16)),
    ({**MOBILE, "conv": "shift"}, (2, 4, 8, 16, 16)),
]
SPECS = [spec for spec, _ in CASES]
every_spec = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: "-".join(str(v) for v in spec.values()))


def built(spec, shape=(8, 8, 3), num_classes=10, seed=0):
    return models.build(spec, shape, num_classes, seed=seed, name="peer")


@pytest.mark.parametrize(("spec", "shares"), CASES, ids=str)
def test_taps_and_their_shapes(spec, shares):
    # Images of 8x8x1 are what the exports are tested on.
    shape = (33, 18, 3)
    network = built(spec, shape, 5)
    taps = network(images(shape))
    *stages, embedding, logits = taps
    assert stages == [f"stage{i + 1}" for i in range(len(stages))]
    assert (embedding, logits) == ("embedding", "logits")
    assert taps["logits"].shape == (2, 5)
    assert not np.allclose(taps["logits"][0], taps["logits"][1])
    if shares is None:
        return
    assert [taps[s].shape[1:3] for s in stages] == [tuple(-(-n // share) for n in shape[:2]) for share in shares]
    if spec.get("taps") != "transitions":
        np.testing.assert_allclose(taps["embedding"], np.mean(taps[stages[-1]], (1, 2)), atol=1e-4)


@pytest.mark.parametrize("spec", {spec["name"]: spec for spec in SPECS}.values(), ids=str)
def test_seeds_decide_every_random_weight(spec):
    one, other = (built(spec, seed=seed) for seed in (1, 2))
    kernels = []
    for a, b in zip(one.trainable_variables, other.trainable_variables, strict=True):
        constant = a.name in ("gamma", "beta") or (a.name == "bias" and len(a.shape) == 1 and not np.any(a))
        assert np.array_equal(a, b) == constant, a.path
        if a.name == "kernel" and np.size(a) >= 8:
            kernels.append(np.ravel(a)[:8] / np.ravel(a)[0])
    for a, b in itertools.combinations(kernels, 2):
        assert not np.allclose(a, b)


def test_equal_seeds_give_equal_networks():
    one, same = (built(DENSE, seed=1) for _ in range(2))
    for a, b in zip(one.variables, same.variables, strict=True):
        np.testing.assert_array_equal(a, b)


@every_spec
def test_deployed_networks_are_stock_and_compute_the_same(spec):
    shape = (12, 10, 3)
    network = randomized(built(spec, shape))
    deployed = models.deploy(network)
    assert deployed.name == "peer"
    assert {type(layer).__module__.split(".")[0] for layer in deployed.layers} == {"keras"}
    assert not deployed.trainable_variables
    want = network(images(shape), training=False)["logits"]
    np.testing.assert_allclose(deployed(images(shape)), want, rtol=1e-5, atol=1e-5)
    assert np.abs(want).max() > 0.01
    assert len({layer.name for layer in deployed.layers}) == len(deployed.layers)


@pytest.mark.parametrize("spec", [WIDE, DENSE], ids=str)
def test_networks_of_mixed_precision_are_deployed_in_float32(spec):
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = randomized(built(spec))
        deployed = models.deploy(network)
    finally:
        keras.config.set_dtype_policy(previous)
    reference = built(spec)
    reference.set_weights(network.get_weights())
    assert {layer.compute_dtype for layer in deployed.layers[1:]} == {"float32"}
    want = reference(images((8, 8, 3)), training=False)["logits"]
    np.testing.assert_allclose(deployed(images((8, 8, 3))), want, rtol=1e-5, atol=1e-5)


def test_norms_that_no_convolution_takes_up_are_deployed_as_convolutions():
    network = randomized(built(WIDE))
    deployed = models.deploy(network)
    pointwise = [
        layer.name
        for layer in deployed.layers
        if isinstance(layer, keras.layers.DepthwiseConv2D) and layer.kernel_size == (1, 1)
    ]
    # The stem's output goes to the sum too; stage 1's and 2's first norms follow sums, as the last does.
    assert pointwise == [*(f"stage{stage}_block1_input_norm" for stage in (1, 2, 3)), "last_norm"]
    folded = [layer for layer in deployed.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert [layer.name for layer in folded] == [f"stage{stage}_block1_conv1_norm" for stage in (1, 2, 3)]
    trained, travelling = models.cost(network), models.cost(network, deployed=True)
    assert travelling.macs - trained.macs == 64 * 16 + 64 * 16 + 16 * 32 + 4 * 64
    # Three norms give their scale up and leave the bias that every convolution has; the lone ones keep both.
    assert (
        trained.params - travelling.params
        == 16
        + 32
        + 64
        - sum(layer.output.shape[-1] for layer in deployed.layers if "conv2" in layer.name or "shortcut" in layer.name)
        - network.get_layer("stem").filters
    )


def test_a_block_of_wide_resnet_has_its_order_in_both_variants():
    original, ffsd = (built({**WIDE, "variant": variant}) for variant in ("original", "ffsd"))
    sizes = [[n.get_layer(f"stage2_block1_conv{i}").output.shape[1] for i in (1, 2)] for n in (original, ffsd)]
    assert sizes == [[4, 4], [8, 4]]
    inputs = [n.get_layer("stage2_block1_shortcut").input for n in (original, ffsd)]
    assert inputs[0] is original.get_layer("stage2_block1_input_relu").output
    assert inputs[1] is ffsd.get_layer("stage1_block1_sum").output
    assert [n.get_layer("last_norm").momentum for n in (original, ffsd)] == [0.9, 0.1]
    assert [n.get_layer("stage1_block1_conv1").use_bias for n in (original, ffsd)] == [False, True]
    assert original.output["stage3"] is original.get_layer("last_relu").output


def test_dense_networks_that_differ_in_growth_share_their_stem_and_part_before_a_block():
    students = [built({**DENSE, "growth": growth, "stem_width": 8}) for growth in (4, 3, 1)]
    trunk, branches, _ = share_trunk(students, cut="stem")
    assert trunk.output["cut"].shape[-1] == 8
    assert [branch.output["stage1"].shape[-1] for branch in branches] == [12, 11, 9]
    trunk, branches, peers = share_trunk([built(DENSE, seed=seed) for seed in (0, 1)], cut="transition2_pool")
    assert list(branches[0].output) == ["stage3", "embedding", "logits"]
    # A deployed peer knows nothing of the one it shares layers with.
    want = randomized(peers[1])(images((8, 8, 3)), training=False)["logits"]
    np.testing.assert_allclose(models.deploy(peers[1])(images((8, 8, 3))), want, rtol=1e-5, atol=1e-5)


def test_imagenet_students_share_the_first_stage():
    spec = {"name": "resnet", "depth": 10}
    students = [built({**spec, "widths": (16, 32, 64, 128)}), built({**spec, "widths": (16, 19, 38, 76)})]
    _, branches, _ = share_trunk(students, cut="stage1")
    assert [branch.output["embedding"].shape[-1] for branch in branches] == [128, 76]


def test_peers_of_collaborative_learning_have_a_last_stage_and_a_head_each():
    peers = [built({**VGG, "hidden": (8, 8)}, seed=seed) for seed in (0, 1)]
    _, branches, _ = share_trunk(peers, cut="stage4")
    assert [layer.name for layer in branches[0].layers if isinstance(layer, keras.layers.Dense)] == [
        "hidden1",
        "hidden2",
        "logits",
    ]
    assert branches[0].output["embedding"].shape == (None, 32)


@pytest.mark.parametrize("conv", ["depthwise", "group", "shift"])
def test_an_inverted_residual_halves_once(conv):
    groups = {"groups": 2} if conv == "group" else {}
    network = built({**MOBILE, "conv": conv, **groups})
    assert network.get_layer("block3_expand").output.shape[1] == 4
    assert network.get_layer("block3_spatial").output.shape[1] == (4 if conv == "shift" else 2)
    assert network.get_layer("block3_project").output.shape[1] == 2


def test_stride_four_is_taken_in_two_steps_that_accelerators_have():
    network = randomized(built({"name": "alexnet", "width_multiplier": 0.125}, (32, 32, 3)))
    stem = network.get_layer("stem")
    x = images((32, 32, 3))
    once = keras.ops.conv(np.pad(x, ((0, 0), (5, 5), (5, 5), (0, 0))), stem.kernel, 4, "valid") + stem.bias
    here = keras.Model(network.input, network.get_layer("stem_subsample").output)(x)
    np.testing.assert_allclose(here, np.maximum(once, 0.0), rtol=1e-4, atol=1e-4)
    assert network.output["stage3"].shape[1:3] == (1, 1)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "wide_resnet", "depth": 17}, "6n\\+4, the nearest is 16.*depth=17"),
        ({"name": "wide_resnet", "widen": 0}, "width=0"),
        ({"name": "wide_resnet", "variant": "wider"}, "original, ffsd.*'wider'"),
        ({"name": "wide_resnet", "second_conv": "winograd"}, "standard, group.*'winograd'"),
        ({"name": "wide_resnet", "second_conv": "group"}, "needs the number of groups"),
        ({"name": "wide_resnet", "widths": (16, 32)}, "3 stages.*\\(16, 32\\)"),
        ({"name": "densenet", "depth": 41}, "6n\\+4, the nearest is 40"),
        ({"name": "densenet", "depth": 42, "bottleneck": False}, "3n\\+4, the nearest is 43"),
        ({"name": "densenet", "compression": 1.5}, "more than 0 and at most 1.*1.5"),
        ({"name": "densenet", "taps": "all"}, "blocks, transitions.*'all'"),
        ({"name": "vgg", "depth": 15}, "8, 11, 13, 16, 19.*depth=15"),
        ({"name": "vgg", "hidden": (8, 0)}, "width=0"),
        ({"name": "alexnet", "width_multiplier": 0.0}, "positive number.*0.0"),
        ({"name": "alexnet", "conv": "group"}, "needs the number of groups"),
        ({"name": "googlenet", "modules": (2, 6, 2)}, "1 to 5.*\\(2, 6, 2\\)"),
        ({"name": "resnet", "depth": 20}, "10, 18, 34, 50, 101.*depth=20"),
        ({"name": "resnet", "widths": (16, 32, 64)}, "4 stages.*\\(16, 32, 64\\)"),
        ({"name": "preact_resnet", "depth": 50}, "10, 18, 34.*depth=50"),
        ({"name": "plain_cnn"}, "18x18.*padding='symmetric'.*\\(8, 8, 3\\)"),
        ({"name": "plain_cnn", "padding": "same"}, "valid, symmetric.*'same'"),
        ({"name": "plain_cnn", "padding": "symmetric", "layers": (1, 2)}, "Every stage.*layers=\\(1, 2\\)"),
        ({"name": "mobilenet_v2", "conv": "standard"}, "depthwise, group, shift.*'standard'"),
        ({"name": "mobilenet_v2", "blocks": (1, 2)}, "7 groups.*\\(1, 2\\)"),
        ({"name": "cifar_resnet", "shortcut": "identity", "widths": (8, 16, 32), "stem_width": 16}, "projection.*16"),
    ],
    ids=str,
)
def test_impossible_networks_are_refused(spec, message):
    with pytest.raises(ValueError, match=message):
        built(spec)
