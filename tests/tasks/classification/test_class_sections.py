"""What a page shows of a classifier."""

import types

import numpy as np
import pytest

from odtf.sections import Confusion, Figure, Gallery, Table
from odtf.tasks import Classification
from odtf.tasks.classification import class_study

NAMES = ("ash", "birch", "cedar")
LABELS = np.array([0, 0, 0, 0, 1, 1, 2])
# The answers are ash, birch (0.7), birch (0.9), birch (0.6), birch, ash, cedar.
PROBABILITIES = np.array(
    [
        *([0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.05, 0.9, 0.05], [0.3, 0.6, 0.1]),
        *([0.1, 0.8, 0.1], [0.5, 0.4, 0.1], [0.1, 0.1, 0.8]),
    ],
    np.float32,
)


def sections(pictures):
    info = types.SimpleNamespace(names=NAMES)
    study = class_study.ClassStudy(Classification(), info)
    study.add(LABELS[:4], PROBABILITIES[:4])
    study.add(LABELS[4:], PROBABILITIES[4:])
    study.pictures = pictures
    return study.sections({**study.result(), "split": "test", "examples": len(LABELS)})


def numbered(split, positions):
    """Every image is its position."""
    assert split is None
    return np.broadcast_to(np.asarray(positions, np.uint8)[:, None, None, None], (len(positions), 4, 4, 1))


def test_behind_a_cell_are_its_images_the_surest_answer_first():
    first, confusion, classes, predictions = sections(numbered)
    assert first.title == "The student on 7 images of the test split"
    assert [type(block) for block in first.blocks] == [Table, Figure]
    assert ("top-1", "42.86% ± 18.70%") in first.blocks[0].rows
    (block,) = confusion.blocks
    assert isinstance(block, Confusion) and block.names == NAMES
    np.testing.assert_array_equal(block.counts, [[1, 3, 0], [1, 1, 0], [0, 0, 1]])
    assert list(block.galleries) == [(0, 1), (1, 0)]
    gallery = block.galleries[0, 1]
    assert gallery.caption == "ash, taken for birch: 3 of 4"
    assert gallery.images[:, 0, 0, 0].tolist() == [2, 1, 3]
    assert gallery.titles == ("ash → birch, 90%", "ash → birch, 70%", "ash → birch, 60%")
    assert classes.blocks[0].rows[1] == ("ash", "4", "25.00%", "50.00%", "birch")
    assert all(isinstance(block, Gallery) for block in predictions.blocks)
    shown = [block.images[:, 0, 0, 0].tolist() for block in predictions.blocks]
    assert shown == [list(range(7)), [2, 1, 3, 5], [5, 3, 1, 0, 4, 6, 2]]


def test_without_images_the_figures_are_there():
    *_, confusion, classes = sections(None)
    assert confusion.blocks[0].galleries == {} and len(classes.blocks[0].rows) == 4


def test_the_figure_of_calibration_is_drawn():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    figure = next(block for block in sections(None)[0].blocks if isinstance(block, Figure))
    drawn = figure.draw(pyplot, *figure.arguments)
    assert drawn.axes[0].get_xlabel() == "confidence" and len(drawn.axes[0].patches) == 5
    pyplot.close(drawn)
