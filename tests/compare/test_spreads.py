"""Mean, spread and interval of several seeds, beside tables and an integral that are not the library's."""

import math

import pytest

from odtf.compare import spreads

# Two-sided 95 %: what every book of statistics prints.
PRINTED = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 9: 2.262, 29: 2.045, 120: 1.980}


def integral(end, degrees, steps=20_000):
    """The share of Student's t below `end` > 0: a half, and Simpson's rule over its density."""
    scale = math.exp(math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2)) / math.sqrt(degrees * math.pi)
    width = end / steps
    density = [scale * (1 + (i * width) ** 2 / degrees) ** (-(degrees + 1) / 2) for i in range(steps + 1)]
    return 0.5 + width / 3 * (density[0] + 4 * sum(density[1:-1:2]) + 2 * sum(density[2:-1:2]) + density[-1])


@pytest.mark.parametrize("degrees", PRINTED)
def test_quantiles_are_those_of_the_tables_and_of_the_density(degrees):
    found = spreads.t_quantile(0.975, degrees)
    assert found == pytest.approx(PRINTED[degrees], abs=6e-4)
    assert integral(found, degrees) == pytest.approx(0.975, abs=1e-6)


def test_the_interval_of_five_gains_by_hand():
    gains = [0.010, 0.030, 0.020, 0.050, 0.040]
    found = spreads.paired(gains)
    # Mean 0.03, s = 0.015811, s / sqrt(5) = 0.0070711, times 2.776.
    assert (found["n"], found["least"], found["greatest"]) == (5, 0.01, 0.05)
    assert found["mean"] == pytest.approx(0.03)
    assert found["std"] == pytest.approx(0.0158114, abs=1e-6)
    assert found["interval"] == pytest.approx([0.03 - 0.01963, 0.03 + 0.01963], abs=1e-5)
    assert spreads.excludes_zero(found)
    assert not spreads.excludes_zero(spreads.paired([0.01, -0.02, 0.03]))
    assert spreads.excludes_zero(spreads.paired([-0.01, -0.011, -0.012]))


def test_one_seed_has_no_interval():
    found = spreads.paired([0.02])
    assert found == {"n": 1, "mean": 0.02, "std": 0.0, "least": 0.02, "greatest": 0.02, "interval": None}
    assert not spreads.excludes_zero(found)


def pair(alone, student, seconds=(40.0, 10.0)):
    values = {"alone": alone, "student": student, "typical": (alone + student) / 2}
    return {
        **{who: {"val_q": value, "test_q": value} for who, value in values.items()},
        "got": {"run": {"seconds": seconds[0]}, "alone": {"seconds": seconds[1]}},
    }


@pytest.mark.parametrize(("better", "sign"), [("max", 1), ("min", -1)])
def test_a_summary_pairs_by_seed(better, sign):
    """Seeds differ by 30 points, and their gains by one: of pairs the interval is narrow."""
    found = spreads.summary([pair(0.2, 0.25), pair(0.5, 0.56)], {"name": "q", "better": better})
    assert found["test_alone"]["std"] > 0.2
    assert found["test_gain"]["mean"] == pytest.approx(sign * 0.055)
    half = 12.706 * 0.01 / math.sqrt(2) / math.sqrt(2)
    assert sorted(map(abs, found["test_gain"]["interval"])) == pytest.approx(
        sorted([abs(0.055 - half), 0.055 + half]), abs=1e-5
    )
    assert found["test_typical_gain"]["mean"] == pytest.approx(sign * 0.0275)
    # A quarter of what the first has, and 12 % of what the second has.
    assert found["relative_gain"]["mean"] == pytest.approx(sign * (0.25 + 0.12) / 2)
    assert found["seconds"] == {"run": 40.0, "alone": 10.0, "ratio": 4.0}


def test_there_is_no_share_of_nothing():
    assert spreads.summary([pair(0.0, 0.5)], {"name": "q", "better": "max"})["relative_gain"] is None
