"""The same network alone beside a run that was just trained: both files, and what the method gained in this one run."""

from odtf import paths, runs
from odtf.compare import baseline
from odtf.compare.spreads import gain_of
from odtf.errors import UserError
from odtf.tables import table
from odtf.training.report import metric_of, shown

# Of the workdir.
FOLDER = "alone"


def check(config, placement):
    """Raises UserError if `config.compare.alone` is asked for where nothing can be compared."""
    if not config.compare.alone:
        return
    if placement.num_workers > 1:
        raise UserError(
            "config.compare.alone must be False where several workers train; odtf-compare trains both. Received: True."
        )
    baseline.alone(config, "peer_0", {"peer_0": config.network.to_dict()})


def train(workdir, placement, export, allow_code=False):
    """Trains the network of a finished run's student alone, and exports it for the targets of the run.

    Args:
        workdir: directory of the run; the other one is in its folder "alone", and goes on where it stopped.
        placement: `odtf.training.strategy.Placement`.
        export: callable that takes what `odtf.run_exports.export_workdir` takes.
        allow_code: as for `odtf.runs.Run`.

    Returns:
        The `odtf.runs.Run` of the network alone.

    Raises:
        UserError, odtf.stopping.Stopped: as `odtf.runs.train`.
    """
    run, folder = runs.Run(workdir, allow_code), paths.at(workdir) / FOLDER
    solo = baseline.alone(run.config, run.student, {name: run.network_of(name) for name in run.peers})
    runs.train(solo, folder, placement, allow_code)
    for target in solo.export.targets:
        export(folder, target, solo.export.quantization, allow_code=allow_code)
    return runs.Run(folder, allow_code)


def render(run, alone, recorded=None):
    """Returns both runs as a table of text, and under it the difference in words.

    Args:
        run: `odtf.runs.Run` of the method.
        alone: what `train` returned.
        recorded: text about what several seeds gave, or None.
    """
    metric = metric_of(run.report)
    key = f"test_{metric['name']}"
    rows = [("", "parameters", f"test {metric['title']}", "the file's", "file")]
    for title, one in ((f"{run.report['method']}, its {run.student}", run), ("the same network alone", alone)):
        student, files = one.report["student"], _files(one)
        first = (title, f"{student['params']:,}", shown(student[key], metric))
        rows.append((*first, *(files[0] if files else ("", ""))))
        rows += [("", "", "", *other) for other in files[1:]]
    pair = {"student": run.report["student"], "alone": alone.report["student"]}
    gained = shown(gain_of(pair, "student", "test", metric), metric, signed=True)
    words = f"Gained on the test split over the same network alone, in this one run: {gained}."
    return "\n\n".join((table(rows), f"{words} {recorded or ''}".strip()))


def _files(run):
    """Returns the value of each of a run's files, and where it lies."""
    metric = metric_of(run.report)
    return [
        (shown(row[f"test_{metric['name']}"], metric), str(run.workdir / row["path"])) for row in run.report["exports"]
    ]
