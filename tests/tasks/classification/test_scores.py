"""Scores of a file as probabilities of the classes of the data."""

import types

import numpy as np
import pytest

from odtf.data import Info
from odtf.errors import UserError
from odtf.tasks.classification.scores import Probabilities


def file(count, names=None, scale=0.0):
    output = {"shape": np.array([1, count]), "quantization": (scale, 0)}
    return types.SimpleNamespace(path="x.tflite", output=output, names=names, content=b"")


def reader(file, names, scores="logits", **options):
    return Probabilities(file, Info("x", (8, 8, 1), tuple(names)), scores=scores, **options)


def test_outputs_are_found_by_their_names_or_by_position():
    order = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]
    named = file(10, [str(i) for i in order])
    assert [order[i] for i in reader(named, "0123456789").columns] == list(range(10))
    # Names that are none of the data's say nothing.
    assert reader(named, [f"n{i}" for i in range(10)]).columns.tolist() == list(range(10))
    # A background class may stand anywhere where names say which it is.
    assert reader(file(3, ["b", "none", "a"]), "ab").columns.tolist() == [2, 0]


def test_other_numbers_of_classes_are_refused_or_shifted():
    assert reader(file(10), "abcdefghi", label_offset=1).columns.tolist() == list(range(1, 10))
    with pytest.raises(UserError, match=r"tells 9 classes apart\. One more may be a background.*with 10"):
        reader(file(10), "abcdefghi")
    with pytest.raises(UserError, match=r"tells 2 classes apart\. Received: .*with 10"):
        reader(file(10), ["ash", "birch"])
    with pytest.raises(UserError, match=r"tells 11 classes apart\. Received: .*with 10"):
        reader(file(10), "abcdefghij", label_offset=1)


def test_background_loses_its_share():
    answers = np.log([[0.5, 0.3, 0.2], [0.1, 0.0009, 0.8991]])
    found = reader(file(3), "ab", label_offset=1)(answers)
    assert found == pytest.approx(np.array([[0.6, 0.4], [0.001, 0.999]]))


def test_a_probability_of_zero_is_half_a_step():
    answers = np.array([[0.0, 1.0]])
    assert reader(file(2, scale=1 / 256), "ab", "probabilities")(answers)[0, 0] == pytest.approx(1 / 513)
    assert reader(file(2), "ab", "probabilities")(answers)[0, 0] == pytest.approx(1e-7, rel=1e-6)


def test_a_map_is_no_classifier():
    wide = file(2)
    wide.output["shape"] = np.array([1, 4, 4, 2])
    with pytest.raises(UserError, match=r"gives \[1, classes\] scores\. Received: \[1, 4, 4, 2\] in x\.tflite"):
        reader(wide, "ab")
