"""Judging a segmenter: the overlap of each class, and which class is taken for which."""

import numpy as np

from odtf.errors import UserError
from odtf.sections import Section, Table
from odtf.tables import table
from odtf.tasks import classes
from odtf.tasks.segmentation.overlap import class_overlap
from odtf.tasks.study import PictureStudy, Reader


class MaskReader(Reader):
    """Makes scores of the answers of a file, which may be classes.

    Args:
        task: `Segmentation`.
        file: `odtf.evaluation.ImageFile`.
        info: `odtf.data.Info` of the data.

    Raises:
        UserError: if the file does not answer for every pixel, or for other classes.
    """

    def __init__(self, task, file, info):
        shape = tuple(int(size) for size in file.output["shape"])
        wanted = (1, *file.image_size), (1, *file.image_size, len(info.names))
        if shape not in wanted:
            raise UserError(
                f"A segmenter for these data gives {wanted[1]}, scores, or {wanted[0]}, classes. "
                f"Received: {shape} in {file.path}."
            )
        self._task, self._info = task, info
        self.facts = {"classes": len(info.names), "answers": "scores" if len(shape) == 4 else "classes"}

    def __call__(self, answers):
        return self._task.comparable(answers, self._info)


class MaskStudy(PictureStudy):
    """The metrics of the task, and these keys, which are stable; keys may be added:

        classes      for each: name, pixels (of the truth), iou (null where the class is neither there nor answered),
                     recall (null where it is not there), taken_for, the commonest wrong answer or null
        against      likewise, for the other file

    Args:
        task: `Segmentation`.
        info: `odtf.data.Info`, whose names are the classes.
    """

    def result(self):
        result = super().result()
        result["classes"] = self._classes("file")
        if "against" in result:
            result["against"]["classes"] = self._classes("against")
        return result

    def confusion(self, role="file"):
        """Returns which class is taken for which so far, int64 `[classes, classes]` of pixels, rows the true class."""
        return self._total(role, self.metrics)[f"{self.metrics['miou'].kept_as}/confusion"].astype(np.int64)

    def _classes(self, role):
        matrix = self.confusion(role)
        overlaps, wrong = class_overlap(matrix), classes.taken_for(matrix, self.info.names)
        return [
            {
                "name": str(name),
                "pixels": int(matrix[i].sum()),
                "iou": None if np.isnan(overlaps[i]) else float(overlaps[i]),
                "recall": float(matrix[i, i] / matrix[i].sum()) if matrix[i].any() else None,
                "taken_for": wrong[i],
            }
            for i, name in enumerate(self.info.names)
        ]

    def details(self, result):
        return table(self._cells(result))

    def _cells(self, result):
        cells = [("class", "pixels", "IoU", "recall", "mostly taken for")]
        for row in result["classes"]:
            shares = ("-" if row[key] is None else f"{row[key]:.2%}" for key in ("iou", "recall"))
            cells.append((row["name"], f"{row['pixels']:,}", *shares, row["taken_for"] or ""))
        return cells

    def sections(self, result):
        first, *others = super().sections(result)
        return [first, *others, Section("Classes", (Table(self._cells(result)),))]

    def write(self, result, path):
        """Writes the confusion matrix, in pixels, as CSV and, where matplotlib is installed, a picture of masks."""
        names = [row["name"] for row in result["classes"]]
        matrix = classes.write_confusion(self.confusion(), names, path.with_suffix(".csv"))
        return [matrix, *super().write(result, path)]
