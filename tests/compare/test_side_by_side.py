"""Tables over rows, by hand: methods on one student, and the gain against the number of images."""

import pytest

from odtf.compare import images_plot, side_by_side
from odtf.compare.spreads import paired, spread_of

METRIC = {"name": "q", "title": "quality", "better": "max", "share": True}


def row(label, students, alone=0.5, images=None, peer=None, network=None):
    gains = [value - alone for value in students]
    return {
        "label": label,
        "method": label.title(),
        "peer": peer,
        "images": images,
        "train_images": None,
        "network": network or {"name": "n", "depth": 8},
        "pairs": [{"student": {"test_q": value}} for value in students],
        "val_student": spread_of(students),
        "test_alone": spread_of([alone] * len(students)),
        "test_student": spread_of(students),
        "test_gain": paired(gains),
        "seconds": {"run": 10.0, "alone": 5.0, "ratio": 2.0},
    }


def cells(tables):
    """Returns the rows of the only table."""
    ((_, rows),) = tables
    return rows


def test_methods_on_one_student_stand_in_the_order_of_validation():
    rows = [
        row("one", [0.60, 0.70]),
        row("two", [0.65, 0.73]),
        row("two: peer_1", [0.1, 0.1], peer="peer_1"),
        row("other", [0.9, 0.9], network={"name": "n", "depth": 14}),
    ]
    ((text, (head, *lines)),) = side_by_side.tables({"metric": METRIC, "rows": rows})
    assert [line[1] for line in lines] == ["two", "one"]
    assert all(len(line) == len(head) for line in lines)
    # Behind by 5 and 3 points: mean 4, and 12.706 * 1.4142 / sqrt(2) to either side.
    assert lines[1][6:8] == ("-4.00 ± 1.41", "-16.71 to +8.71")
    assert lines[0][6:8] == ("", "")
    assert "n, depth=8" in text


def test_where_less_is_better_the_least_is_the_best():
    rows = [row("one", [3.0, 5.0], 6.0), row("two", [2.0, 4.5], 6.0)]
    metric = {**METRIC, "better": "min", "share": False}
    lines = cells(side_by_side.tables({"metric": metric, "rows": rows}))[1:]
    assert [line[1] for line in lines] == ["two", "one"]
    found = side_by_side.differences(rows[0], rows[1], metric)
    assert (found["mean"], found["least"]) == pytest.approx((-0.75, -1.0))


def test_one_method_has_nothing_beside_it():
    result = {"metric": METRIC, "rows": [row("one", [0.6]), row("two", [0.6], images=100)]}
    assert side_by_side.tables(result) == []
    ensembles = [row(label, [0.6], network=[{"name": "n"}] * 2) for label in ("one", "two")]
    assert side_by_side.tables({"metric": METRIC, "rows": ensembles}) == []


def fractions():
    rows = [row("a images=1000", [0.7, 0.8], images=1000), row("a images=all", [0.6, 0.61])]
    return {"metric": METRIC, "rows": [*rows[::-1], row("b", [0.5])]}


def test_gains_against_the_number_of_images():
    head, *lines = cells(images_plot.tables(fractions()))
    assert head[:2] == ("config", "images")
    assert [line[:2] for line in lines] == [("a", "1,000"), ("a", "all")]
    assert lines[0][4] == "+25.00 ± 7.07"
    assert images_plot.tables({"metric": METRIC, "rows": [row("b", [0.5])]}) == []


def test_the_plot_has_a_line_for_each_config():
    from matplotlib import pyplot

    result = fractions()
    result["rows"][0]["train_images"] = 4000
    figure = images_plot.draw(pyplot, result)
    (axes,) = figure.axes
    unit = " (points)" if METRIC["share"] else ""
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("training images", f"gain in test {METRIC['title']}{unit}")
    assert axes.get_xscale() == "log"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a"]
    assert axes.containers[0].lines[0].get_xdata().tolist() == [1000, 4000]
    assert axes.containers[0].lines[0].get_ydata() == pytest.approx([25.0, 10.5])
    pyplot.close(figure)
    assert images_plot.draw(pyplot, {"metric": METRIC, "rows": [row("b", [0.5])]}) is None
