"""Judging a file by its task: from its raw answers to outputs, and from outputs to figures, a table and files."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

import numpy as np

from odtf import pictures
from odtf.metrics import joined_of, merged, references_of, referring_to, results, sums_of
from odtf.sections import Figure, Section, Table

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from odtf.data import Info
    from odtf.losses.tensors import Targets
    from odtf.tasks import Task


_SHOWN = 6


class Reader:
    """Makes of a file's raw answers what the metrics of its task take; here, the answers themselves.

    Attributes:
        facts: dict that JSON can hold, what there is to say of the file beside its size and its pixels.
    """

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {}

    def __call__(self, answers: np.ndarray) -> np.ndarray:
        """Returns the outputs, an array `[n, ...]`.

        Args:
            answers: float64 array `[n, ...]`, the file's output as real numbers.
        """
        return answers


class Study:
    """Metrics of one or two files over a split, batch by batch, and how they are shown; here, those of the task.

    Args:
        task: `Task`.
        info: `odtf.data.Info` of the data.

    Attributes:
        metrics: mapping from name to `Metric`.
        pictures: callable `pictures(split, positions)` that returns images that were judged, uint8
            `[n, height, width, channels]`, by their positions in the order in which they were; `split` is one of
            `references`, or None for the images that `add` took. None where the images cannot be had again.
    """

    pictures: Callable[[str | None, np.ndarray], np.ndarray] | None = None

    def __init__(self, task: Task, info: Info) -> None:
        self.metrics = dict(task.metrics)
        self.info = info
        self._agreement = {"agreement": task.agreement} if task.agreement else {}
        self._sums: dict[str, Any] = {}

    @property
    def references(self) -> dict[str, int | None]:
        """The splits that metrics have as their reference: name -> how many examples at most, None for all."""
        return references_of(self.metrics)

    def add(self, targets: Targets, outputs: np.ndarray, other: np.ndarray | None = None) -> None:
        """Takes a batch of the split.

        Args:
            targets: the targets, as the data have them.
            outputs: array `[n, ...]`, as a `Reader` gives it.
            other: the same of the file that this one is compared with, or None.
        """
        self._keep("file", self.metrics, targets, outputs)
        if other is not None:
            self._keep("against", self.metrics, targets, other)
            self._keep("agreement", self._agreement, other, outputs)

    def refer(self, split: str, targets: Targets, outputs: np.ndarray, other: np.ndarray | None = None) -> None:
        """Takes a batch of a split that is one of `references`, as `add` does."""
        metrics = referring_to(split, self.metrics)
        self._keep(f"file, {split}", metrics, targets, outputs)
        if other is not None:
            self._keep(f"against, {split}", metrics, targets, other)

    def result(self) -> dict[str, Any]:
        """Computes the figures.

        Returns:
            dict that JSON can hold: each metric by its name and, where there is another file, "against": a dict of the
            same for that, with "agreement" where the task knows what that is.

        Raises:
            ValueError: if there was no example.
        """
        found = self._results("file", self.metrics)
        if "against" in self._sums:
            agreement = self._results("agreement", self._agreement) if self._agreement else {}
            found["against"] = {**self._results("against", self.metrics), **agreement}
        return found

    def rows(self, result):
        """Returns the table for people, a list of (name, value).

        Args:
            result: what `result` returned, where "against" has the "file" it is about.
        """
        rows = [(self._title(name), metric.text(result[name])) for name, metric in self.metrics.items()]
        if "against" in result:
            other = result["against"]
            rows += [
                (f"agreement with {other['file']['path']}", metric.text(other[name]))
                for name, metric in self._agreement.items()
            ]
            rows += [
                (f"{self._title(name)} of {other['file']['path']}", metric.text(other[name]))
                for name, metric in self.metrics.items()
            ]
        return rows

    def details(self, result):
        """Returns text that stands below the table, or an empty one."""
        return ""

    def write(self, result, path):
        """Writes what goes beside the JSON of a result.

        Args:
            result: as in `rows`.
            path: `pathlib.Path` of the JSON; others differ in the suffix.

        Returns:
            list of str, the paths written.
        """
        return []

    def sections(self, result):
        """Returns what a page shows of the answers, a list of `odtf.sections.Section`.

        Args:
            result: what `result` returned, with the "split" and the "examples" it is of.
        """
        return [Section(judged_on(result), (Table(self.rows(result), heading=False),))]

    def _title(self, name):
        return self.metrics[name].title or name

    def _keep(self, role, metrics, targets, outputs):
        weights = np.ones(len(outputs), np.float32)
        self._sums.setdefault(role, []).append(sums_of(metrics, targets, outputs, weights))

    def _results(self, role, metrics):
        references = {split: self._total(f"{role}, {split}", metrics) for split in references_of(metrics)}
        return results(self._total(role, metrics), metrics, references)

    def _total(self, role, metrics):
        return merged(self._sums.get(role, ()), joined_of(metrics))


class PictureStudy(Study):
    """A study that shows the first images with what `task.draw` makes of them, where matplotlib is installed.

    Args:
        task: `Task` that draws.
        info: `odtf.data.Info` of the data.
    """

    def __init__(self, task, info):
        super().__init__(task, info)
        self._task, self._first = task, []

    def truth(self, targets):
        """Returns what the picture shows beside an image: its targets, or a part of them."""
        return targets

    def add(self, targets, outputs, other=None):
        super().add(targets, outputs, other)
        if not self._first:
            given = (self.truth(targets), outputs, *(() if other is None else (other,)))
            self._first = [np.array(part[:_SHOWN]) for part in given]

    def write(self, result, path):
        """Writes the picture, if the images can be had again."""
        if self.pictures is None:
            return []
        truth, outputs, *others = self._first
        answers = {_name_of(result["against"]): one for one in others}
        answers[_name_of(result)] = outputs
        images = self.pictures(None, np.arange(len(outputs)))
        path = path.with_suffix(".png")
        return pictures.save(path, self._task.draw, self.info, images, truth, answers, word="picture")

    def sections(self, result):
        drawn = super().sections(result)
        if self.pictures is not None:
            truth, outputs, *_ = self._first
            images = self.pictures(None, np.arange(len(outputs)))
            arguments = self.info, images, truth, {"student": outputs}
            figure = Figure("The first images, and what the student makes of them.", self._task.draw, arguments, True)
            drawn.append(Section("Pictures", (figure,)))
        return drawn


def judged_on(result):
    """Returns the title of a section on a result: the split that it is of, and how many images."""
    return f"The student on {result['examples']:,} images of the {result['split']} split"


def _name_of(result):
    """The folder of the file that was judged, which is named after its target, and its name."""
    return "/".join(pathlib.Path(result["file"]["path"]).parts[-2:])
