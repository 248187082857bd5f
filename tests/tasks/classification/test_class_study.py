"""Figures of one or two classifiers from batches of probabilities."""

import csv

import numpy as np
import pytest

from odtf.data import Info
from odtf.tasks import Classification

INFO = Info("x", (8, 8, 1), tuple("abcdef"))


def study(*batches):
    made = Classification().study(INFO)
    for batch in batches:
        made.add(*batch)
    return made


def test_equal_probabilities_stand_in_the_order_of_the_classes():
    equal = np.full((6, 6), 1 / 6)
    found = study((np.arange(6), equal)).result()
    assert (found["top1"], found["top5"]) == (pytest.approx(1 / 6), pytest.approx(5 / 6))
    assert found["top1_standard_error"] == pytest.approx(np.sqrt(5 / 36 / 6))
    assert [row["taken_for"] for row in found["classes"]] == [None, *"aaaaa"]


def test_batches_add_up_to_the_whole(tmp_path):
    random = np.random.default_rng(0)
    first, second = random.dirichlet(np.ones(6), (2, 50))
    labels = random.integers(0, 6, 50)
    parts = [(labels[i : i + 20], first[i : i + 20], second[i : i + 20]) for i in (0, 20, 40)]
    whole, made = study((labels, first, second)), study(*parts)
    result = made.result()
    assert result == whole.result()
    one, other = first.argmax(axis=1), second.argmax(axis=1)
    assert result["top1"] == np.mean(one == labels)
    against = result["against"]
    assert (against["top1"], against["agreement"]) == (np.mean(other == labels), np.mean(one == other))
    assert against["only_file_right"] - against["only_other_right"] == np.sum(one == labels) - np.sum(other == labels)
    assert against["mean_probability_gap"] == pytest.approx(np.mean(np.abs(first - second).max(axis=1)))

    made.write({"split": "test", **result}, tmp_path / "x.json")
    with open(tmp_path / "x.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0][1:] == list("abcdef")
    matrix = np.zeros((6, 6), int)
    np.add.at(matrix, (labels, one), 1)
    assert np.array_equal(np.array(rows[1:])[:, 1:].astype(int), matrix)
