"""Figures of a classifier from its probabilities. Arrays in, numbers out."""

import numpy as np
from sklearn import metrics

BINS = 15


def rank(probabilities, labels):
    """How many classes stand before the true one; equal probabilities stand in the order of the classes.

    Args:
        probabilities: float array `[n, classes]`.
        labels: int array `[n]`.

    Returns:
        int array `[n]`: 0 where the answer is right, below 5 where it is among the first five.
    """
    own = np.take_along_axis(probabilities, labels[:, np.newaxis], axis=1)
    earlier = np.arange(probabilities.shape[1]) < labels[:, np.newaxis]
    return np.sum((probabilities > own) | ((probabilities == own) & earlier), axis=1)


def calibration(probabilities, labels, bins=BINS):
    """How far confidence and accuracy are apart.

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


def confusion(labels, predictions, class_names):
    """Counts which class is taken for which.

    Args:
        labels: int array `[n]`.
        predictions: int array `[n]`.
        class_names: names in the order of the labels.

    Returns:
        int array `[classes, classes]`, rows the true class and columns the answer; and a list of dicts, one for each
        class: "name", "examples", "recall" and "precision" (null where there is nothing to divide by), and
        "taken_for", the commonest wrong answer or null.
    """
    matrix = metrics.confusion_matrix(labels, predictions, labels=np.arange(len(class_names)))
    wrong = matrix - np.diag(np.diag(matrix))
    rows = []
    for i, name in enumerate(class_names):
        examples, answers, right = (int(n) for n in (matrix[i].sum(), matrix[:, i].sum(), matrix[i, i]))
        rows.append(
            {
                "name": str(name),
                "examples": examples,
                "recall": right / examples if examples else None,
                "precision": right / answers if answers else None,
                "taken_for": str(class_names[wrong[i].argmax()]) if wrong[i].any() else None,
            }
        )
    return matrix, rows
