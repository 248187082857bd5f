"""Sections of a page on a classifier: figures, confusion with the images behind its cells, calibration, predictions."""

import numpy as np

from odtf.sections import Confusion, Figure, Gallery, Section, Table
from odtf.tasks.classification import confusion_files

# Images behind a cell, and cells that have some: more would not fit into a page.
_BEHIND = 6
_CELLS = 60
_PREDICTIONS = 12


def sections(first, classes, result, answered, pictures):
    """Returns the sections.

    Args:
        first: `Section` with the table of figures.
        classes: rows of the table by class, the heading first.
        result: of a `ClassStudy`.
        answered: (labels `[n]`, probabilities `[n, classes]`, confusion matrix).
        pictures: as `Study.pictures`, or None.
    """
    labels, probabilities, matrix = answered
    names = tuple(row["name"] for row in result["classes"])
    answers = probabilities.argmax(axis=1)

    def gallery(caption, positions):
        titles = tuple(f"{names[labels[i]]} → {names[answers[i]]}, {probabilities[i].max():.0%}" for i in positions)
        return Gallery(caption, pictures(None, positions), titles)

    behind, predicted = {}, ()
    if pictures is not None:
        behind = {
            cell: gallery(_told(cell, names, matrix), positions)
            for cell, positions in _behind(labels, answers, probabilities, matrix).items()
        }
        predicted = _predictions(labels, answers, probabilities, gallery)
    calibration = Figure(
        "Accuracy by confidence; on the dashed line a classifier means what it says.", _draw, (result,)
    )
    return [
        Section(first.title, (*first.blocks, calibration)),
        Section("Which class is taken for which", (Confusion(names, matrix, behind),)),
        Section("Classes", (Table(classes),)),
        *([Section("Predictions", predicted)] if predicted else []),
    ]


def _draw(pyplot, result):
    figure, axes = pyplot.subplots(figsize=(4.2, 3.4), layout="constrained")
    confusion_files.draw_calibration(axes, result["calibration"], pyplot.rcParams["text.color"])
    return figure


def _behind(labels, answers, probabilities, matrix):
    """Returns (row, column) -> positions of the images of a cell, the surest answer first: of the fullest cells."""
    wrong = matrix - np.diag(np.diag(matrix))
    cells = [divmod(int(i), len(matrix)) for i in np.argsort(-wrong, axis=None, kind="stable")[:_CELLS]]
    found = {}
    for row, column in cells:
        if wrong[row, column]:
            inside = np.flatnonzero((labels == row) & (answers == column))
            found[row, column] = inside[np.argsort(-probabilities[inside, column], kind="stable")][:_BEHIND]
    return found


def _told(cell, names, matrix):
    row, column = cell
    return f"{names[row]}, taken for {names[column]}: {matrix[cell]} of {matrix[row].sum()}"


def _predictions(labels, answers, probabilities, gallery):
    """Returns galleries of the surest errors, the least sure answers, and some as they come."""
    confidence, right = probabilities.max(axis=1), answers == labels
    wrong = np.flatnonzero(~right)
    surest = wrong[np.argsort(-confidence[wrong], kind="stable")][:_PREDICTIONS]
    unsure = np.argsort(confidence, kind="stable")[:_PREDICTIONS]
    chosen = [("The first images: the true class, the answer and its probability.", np.arange(len(labels)))]
    chosen += [("The surest of the wrong answers.", surest), ("The least sure answers, right or wrong.", unsure)]
    return tuple(gallery(caption, positions[:_PREDICTIONS]) for caption, positions in chosen if len(positions))
