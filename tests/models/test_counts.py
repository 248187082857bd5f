"""Parameters and operations of the published networks, exactly."""

import functools
import math

import pytest

from odtf import models

OD, RESNET = {"name": "od_cheap_resnet"}, {"name": "cifar_resnet"}
WIDE, DENSE = {"name": "wide_resnet"}, {"name": "densenet"}
BOTTLENECK = {**RESNET, "block": "bottleneck"}


def built(spec, num_classes=10, shape=(32, 32, 3)):
    return models.build(spec, shape, num_classes, seed=0)


def group(groups):
    return {"conv": "group", "groups": groups}


def counted(network):
    """The trainable parameters, of which nothing has to be deployed."""
    return sum(math.prod(v.shape) for v in network.trainable_variables)


@functools.cache
def cost_at(depth, **spec):
    """The (parameters, MACs) of a network of 10 classes."""
    cost = models.cost(built({**spec, "depth": depth}))
    return cost.params, cost.macs


def rounded(macs, like):
    return f"{macs / 1e6:.{len(like.partition('.')[2])}f}"


@pytest.mark.parametrize(
    ("spec", "num_classes", "params", "mega_macs"),
    [
        # A student of online distillation; `DEEPER` has the others.
        ({**OD, "conv": "depthwise", "depth": 20}, 10, 40_522, "7.94"),
        # ShiftResNet, whose block has one shift.
        ({**OD, "conv": "shift", "block": "single"}, 10, 34_906, None),
        ({**OD, "conv": "shift", "block": "single", "expansion": 3}, 10, 95_642, None),
        # What is called ResNet in one paper and another.
        ({**RESNET, "depth": 32}, 100, 472_756, "69.1"),
        ({**BOTTLENECK, "depth": 20, "inner_width": 8}, 100, 6_871_220, "1023"),
        # MLPerf Tiny's shape with cheap convolutions.
        ({"name": "resnet8"}, 10, 77_946, "12.5"),
        ({"name": "resnet8", **group(2)}, 10, 41_082, "6.6"),
        ({"name": "resnet8", **group(4)}, 10, 22_650, "3.7"),
        ({"name": "resnet8", "conv": "shuffled_group", "groups": 4}, 10, 22_650, "3.7"),
        ({"name": "resnet8", "conv": "line"}, 10, 28_794, "4.6"),
        # The standard network less half of the last stage's 9 * (32 * 64 + 64 * 64) weights.
        ({"name": "resnet8", "conv": ("standard", "standard", "group"), "groups": 2}, 10, 77_946 - 27_648, "10.7"),
        ({"name": "resnet8", "conv": "depthwise"}, 10, 13_994, "2.5"),
        ({"name": "resnet8", "conv": "depthwise", "width": (32, 64, 96)}, 10, 37_450, "7.4"),
    ],
    ids=str,
)
def test_published_counts(spec, num_classes, params, mega_macs):
    network = built(spec, num_classes)
    if mega_macs is None:
        assert counted(network) == params
        return
    cost = models.cost(network)
    assert (cost.params, rounded(cost.macs, mega_macs)) == (params, mega_macs)


# Network, two depths that are built, and {(depth, classes): (parameters, millions of MACs)} of the publications.
DEEPER = [
    (
        {**OD, "conv": "shift"},
        (8, 14),
        {(20, 10): (34_906, None), (56, 10): (102_106, "15.39"), (56, 100): (107_956, None)},
    ),
    (
        {**OD, "conv": "depthwise"},
        (8, 14),
        {
            (8, 10): (14_090, "3.76"),
            (14, 10): (27_306, "5.85"),
            (20, 10): (40_522, "7.94"),
            (56, 10): (119_818, "20.47"),
            (56, 100): (125_668, None),
        },
    ),
    (
        {**OD, **group(16)},
        (8, 14),
        {(20, 10): (50_890, None), (56, 10): (154_378, "24.23"), (56, 100): (160_228, None)},
    ),
    (
        {**OD, **group(8)},
        (8, 14),
        {(20, 10): (66_874, None), (56, 10): (206_650, "33.08"), (56, 100): (212_500, None)},
    ),
    (
        {**OD, **group(4)},
        (8, 14),
        {(20, 10): (98_842, None), (56, 10): (311_194, "50.77"), (56, 100): (317_044, None)},
    ),
    (
        {**OD, **group(2)},
        (8, 14),
        {(20, 10): (162_778, None), (56, 10): (520_282, "86.16"), (56, 100): (526_132, None)},
    ),
    (
        RESNET,
        (8, 20),
        {
            (20, 10): (272_474, None),
            (32, 10): (466_906, "69.12"),
            (32, 100): (472_756, "69.1"),
            (56, 10): (855_770, "125.7"),
            (56, 100): (861_620, "125.8"),
            (110, 100): (1_736_564, "253.2"),
        },
    ),
    (BOTTLENECK, (11, 20), {(110, 100): (1_170_868, "167.5"), (164, 100): (1_727_284, "247.7")}),
]


