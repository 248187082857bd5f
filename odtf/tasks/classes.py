"""What tasks of named classes have in common: names that a file can carry, and which class is taken for which."""

import csv
import io

import numpy as np

from odtf import files
from odtf.errors import UserError


def check_names(names):
    """Refuses names of classes that a file of labels, one a line, cannot have.

    Raises:
        UserError: naming the first.
    """
    for name in names:
        if not str(name).strip() or len(str(name).splitlines()) != 1:
            raise UserError(f"A class name is one line of text, not empty. Received: {name!r}")


def listed(names):
    """Returns names for a sentence, not more than ten of them."""
    shown = ", ".join(str(name) for name in names[:10])
    return shown if len(names) <= 10 else f"{shown} and {len(names) - 10} more"


def softmax(logits):
    """Returns the probabilities of logits, numpy arrays `[..., classes]`."""
    raised = np.exp(logits - logits.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


def taken_for(matrix, names):
    """Returns the commonest wrong answer to each class, a list of str, None for a class that is always right.

    Args:
        matrix: int array `[classes, classes]`, rows the true class and columns the answer.
        names: of the classes, in their order.
    """
    wrong = matrix - np.diag(np.diag(matrix))
    return [str(names[row.argmax()]) if row.any() else None for row in wrong]


def write_confusion(matrix, names, path):
    """Writes which class is taken for which as CSV.

    Args:
        matrix, names: as for `taken_for`.
        path: `pathlib.Path`.

    Returns:
        The path, as text.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["true \\ answer", *names])
    writer.writerows([name, *row] for name, row in zip(names, matrix.tolist(), strict=True))
    files.write_text(path, text.getvalue())
    return str(path)
