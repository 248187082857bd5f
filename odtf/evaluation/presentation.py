"""The result of an evaluation for people: a table, a confusion matrix as CSV, a picture."""

import csv
import io
import pathlib

from odtf import files, pictures
from odtf.tables import table

# More classes than a terminal shows at a glance: the worst are shown.
_SHOWN = 20


def render(result):
    """Returns the result of `evaluate` as text."""
    file, calibration = result["file"], result["calibration"]
    size = "x".join(map(str, file["input"]))
    lines = [
        f"{file['path']}: {size}, {file['classes']} classes, pixels by {file['pixels']}, ends in {file['scores']}",
        f"{result['data']}, {result['split']}, {result['examples']:,} images",
        "",
    ]
    rows = [("top-1", f"{result['top1']:.2%} ± {result['top1_standard_error']:.2%}")]
    if "top5" in result:
        rows.append(("top-5", f"{result['top5']:.2%}"))
    rows.append((f"calibration error (ECE, {len(calibration['bins'])} bins)", f"{calibration['ece']:.2%}"))
    rows.append(("negative log-likelihood, nats", f"{calibration['nll']:.4f}"))
    rows.append(("mean confidence", f"{calibration['mean_confidence']:.2%}"))
    if "against" in result:
        other = result["against"]
        rows.append((f"agreement with {other['file']['path']}", f"{other['agreement']:.2%}"))
        rows.append(("top-1 of that file", f"{other['top1']:.2%}"))
        rows.append(("right by this / that file alone", f"{other['only_file_right']} / {other['only_other_right']}"))
    width = max(len(name) for name, _ in rows)
    lines += [f"{name.ljust(width)}  {value}" for name, value in rows]
    return "\n".join([*lines, "", _classes(result["classes"])])


def _classes(classes):
    classes = [row for row in classes if row["examples"]]
    rows = classes if len(classes) <= _SHOWN else sorted(classes, key=lambda row: row["recall"])[:_SHOWN]
    cells = [("class", "images", "recall", "precision", "mostly taken for")]
    for row in rows:
        shares = ("-" if row[key] is None else f"{row[key]:.2%}" for key in ("recall", "precision"))
        cells.append((row["name"], f"{row['examples']:,}", *shares, row["taken_for"] or ""))
    rest = "" if len(rows) == len(classes) else f"\nThe {_SHOWN} of the worst recall; of {len(classes)} classes."
    return table(cells) + rest


def write(result, matrix, path):
    """Writes the result as JSON, the confusion matrix as CSV and, where matplotlib is installed, a picture.

    Args:
        result: what `evaluate` returned.
        matrix: the confusion matrix.
        path: of the JSON file; the others differ in the suffix.

    Returns:
        A line of text that names the files.
    """
    path = pathlib.Path(path)
    class_names = [row["name"] for row in result["classes"]]
    files.make_directory(path.parent)
    files.write_json(path, result)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["true \\ answer", *class_names])
    writer.writerows([name, *row] for name, row in zip(class_names, matrix.tolist(), strict=True))
    files.write_text(path.with_suffix(".csv"), text.getvalue())
    picture = pictures.save(path.with_suffix(".png"), _plot, result, matrix, class_names, word="picture")
    return f"All of it: {', '.join([str(path), str(path.with_suffix('.csv')), *picture])}"


def _plot(pyplot, result, matrix, class_names):
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 5), layout="constrained")
    shares = matrix / matrix.sum(axis=1, keepdims=True).clip(min=1)
    figure.colorbar(left.imshow(shares, cmap="Blues", vmin=0, vmax=1), ax=left, label="share of the true class")
    if len(class_names) <= 30:
        left.set_xticks(range(len(class_names)), class_names, rotation=90, fontsize=8)
        left.set_yticks(range(len(class_names)), class_names, fontsize=8)
    if len(class_names) <= 15:
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
    bins = [row for row in result["calibration"]["bins"] if row["examples"]]
    width = 1 / len(result["calibration"]["bins"])
    right.bar([row["above"] for row in bins], [row["accuracy"] for row in bins], width, align="edge", edgecolor="white")
    right.plot([0, 1], [0, 1], "--", color="0.4")
    right.plot([row["confidence"] for row in bins], [row["accuracy"] for row in bins], "o", color="black", markersize=4)
    right.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy")
    right.set_title(f"calibration error {result['calibration']['ece']:.2%}", fontsize=10)
    return figure
