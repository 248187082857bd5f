"""Turns, ratios and goals of timed alternatives."""

import pytest

from odtf.benchmark.timing import Comparison, interleave


def test_alternatives_take_turns_and_the_warm_up_is_not_counted():
    calls = []
    times = interleave({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, repeats=3, warmup=2)
    assert calls == ["a", "b"] * 5
    assert {name: len(values) for name, values in times.items()} == {"a": 3, "b": 3}
    assert all(value >= 0 for values in times.values() for value in values)


def test_any_clock_will_do():
    ticks = iter(range(100))
    assert interleave({"a": lambda: next(ticks)}, 2, warmup=0, clock=lambda: next(ticks)) == {"a": [2e3, 2e3]}


def test_the_ratio_is_that_of_each_round():
    """The second round was three times as slow for both: the ratios do not show it."""
    comparison = Comparison("case", "ours", [1.0, 3.0, 2.0], "theirs", [2.0, 6.0, 2.0], at_most=0.6)
    assert comparison.ratio == {"median": 0.5, "min": 0.5, "max": 1.0, "of_fastest": 0.5}
    assert comparison.met
    assert not Comparison("case", "ours", [2.0], "theirs", [2.0], at_most=0.99).met
    assert Comparison("case", "ours", [2.0], "theirs", [2.0]).met is None


def test_json_of_a_comparison():
    facts = Comparison("case", "ours", [1.0, 3.0], "theirs", [4.0, 4.0], at_most=0.75).to_json()
    assert facts == {
        "case": "case",
        "name": "ours",
        "baseline": "theirs",
        "ms": {"median": 2.0, "min": 1.0, "max": 3.0},
        "baseline_ms": {"median": 4.0, "min": 4.0, "max": 4.0},
        "ratio": {"median": 0.5, "min": 0.25, "max": 0.75, "of_fastest": 0.25},
        "at_most": 0.75,
        "met": True,
    }


def test_rounds_that_do_not_match_are_refused():
    with pytest.raises(ValueError):
        _ = Comparison("case", "ours", [1.0], "theirs", [1.0, 2.0]).ratio
