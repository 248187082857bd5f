"""Axes of costs: few ticks, and names that lie in the plot and not on each other."""

import itertools

import pytest
from matplotlib import figure as figures
from matplotlib.backends.backend_agg import FigureCanvasAgg

from odtf.candidates import scales


def drawn(points):
    figure = figures.Figure(figsize=(4.4, 3.4), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.plot(*zip(*points, strict=True), "o")
    axes.margins(x=0.12, y=0.15)
    scales.cost_axis(axes, "cost")
    scales.name_front(axes, {point: f"a_peer_of_a_long_name_{i}" for i, point in enumerate(points)})
    canvas.draw()
    return axes


def boxes(texts):
    return [text.get_window_extent() for text in texts if text.get_text() and text.get_visible()]


FRONTS = {
    "narrow": [(12_000, 90.0), (13_000, 93.0), (14_700, 97.0)],
    "a decade": [(26_000, 90.0), (68_000, 93.0), (120_000, 94.0), (240_000, 97.0)],
    "four decades": [(1_000, 50.0), (90_000, 80.0), (5_700_000, 97.0)],
    "crowded": [(1_000 + 10 * i, 90 + 0.05 * i) for i in range(12)],
    "one": [(25_728, 97.5)],
}


@pytest.mark.parametrize("points", FRONTS.values(), ids=FRONTS)
def test_nothing_lies_on_another_thing_or_outside(points):
    axes = drawn(points)
    low, high = axes.get_xlim()
    ticks = [
        label for place, label in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True) if low <= place <= high
    ]
    assert 1 <= len(ticks) <= 8
    names = boxes(axes.texts)
    assert names
    for found in (boxes(ticks), names):
        for one, other in itertools.combinations(found, 2):
            assert not one.overlaps(other)
    whole = axes.figure.bbox
    for box in (*names, *boxes(ticks)):
        assert whole.x0 <= box.x0 and box.x1 <= whole.x1 and whole.y0 <= box.y0 and box.y1 <= whole.y1
