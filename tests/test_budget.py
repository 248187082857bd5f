"""The choice by budget: its logic on made-up candidates, and one small run from training to the chosen file."""

import itertools

import numpy as np
import pytest

from odtf import budget
from odtf.errors import UserError


def candidate(peer, val_top1, bytes, cycles=None, macs=1000, latency_us=10.0, quantization="int8", **more):
    return {
        "peer": peer,
        "quantization": quantization,
        "val_top1": val_top1,
        "bytes": bytes,
        "cycles": cycles,
        "sram_bytes": None,
        "macs": macs,
        "latency_us": latency_us,
        **more,
    }


# Bytes, cycles and latency each rank them differently.
ROWS = [
    candidate("large", 0.98, 35_000, cycles=12_000, macs=193_000, latency_us=5.0),
    candidate("middle", 0.97, 22_000, cycles=30_000, macs=91_000, latency_us=7.5),
    candidate("small", 0.94, 14_000, cycles=9_000, macs=28_000, latency_us=9.0),
    candidate("large", 0.99, 41_000, macs=193_000, latency_us=40.0, quantization="int16x8"),
]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("bytes=65536", {"bytes": 65536}),
        ("bytes=64K", {"bytes": 65536}),
        ("bytes=1.5MiB", {"bytes": 3 * 2**19}),
        ("bytes=2e3B", {"bytes": 2000}),
        (
            "bytes=65536,cycles=250k,macs=8e6,latency_us=150",
            {"bytes": 65536, "cycles": 250_000, "macs": 8_000_000, "latency_us": 150},
        ),
        (" macs = 1_000_000 , cycles=.5M", {"macs": 1_000_000, "cycles": 500_000}),
        ("latency_us=0.25ms", {"latency_us": 250}),
        ("latency_us=2.5us,sram_bytes=1k", {"latency_us": 2.5, "sram_bytes": 1024}),
    ],
)
def test_budgets_are_read(text, wanted):
    assert budget.parse(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "NAME=NUMBER.*bytes, cycles.*Received: ''"),
        ("bytes", "NAME=NUMBER.*Received: 'bytes'"),
        ("bytes=1,", "NAME=NUMBER.*Received: ''"),
        ("size=5", "NAME=NUMBER.*Received: 'size=5'"),
        ("bytes=5,bytes=6", "once.*bytes twice"),
        *((f"bytes={value}", f"positive number.*Received: bytes={value}") for value in ("0", "-5", "nan", "inf", "x")),
        *((f"bytes={value}", f"positive number.*KIB.*bytes={value}") for value in ("64KB", "1e999", "1.2.3", "K")),
        ("latency_us=5K", "US, MS, S.*latency_us=5K"),
        ("cycles=5KiB", "K, M, G.*cycles=5KiB"),
    ],
)
def test_what_is_no_budget_is_refused(text, wanted):
    with pytest.raises(UserError, match=wanted):
        budget.parse(text)


@pytest.mark.parametrize(
    ("limits", "wanted"),
    [
        ({"bytes": 100_000}, "large int16x8"),
        ({"bytes": 35_000}, "large int8"),
        ({"bytes": 34_999}, "middle int8"),
        ({"bytes": 20_000}, "small int8"),
        ({"bytes": 30_000, "cycles": 20_000}, "small int8"),
        ({"cycles": 1_000_000}, "large int8"),  # What has no cycles is not within a limit of them.
        ({"latency_us": 8.0, "macs": 100_000}, "middle int8"),
    ],
)
def test_the_most_accurate_candidate_within_all_limits_is_chosen(limits, wanted):
    for rows in itertools.permutations(ROWS):
        assert budget.name_of(budget.choose(rows, limits)) == wanted


def test_random_choices_are_right_by_their_definition():
    random = np.random.RandomState(0)
    for _ in range(200):
        rows = [
            candidate(f"peer_{i}", random.randint(90, 95) / 100, *map(int, random.randint(1, 10, 3))) for i in range(6)
        ]
        limits = {name: int(random.randint(1, 10)) for name in ("bytes", "cycles", "macs")}
        within = [row for row in rows if all(row[name] <= limit for name, limit in limits.items())]
        if within:
            chosen = budget.choose(rows, limits)
            assert chosen in within
            assert chosen["val_top1"] == max(row["val_top1"] for row in within)
        else:
            with pytest.raises(UserError, match="No candidate fits"):
                budget.choose(rows, limits)


def test_ties_go_to_the_smaller_file_and_never_to_the_faster_one():
    rows = [candidate("a", 0.9, 20, latency_us=1.0), candidate("b", 0.9, 10, latency_us=9.0)]
    assert budget.choose(rows, {"latency_us": 10})["peer"] == "b"
    rows = [candidate("a", 0.9, 10, macs=7), candidate("b", 0.9, 10, macs=6)]
    assert budget.choose(rows, {"latency_us": 10})["peer"] == "b"


def explanation(limits, rows=ROWS):
    with pytest.raises(UserError) as caught:
        budget.choose(rows, limits)
    return str(caught.value)


def test_the_constraint_that_binds_is_named_with_the_best_value_and_the_nearest_candidate():
    line = explanation({"bytes": 10_000, "macs": 100_000})
    assert "bytes binds. The least that any reaches: bytes 14,000 (small int8), macs 28,000 (small int8)." in line
    assert "The nearest is small int8, validation 94.00%, with bytes 14,000: 1.40 times the limit." in line
    assert line.endswith("Received: bytes=10,000, macs=100,000.")
    assert "bytes and cycles bind." in explanation({"bytes": 1, "cycles": 2})


def test_limits_that_only_together_are_too_tight_are_called_so():
    line = explanation({"bytes": 15_000, "latency_us": 6.0})
    assert "each limit can be met alone, but not all of them together" in line
    # 22,000 of 15,000 bytes is less over than 9.0 of 6.0 us, or 35,000 of 15,000 bytes.
    assert "nearest is middle int8, validation 97.00%, with bytes 22,000, latency_us 7.5: 1.47 times" in line


def test_a_value_that_no_candidate_has_is_called_so():
    notes = ["Vela is not installed"]
    line = explanation({"cycles": 5, "bytes": 99_999}, [candidate("a", 0.9, 10, notes=notes)])
    assert "none has cycles (Vela is not installed)" in line


def test_refused_candidates_are_never_chosen():
    refused = candidate("broken", None, None)
    assert budget.choose([refused, ROWS[2]], {"bytes": 99_999}) is ROWS[2]
    assert "no export was accepted" in explanation({"bytes": 5}, [refused])


def test_the_front_holds_what_no_other_candidate_beats():
    assert [budget.name_of(row) for row in budget.front(ROWS, "cycles")] == ["small int8", "large int8"]
    assert [row["bytes"] for row in budget.front(ROWS, "bytes")] == [14_000, 22_000, 35_000, 41_000]
    twins = [candidate("a", 0.9, 10), candidate("b", 0.9, 10), candidate("c", 0.9, 11), candidate("d", None, 1)]
    assert [row["peer"] for row in budget.front(twins, "bytes")] == ["a", "b"]
