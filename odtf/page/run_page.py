"""The page of a run."""

import pathlib

from odtf.errors import UserError
from odtf.page import curves, html, run_sections, training_log
from odtf.sections import Note, Section
from odtf.training.report import metric_of, shown


def write(run, path, *, split="test", max_examples=10_000):
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
        run_sections.networks(report),
        *curves.sections(log, metric, (student["name"], student["epoch"])),
        *_judged(run, split, max_examples),
        run_sections.exports(run.workdir, report),
        run_sections.candidates(run.workdir, report),
        *run_sections.origin(run.workdir, report),
    ]
    title = f"{report.get('method', 'A run')} on {report.get('dataset', 'its data')}"
    return html.write(path, title, _summary(report, metric), [section for section in sections if section])


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


def default_path(workdir):
    """Returns where the page of a workdir goes."""
    return pathlib.Path(workdir) / "report.html"
