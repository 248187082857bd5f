"""Figures of a classifier from its probabilities. Arrays in, numbers out."""

import numpy as np
from sklearn import metrics

from odtf.tasks.classes import taken_for

BINS = 15


def calibration(probabilities, labels, bins=BINS):
    """Measures how far confidence and accuracy are apart.

    Args:
        probabilities: float array `[n, classes]`, every row with the sum 1.
        labels: int array `[n]`.
        bins: number of bins of equal width, of the largest probability: (0, 1/bins], ..., (1 - 1/bins, 1].

    Returns:
        dict: "ece", the mean over all examples of |accuracy - mean confidence| of their bin; "nll", the mean negative
        logarithm of the true class's probability, in nats; "mean_confidence"; "bins", a list of dicts with "above",
        "upto", "examples", "accuracy" and "confidence" (null in an empty bin).

    Reference:
        Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", 2017, equation 3.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    edges = np.arange(bins + 1) / bins
    # Searched among the edges themselves: a product with `bins` would round 3/15 into the bin above.
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    rows, apart = [], 0.0
    for i in range(bins):
        inside = place == i
        count = int(inside.sum())
        accuracy, mean = (float(right[inside].mean()), float(confidence[inside].mean())) if count else (None, None)
        apart += count * abs(accuracy - mean) if count else 0.0
        row = {"above": i / bins, "upto": (i + 1) / bins, "examples": count}
        rows.append({**row, "accuracy": accuracy, "confidence": mean})
    nll = metrics.log_loss(labels, probabilities, labels=np.arange(probabilities.shape[1]))
    return {
        "ece": apart / len(labels),
        "nll": float(nll),
        "mean_confidence": float(confidence.mean()),
        "bins": rows,
    }


def confusion(labels, predictions, num_classes):
    """Counts which class is taken for which.

    Args:
        labels: int array `[n]`.
        predictions: int array `[n]`.
        num_classes: int.

    Returns:
        int array `[classes, classes]`, rows the true class and columns the answer.
    """
    return metrics.confusion_matrix(labels, predictions, labels=np.arange(num_classes))


def by_class(matrix, names):
    """Returns recall and precision of every class.

    Args:
        matrix: int array `[classes, classes]`, as `confusion` returns it.
        names: of the classes, in their order.

    Returns:
        list of dicts, one for each class: "name", "examples", "recall" and "precision" (null where there is nothing to
        divide by), and "taken_for", the commonest wrong answer or null.
    """
    rows, wrong = [], taken_for(matrix, names)
    for i, name in enumerate(names):
        examples, answers, right = (int(n) for n in (matrix[i].sum(), matrix[:, i].sum(), matrix[i, i]))
        rows.append(
            {
                "name": str(name),
                "examples": examples,
                "recall": right / examples if examples else None,
                "precision": right / answers if answers else None,
                "taken_for": wrong[i],
            }
        )
    return rows
