"""The ramp of loss weights against the values of the published codes."""

import pytest

from odtf.methods.shared.ramps import sigmoid_ramp


@pytest.mark.parametrize(
    ("epoch", "weight"),
    [(0, 0.006738), (1, 0.007629), (10, 0.021750), (20, 0.060055), (40, 0.286505), (60, 0.731616), (79, 0.999219)],
)
def test_rise_over_80_epochs(epoch, weight):
    assert float(sigmoid_ramp(epoch, 80)) == pytest.approx(weight, abs=5e-7)


@pytest.mark.parametrize("epoch", [80, 81, 300])
def test_from_its_end_on_the_weight_is_one(epoch):
    assert float(sigmoid_ramp(epoch, 80)) == 1.0


@pytest.mark.parametrize(("epoch", "weight"), list(enumerate((0.0408, 0.1653, 0.4493, 0.8187, 1, 1), start=1)))
def test_rise_over_5_epochs_that_count_from_one(epoch, weight):
    assert float(sigmoid_ramp(epoch, 5)) == pytest.approx(weight, abs=5e-5)


def test_no_ramp_is_weight_one():
    assert float(sigmoid_ramp(0, 0)) == 1.0
    with pytest.raises(ValueError, match="must not be negative"):
        sigmoid_ramp(0, -1)
