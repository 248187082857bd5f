"""The confusion matrix of a classifier as CSV, and a picture of it and of calibration."""

from odtf import pictures
from odtf.tasks import classes


def write(result, matrix, path):
    """Writes the files beside the JSON of a result.

    Args:
        result: of a `ClassStudy`, with the "split".
        matrix: int array `[classes, classes]`, rows the true class and columns the answer.
        path: `pathlib.Path` of the JSON; the others differ in the suffix.

    Returns:
        list of str: the paths, or in place of the picture's what to install for it.
    """
    names = [row["name"] for row in result["classes"]]
    table = classes.write_confusion(matrix, names, path.with_suffix(".csv"))
    picture = pictures.save(path.with_suffix(".png"), _plot, result, matrix, names, word="picture")
    return [table, *picture]


def _plot(pyplot, result, matrix, names):
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 5), layout="constrained")
    shares = matrix / matrix.sum(axis=1, keepdims=True).clip(min=1)
    figure.colorbar(left.imshow(shares, cmap="Blues", vmin=0, vmax=1), ax=left, label="share of the true class")
    if len(names) <= 30:
        left.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
        left.set_yticks(range(len(names)), names, fontsize=8)
    if len(names) <= 15:
        for i, j in zip(*matrix.nonzero(), strict=True):
            left.text(
                j,
                i,
                matrix[i, j],
                ha="center",
                va="center",
                fontsize=7,
                color="white" if shares[i, j] > 0.5 else "black",
            )
    left.set_xlabel("answer")
    left.set_ylabel("true class")
    left.set_title(f"{result['split']}: top-1 {result['top1']:.2%}", fontsize=10)
    draw_calibration(right, result["calibration"])
    return figure


def draw_calibration(axes, calibration, color="black"):
    """Draws accuracy by confidence: bars, and a dot for each bin at its mean confidence.

    Args:
        axes: matplotlib's.
        calibration: that of a `ClassStudy`.
        color: of the dots.
    """
    bins = [row for row in calibration["bins"] if row["examples"]]
    width = 1 / len(calibration["bins"])
    axes.bar([row["above"] for row in bins], [row["accuracy"] for row in bins], width, align="edge", edgecolor="white")
    axes.plot([0, 1], [0, 1], "--", color="0.4")
    axes.plot([row["confidence"] for row in bins], [row["accuracy"] for row in bins], "o", color=color, markersize=4)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy")
    axes.set_title(f"calibration error {calibration['ece']:.2%}", fontsize=10)
