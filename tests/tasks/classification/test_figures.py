"""Calibration and confusion by hand."""

import numpy as np
import pytest

from odtf.tasks.classification import figures


def test_calibration_error_by_hand():
    # Bins of 0.2: (0.6, 0.8] holds 0.7 and 0.8, (0.8, 1] holds 0.9; 0.8 belongs to the lower one.
    probabilities = np.array([[0.7, 0.3], [0.2, 0.8], [0.9, 0.1], [0.6, 0.4]])
    found = figures.calibration(probabilities, np.array([0, 0, 0, 1]), bins=5)
    assert [row["examples"] for row in found["bins"]] == [0, 0, 1, 2, 1]
    assert found["ece"] == pytest.approx((abs(0 - 0.6) + 2 * abs(0.5 - 0.75) + abs(1 - 0.9)) / 4)
    assert found["nll"] == pytest.approx(-np.mean(np.log([0.7, 0.2, 0.9, 0.4])))
    assert found["bins"][0]["accuracy"] is None
    assert found["mean_confidence"] == pytest.approx(0.75)


def test_calibrated_answers_have_no_calibration_error():
    random = np.random.default_rng(0)
    confidence = random.uniform(0.5, 1.0, 50_000)
    labels = (random.uniform(size=50_000) > confidence).astype(int)
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    assert figures.calibration(probabilities, labels)["ece"] < 0.01
    assert figures.calibration(probabilities, 1 - labels)["ece"] > 0.4


def test_confusion_of_a_class_without_images():
    matrix = figures.confusion(np.array([0, 0, 1]), np.array([0, 2, 2]), 3)
    rows = figures.by_class(matrix, ["a", "b", "c"])
    assert matrix.tolist() == [[1, 0, 1], [0, 0, 1], [0, 0, 0]]
    assert rows[0] == {"name": "a", "examples": 2, "recall": 0.5, "precision": 1.0, "taken_for": "c"}
    assert (rows[1]["precision"], rows[2]["recall"], rows[2]["precision"]) == (None, None, 0.0)


def test_calibration_where_a_class_is_on_no_image():
    probabilities = np.array([[0.7, 0.1, 0.2], [0.3, 0.3, 0.4]])
    found = figures.calibration(probabilities, np.array([0, 2]))
    assert found["nll"] == pytest.approx(-np.mean(np.log([0.7, 0.4])))