@pytest.mark.parametrize(("spec", "depths", "published"), DEEPER, ids=str)
def test_published_counts_of_deeper_networks(spec, depths, published):
    """A block adds what it adds at any depth, so that two depths tell all others, as the next test shows."""
    near, far = depths
    at_near, at_far = (cost_at(depth, **spec) for depth in depths)
    # A class more is a row of the classifier, and its bias.
    width = 256 if spec is BOTTLENECK else 64
    for (depth, num_classes), (params, mega_macs) in published.items():
        rows = num_classes - 10
        found_params, found_macs = (
            one + (depth - near) * (other - one) // (far - near) for one, other in zip(at_near, at_far, strict=True)
        )
        assert found_params + rows * (width + 1) == params
        if mega_macs is not None:
            assert rounded(found_macs + rows * width, mega_macs) == mega_macs


@pytest.mark.parametrize(
    ("spec", "depths"),
    [({**OD, "conv": "depthwise"}, (8, 14, 20)), (RESNET, (8, 20, 32)), (BOTTLENECK, (11, 20, 29))],
    ids=str,
)
def test_a_block_adds_the_same_at_any_depth(spec, depths):
    one, two, three = (cost_at(depth, **spec) for depth in depths)
    assert all(b - a == c - b > 0 for a, b, c in zip(one, two, three, strict=True))


@pytest.mark.parametrize(
    ("spec", "width"),
    [({**OD, "conv": "shift", "depth": 8}, 64), ({**RESNET, "depth": 8}, 64), ({**BOTTLENECK, "depth": 11}, 256)],
    ids=str,
)
def test_more_classes_are_more_rows_of_the_classifier(spec, width):
    few, many = (models.cost(built(spec, num_classes)) for num_classes in (10, 100))
    assert (many.params - few.params, many.macs - few.macs) == (90 * (width + 1), 90 * width)


LINE = {"conv": "line", "stem_conv": "line"}
PLAIN = {"bottleneck": False, "compression": 1.0}


@pytest.mark.parametrize(
    ("spec", "num_classes", "params", "mega_macs"),
    [
        # Of 3x3 and of 1x3 convolutions, in millions 2.255 and 0.771, 0.703 and 0.251.
        ({**WIDE, "depth": 40, "widen": 2}, 100, 2_255_156, None),
        ({**WIDE, "depth": 40, "widen": 2, **LINE}, 100, 771_092, None),
        ({**WIDE, "depth": 16, "widen": 2}, 100, 703_284, None),
        ({**WIDE, "depth": 16, "widen": 2, **LINE}, 100, 251_412, None),
        # Every convolution of the other variant has a bias, of 1,136 channels in all.
        ({**WIDE, "depth": 16, "widen": 2, "variant": "ffsd"}, 100, 703_284 + 1_136, None),
        # The students of online ensemble compression, growing by fractions of 12.
        *(
            ({**DENSE, "depth": 100, "growth": growth, "stem_width": 24}, 10, params, None)
            for growth, params in ((12, 769_162), (9, 446_170), (7, 279_482), (4, 102_410), (2, 33_002))
        ),
        ({**DENSE, "depth": 40}, 100, 188_092, None),
        ({**DENSE, "depth": 40, **PLAIN}, 100, 1_100_428, None),
        # With the biases that released codes have, 14,728,266 and 6,166,250.
        ({"name": "vgg"}, 10, 14_728_266 - 4_224, "313"),
        ({"name": "googlenet"}, 10, 6_166_250 - 7_904, None),
        # The stem's stride of 4 is taken in two steps, which costs three times its 1.5 million operations more.
        ({"name": "alexnet"}, 10, 2_472_266, "19.4"),
        ({"name": "mobilenet_v2"}, 100, 812_836, None),
        ({"name": "preact_resnet"}, 10, 11_171_146, None),
        # Student and auxiliary teacher of InDistill.
        ({"name": "plain_cnn"}, 10, 15_050, None),
        ({"name": "plain_cnn", "widths": (16, 32, 64), "embedding": 128}, 10, 57_994, None),
    ],
    ids=str,
)
def test_counts_of_the_literature_on_distillation(spec, num_classes, params, mega_macs):
    test_published_counts(spec, num_classes, params, mega_macs)


