"""Judging a classifier: accuracy, calibration, which class is taken for which, and whom another file agrees with."""

import numpy as np

from odtf.metrics import TopK
from odtf.tables import table
from odtf.tasks.classification import class_sections, confusion_files, figures
from odtf.tasks.study import Study

# More classes than a terminal shows at a glance: the worst are shown.
_SHOWN = 20


class ClassStudy(Study):
    """Figures of one or two classifiers from their probabilities.

    The result has these keys, which are stable; keys may be added:

        top1, top1_standard_error, top5 (where there are more than 5 classes)
        calibration  ece, nll (nats), mean_confidence, bins: for each above, upto, examples, accuracy, confidence
        classes      for each: name, examples, recall, precision, taken_for
        against      top1, top1_standard_error, top5, agreement, only_file_right, only_other_right, mean_probability_gap

    Args:
        task: `Classification`.
        info: `odtf.data.Info`, whose names are the classes.
    """

    def __init__(self, task, info):
        super().__init__(task, info)
        if len(info.names) > 5:
            self.metrics["top5"] = TopK(5)
        self._batches = []

    def add(self, targets, outputs, other=None):
        super().add(targets, outputs, other)
        self._batches.append((targets, outputs) if other is None else (targets, outputs, other))

    def result(self):
        found = super().result()
        # Labels `[n]`, then the probabilities `[n, classes]` of each file.
        labels, first, *second = (np.concatenate(part) for part in zip(*self._batches, strict=True))
        self._confusion = figures.confusion(labels, first.argmax(axis=1), len(self.info.names))
        result = {
            **_accuracies(found, len(labels)),
            "calibration": figures.calibration(first, labels),
            "classes": figures.by_class(self._confusion, self.info.names),
        }
        if second:
            result["against"] = {**_accuracies(found["against"], len(labels)), **_compare(first, *second, labels)}
        return result

    def rows(self, result):
        calibration = result["calibration"]
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
            rows.append(
                ("right by this / that file alone", f"{other['only_file_right']} / {other['only_other_right']}")
            )
        return rows

    def details(self, result):
        classes = [row for row in result["classes"] if row["examples"]]
        rows = classes if len(classes) <= _SHOWN else sorted(classes, key=lambda row: row["recall"])[:_SHOWN]
        rest = "" if len(rows) == len(classes) else f"\nThe {_SHOWN} of the worst recall; of {len(classes)} classes."
        return table(_cells(rows)) + rest

    def sections(self, result):
        (first,) = super().sections(result)
        labels, probabilities = (np.concatenate(part) for part in list(zip(*self._batches, strict=True))[:2])
        cells = _cells([row for row in result["classes"] if row["examples"]])
        answered = labels, probabilities, self._confusion
        return class_sections.sections(first, cells, result, answered, self.pictures)

    def write(self, result, path):
        """Writes the confusion matrix as CSV and, where matplotlib is installed, a picture of it and of calibration."""
        return confusion_files.write(result, self._confusion, path)

    def confusion(self):
        """Returns the confusion matrix of the last `result`, int `[classes, classes]`, rows the true class."""
        return self._confusion


def _cells(rows):
    """Returns the rows of classes as a table shows them, under a heading."""
    cells = [("class", "images", "recall", "precision", "mostly taken for")]
    for row in rows:
        shares = ("-" if row[key] is None else f"{row[key]:.2%}" for key in ("recall", "precision"))
        cells.append((row["name"], f"{row['examples']:,}", *shares, row["taken_for"] or ""))
    return cells


def _accuracies(found, count):
    """The accuracies among metrics, with the standard error of the first from `count` examples."""
    result = {"top1": found["top1"], "top1_standard_error": float(np.sqrt(found["top1"] * (1 - found["top1"]) / count))}
    return {**result, **{key: found[key] for key in ("top5", "agreement") if key in found}}


def _compare(first, second, labels):
    one, other = first.argmax(axis=1), second.argmax(axis=1)
    return {
        "only_file_right": int(np.sum((one == labels) & (other != labels))),
        "only_other_right": int(np.sum((one != labels) & (other == labels))),
        "mean_probability_gap": float(np.mean(np.abs(first - second).max(axis=1))),
    }
