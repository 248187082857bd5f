"""How long is left, by a clock that the test moves."""

import pytest

from odtf.compare.remaining import Remaining, duration


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def work(remaining, clock, row, seconds, known=0.0):
    remaining.begin()
    clock.now += seconds
    remaining.end(row, known)


def test_what_is_left_follows_from_what_took_how_long():
    clock = Clock()
    remaining = Remaining([10, 30], 3, clock)
    assert (remaining.seconds, remaining.words()) == (None, "")
    work(remaining, clock, 0, 100.0)
    # Two more of the first row, and three of thrice the work.
    assert remaining.seconds == pytest.approx(2 * 100 + 3 * 300)
    assert remaining.words() == "about 18 min left"
    work(remaining, clock, 0, 140.0)
    work(remaining, clock, 0, 120.0)
    assert remaining.seconds == pytest.approx(3 * 360)
    work(remaining, clock, 1, 50.0)
    assert remaining.seconds == pytest.approx(2 * 50)
    work(remaining, clock, 1, 50.0)
    work(remaining, clock, 1, 50.0)
    assert (remaining.seconds, remaining.words()) == (0, "")


def test_what_was_trained_before_counts_with_its_own_seconds():
    clock = Clock()
    remaining = Remaining([1], 4, clock)
    work(remaining, clock, 0, 0.1, known=60.0)
    assert remaining.seconds == pytest.approx(180)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (5000, "83 min"), (11_100, "3 h 05 min")]
)
def test_durations(seconds, words):
    assert duration(seconds) == words
