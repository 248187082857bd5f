"""The students of online ensemble compression: a stem that is never narrowed before stages that are."""

import math

import pytest

from odtf import models
from odtf.models.share import share_trunk

FRACTIONS = (1.0, 0.8, 0.6, 0.4, 0.2)
RESNETS = {
    20: (272_474, 171_536, 97_018, 42_231, 10_773),
    32: (466_906, 293_560, 165_442, 71_555, 17_745),
    44: (661_338, 415_584, 233_866, 100_879, 24_717),
    56: (855_770, 537_608, 302_290, 130_203, 31_689),
    110: (1_730_714, 1_086_716, 610_198, 262_161, 63_063),
}
RESNET110_OF_100_CLASSES = (1_736_564, 1_091_396, 613_708, 264_501, 64_233)


def resnet(depth, fraction, num_classes=10, shape=(8, 8, 3), **arguments):
    widths = tuple(int(n * fraction) for n in (16, 32, 64))
    spec = {"name": "cifar_resnet", "depth": depth, "stem_width": 16, "widths": widths}
    return models.build({**spec, **arguments}, shape, num_classes, seed=0)


def params(network):
    return sum(math.prod(v.shape) for v in network.trainable_variables)


def test_counts_of_built_students():
    assert tuple(params(resnet(32, fraction)) for fraction in FRACTIONS) == RESNETS[32]


def test_counts_of_deeper_students():
    """A block adds what it adds at any depth, so that two depths tell all others, as the test above shows."""
    for column, fraction in enumerate(FRACTIONS):
        at_14, at_20 = (params(resnet(depth, fraction)) for depth in (14, 20))
        for depth, counts in RESNETS.items():
            assert at_20 + (depth - 20) // 6 * (at_20 - at_14) == counts[column]


def test_a_hundred_classes_add_their_rows_to_the_classifier():
    for fraction, ten, hundred in zip(FRACTIONS, RESNETS[110], RESNET110_OF_100_CLASSES, strict=True):
        small, large = (params(resnet(8, fraction, num_classes)) for num_classes in (10, 100))
        assert large - small == hundred - ten


def test_students_part_at_the_end_of_the_stem():
    networks = [resnet(8, fraction, shape=(8, 8, 1)) for fraction in FRACTIONS]
    trunk, branches, peers = share_trunk(networks, cut="stem_relu")
    assert trunk.output["cut"].shape[1:] == (8, 8, 16)
    assert params(trunk) == 9 * 16 + 2 * 16
    for network, branch, peer in zip(networks, branches, peers, strict=True):
        assert params(branch) + params(trunk) == params(network) == params(peer)
        assert list(branch.output) == ["stage1", "stage2", "stage3", "embedding", "logits"]


def test_only_a_stem_of_another_width_needs_a_shortcut():
    names = [[layer.name for layer in resnet(8, fraction).layers] for fraction in (1.0, 0.8)]
    assert ["stage1_block1_shortcut" in layers for layers in names] == [False, True]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"widths": (16, 32)}, "3 stages.*\\(16, 32\\)"),
        ({"widths": (16, 32, 0)}, "positive integer.*width=0"),
        ({"stem_width": 1.5}, "positive integer.*width=1.5"),
    ],
)
def test_impossible_widths_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        resnet(8, 1.0, **arguments)