def test_half_way_between_wide_networks_of_two_convolutions():
    """A block's second convolution gives two thirds of its weights up, its first does too in the narrowest network."""
    whole, half, line = (
        models.cost(built({**WIDE, "depth": 10, "widen": 4, **conv}, 100)).params
        for conv in ({}, {"second_conv": "line"}, LINE)
    )
    widths, stem = (64, 128, 256), 16
    second = sum(6 * n * n for n in widths)
    assert whole - half == second
    assert half - line == sum(6 * m * n for m, n in zip((stem, *widths), widths, strict=False)) + 6 * 3 * stem


@pytest.mark.parametrize(("depth", "params"), [(18, 11_689_512), (50, 25_557_032)])
def test_counts_on_imagenet(depth, params):
    network = built({"name": "resnet", "depth": depth}, 1000, (224, 224, 3))
    assert counted(network) == params
    shapes = [tuple(network.output[f"stage{i}"].shape[1:]) for i in (1, 2, 3, 4)]
    factor = 4 if depth == 50 else 1
    assert shapes == [(224 // 2**i, 224 // 2**i, factor * 16 * 2**i) for i in (2, 3, 4, 5)]


@pytest.mark.parametrize(("depth", "params", "last"), [(121, 7_978_856, 1024), (169, 14_149_480, 1664)])
def test_counts_of_densenets_on_imagenet(depth, params, last):
    network = built({"name": "densenet", "depth": depth, "growth": 32}, 1000, (224, 224, 3))
    assert counted(network) == params
    shapes = [tuple(network.output[f"stage{i}"].shape[1:3]) for i in (1, 2, 3, 4)]
    assert shapes == [(56, 56), (28, 28), (14, 14), (7, 7)]
    assert network.output["embedding"].shape[1] == last


def test_taps_of_feature_fusion():
    def taps(spec):
        return [tuple(tap.shape[1:]) for name, tap in built(spec, 100).output.items() if name.startswith("stage")]

    assert taps({**DENSE, **PLAIN}) == [(32, 32, 168), (16, 16, 312), (8, 8, 456)]
    assert taps({"name": "googlenet", "modules": (1, 1, 1)}) == [(32, 32, 480), (16, 16, 832), (8, 8, 1024)]
    assert taps({**WIDE, "widen": 2, "variant": "ffsd"}) == [(32, 32, 32), (16, 16, 64), (8, 8, 128)]


def test_parameter_free_shortcuts_give_the_figures_of_the_literature():
    at_8, at_14 = (cost_at(depth, **RESNET, shortcut="identity") for depth in (8, 14))
    assert tuple(a + 8 * (b - a) for a, b in zip(at_8, at_14, strict=True)) == (853_018, 125_485_696)


def test_a_ghost_network_counts_as_its_formula():
    """(N / 2) (9 M) weights of the primary convolution and 9 (N / 2) of the ghosts, instead of 9 M N."""
    ghost, standard = (models.cost(built({"name": "resnet8", "conv": conv})) for conv in ("ghost", "standard"))
    shapes = [(16, 16, 1024), (16, 16, 1024), (16, 32, 256), (32, 32, 256), (32, 64, 64), (64, 64, 64)]
    saved = [9 * m * n - (9 * m + 9) * n // 2 for m, n, _ in shapes]
    assert standard.params - ghost.params == sum(saved)
    assert standard.macs - ghost.macs == sum(s * pixels for s, (_, _, pixels) in zip(saved, shapes, strict=True))


def test_deploying_shifts_costs_what_depthwise_convolutions_do():
    shift, depthwise = (built({**OD, "conv": conv, "depth": 14}) for conv in ("shift", "depthwise"))
    trained, deployed = models.cost(shift).macs, models.cost(shift, deployed=True).macs
    assert trained < deployed == models.cost(depthwise).macs
    # The first block of a stage still works at the resolution of the one before.
    spatial = 9 * ((4 * 16 + 16 + 32) * 1024 + (2 * 32 + 32 + 64) * 256 + 2 * 64 * 64)
    assert deployed - trained == spatial


def test_deployed_parameters_have_batch_normalisation_folded():
    network = built({"name": "resnet8"})
    channels = 16 + 2 * (16 + 32 + 64)
    # Scale and offset become the bias that every convolution has.
    assert models.cost(network).params - models.cost(network, deployed=True).params == channels
    assert models.cost(models.deploy(network)) == models.cost(network, deployed=True)


def test_live_activations_are_those_of_the_widest_moment():
    # 32x32x16: a block's input, kept for the sum, beside the input and the output of its second convolution.
    assert models.cost(built({"name": "resnet8"})).activation_bytes == 3 * 32 * 32 * 16
