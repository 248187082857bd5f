"""The figure of gains: names that are broken where they may be."""

import pytest

from odtf.compare import gains_plot


@pytest.mark.parametrize(
    ("label", "lines"),
    [
        ("few_images:system=od_standard", ["few_images:system=", "od_standard"]),
        (
            "oem:network=resnet8,peers=3,epochs=8 images=1000",
            ["oem:network=resnet8,", "peers=3,epochs=8", "images=1000"],
        ),
        ("gain", ["gain"]),
    ],
)
def test_a_name_is_broken_after_a_mark(label, lines):
    assert gains_plot.wrapped(label, 22).split("\n") == lines
