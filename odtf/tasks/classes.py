"""What tasks of named classes have in common: names that a file can carry, and which class is taken for which."""

import csv
import io

import numpy as np

from odtf import files
from odtf.data import naming
from odtf.errors import UserError


def check_names(info):
    """Refuses names of classes that files cannot carry as they are; data that `odtf.data.load` opened have none.

    Args:
        info: `odtf.data.Info` of the data.

    Raises:
        UserError: naming the first.
    """
    for name, text in zip(info.names, naming.cleaned(info.names, info.name), strict=True):
        if str(name) != text:
            raise UserError(f"A class name has no spaces around it. Received: {name!r} of {info.name}.")


def listed(names):
    """Returns names for a sentence, not more than ten of them."""
    shown = ", ".join(str(name) for name in names[:10])
    return shown if len(names) <= 10 else f"{shown} and {len(names) - 10} more"


# Least share of equal answers, by how a file computes. 8-bit rounding decides between classes that are nearly equal.
LEAST_AGREEMENT = {"float32": 0.99, "float16": 0.98, "int16x8": 0.95, "dynamic": 0.9, "int8": 0.85}


def is_near_chance(share, count):
    """Whether a share of right answers among so many classes is less than a quarter of the way from chance to all."""
    return count > 0 and share < 1 / count + 0.25 * (1 - 1 / count)


def has_float_softmax(target):
    """Whether a file for a target computes its softmax in float behind a network of integers, if it has one."""
    return "DEQUANTIZE" in target.operators


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
