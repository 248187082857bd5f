"""The page of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odtf import paths
from odtf.errors import UserError
from odtf.page import curves, html, run_sections, smaller, training_log
from odtf.sections import Note, Picture, Section
from odtf.training.progress_pictures import drawn
from odtf.training.report import metric_of, shown

if TYPE_CHECKING:
    import pathlib

    from odtf.models.annotations import Path
    from odtf.runs import Run


_PICTURES = 6


def write(run: Run, path: Path, *, split: str = "test", max_examples: int = 10_000) -> str:
    """Writes the page of a finished run.

    Args:
        run: `odtf.runs.Run`.
        path: of the file.
        split: name of the split that the student is shown on.
        max_examples: a seeded choice of at most so many of its images; 0 reads no data, and no network answers.

    Returns:
        A line of text that names the file, and says what is missing in it.

    Raises:
        UserError: if the file cannot be written.
    """
    report, metric = run.report, metric_of(run.report)
    networks = [*run.peers, "teacher"]
    student = report["student"]
    log = training_log.read(run.workdir, networks)
    sections = [
        run_sections.remarks(report),
        run_sections.networks(report),
        *smaller.sections(run, builds=max_examples != 0),
        *curves.sections(log, metric, (student["name"], student["epoch"])),
        *_along_training(run.workdir),
        *_judged(run, split, max_examples),
        run_sections.exports(run.workdir, report),
        run_sections.candidates(run.workdir, report),
        *run_sections.origin(run.workdir, report),
    ]
    title = f"{report.get('method', 'A run')} on {report.get('dataset', 'its data')}"
    return html.write(path, title, _summary(report, metric), [section for section in sections if section])


def _along_training(workdir):
    """Returns the section of pictures along training in a list: the first, the last, and some between."""
    found = drawn(workdir)
    places = sorted({round(i * (len(found) - 1) / (_PICTURES - 1)) for i in range(_PICTURES)}) if found else []
    shown_ones = [Picture(f"After epoch {found[place][0]}.", found[place][1]) for place in places]
    return [Section("Along training", tuple(shown_ones))] if shown_ones else []


def _judged(run, split, max_examples):
    """Returns the sections of the task; where the data are gone, one that says so."""
    if max_examples == 0:
        return []
    from odtf.page import judged

    try:
        return judged.sections(run, split, max_examples)
    except UserError as error:
        return [Section("What the student answers", (Note(f"Not shown: {error}"),))]


def _summary(report, metric):
    """Returns the first things to know, (what, value) pairs."""
    student, name = report["student"], metric["name"]
    facts = [("student", f"{student['name']}, epoch {student['epoch']}")]
    facts += [
        (f"{split} {metric['title']}", shown(student[f"{key}_{name}"], metric))
        for key, split in (("test", "test"), ("val", "validation"))
        if f"{key}_{name}" in student
    ]
    if "params" in student:
        facts.append(("parameters", f"{student['params']:,}"))
    if report["exports"]:
        smallest = min(report["exports"], key=lambda row: row.get("bytes", 0))
        facts.append(("smallest file", f"{smallest.get('bytes', 0):,} bytes"))
    return facts


def default_path(workdir: Path) -> pathlib.Path:
    """Returns where the page of a workdir goes."""
    return paths.at(workdir) / "report.html"
