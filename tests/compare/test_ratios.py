"""The table of ratios to one row of a comparison, by hand."""

import pytest

from odtf.compare import ratios
from odtf.errors import UserError


def figures(params, macs, value, variance=None):
    row = {"name": "peer_0", "test_miou": value, "last_test_miou": value / 2}
    row |= {} if params is None else {"params": params, "macs": macs}
    return row | ({} if variance is None else {"test_variance": variance, "last_test_variance": 1.0})


def result():
    """Two configs over two seeds; one has a teacher, which costs something, and the other an online one."""
    teacher, online = figures(100, 5000, 0.25, 0.0), figures(None, None, 0.9, 0.1)
    first = [
        {"student": figures(20, 1000, v, w), "alone": figures(20, 1000, 0.2, 0.1), "teacher": teacher}
        for v, w in ((0.5, 0.02), (0.7, 0.03))
    ]
    second = [
        {"student": figures(10, 2000, v, w), "alone": figures(10, 2000, 0.3, 0.1), "teacher": online}
        for v, w in ((0.25, 0.04), (0.7, 0.12))
    ]
    return {"seeds": [0, 1], "rows": [{"label": "one.py", "pairs": first}, {"label": "two.py", "pairs": second}]}


def cells(table):
    _, (head, *rows) = table
    return {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}


def test_figures_stand_beside_their_ratio_to_one_row():
    found = cells(ratios.table(result(), "two.py"))
    assert list(found) == ["one.py", "one.py alone", "one.py teacher", "two.py", "two.py alone", "two.py teacher"]
    assert found["one.py"]["macs"] == "1,000 (0.500)"
    assert found["one.py"]["params"] == "20 (2.000)"
    # Paired: (0.5 / 0.25 + 0.7 / 0.7) / 2, and (0.02 / 0.04 + 0.03 / 0.12) / 2.
    assert found["one.py"]["miou"] == "0.6 ± 0.14 (1.500)"
    assert found["one.py"]["variance"] == "0.025 ± 0.0071 (0.375)"
    assert found["two.py"]["miou"].endswith("(1.000)")
    # A teacher that is built from the students costs nothing of its own.
    assert found["two.py teacher"]["macs"] == "-"


def test_a_ratio_to_a_teacher_and_none_to_nothing():
    found = cells(ratios.table(result(), "one.py teacher"))
    assert found["one.py"]["macs"] == "1,000 (0.200)"
    assert found["one.py"]["variance"] == "0.025 ± 0.0071"


def test_figures_of_the_end():
    table = ratios.table(result(), "two.py alone", at_end=True)
    assert "after the last epoch" in table[0]
    found = cells(table)
    assert list(found["one.py"]) == ["params", "macs", "miou", "variance"]
    assert found["one.py alone"]["miou"] == "0.1 (0.667)"


def test_an_unknown_row():
    ratios.check(["one.py"], ["one.py", "one.py alone", "one.py teacher"])
    with pytest.raises(UserError, match=r"one of the rows one\.py, one\.py alone.*Received: 'three\.py'"):
        ratios.check(["one.py"], ["three.py"])
    pair = {"student": figures(1, 1, 1.0), "alone": {}, "teacher": None}
    lone = {"seeds": [0], "rows": [{"label": "a", "pairs": [pair]}]}
    with pytest.raises(UserError, match="Received: 'a teacher'"):
        ratios.table(lone, "a teacher")
