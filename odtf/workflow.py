"""The whole job in Python, as in a notebook: a config, its training, the curves, files for devices, and their answers.

    from odtf import workflow

    config = workflow.config("digits", {"epochs": 10})
    run = workflow.train(config, "runs/digits")
    workflow.curves(run)
    path = workflow.export(run, "phone")
    workflow.predict(path, "holiday")
    workflow.compare(["digits", "digits_dml"], "runs/compare", seeds=2)

Each function does what a command of odtf does, in the same workdirs: what one began, the other goes on with. Pictures
and tables that they return show themselves in a notebook.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
from typing import TYPE_CHECKING

from odtf import paths, pictures, runs
from odtf.errors import UserError
from odtf.quiet import import_tensorflow
from odtf.training import config_file, overrides

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Any

    import ml_collections
    import numpy as np

    from odtf.targets import Target

    Path = str | os.PathLike[str]
    Changes = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture that a notebook shows.

    Attributes:
        content: bytes of a PNG file.
    """

    content: bytes

    def save(self, path: Path) -> None:
        """Writes the PNG file."""
        paths.at(path).write_bytes(self.content)

    def _repr_png_(self) -> bytes:
        return self.content


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What `compare` found: in a notebook, its tables.

    Attributes:
        result: dict, as of the JSON of odtf-compare.
        path: of that JSON file.
    """

    result: dict[str, Any]
    path: pathlib.Path

    def plot(self) -> Picture:
        """Returns the gain of every seed, and their mean with its 95 % interval."""
        from odtf.compare import gains_plot

        return Picture(pictures.rendered(gains_plot.draw, self.result))

    def _repr_markdown_(self) -> str:
        from odtf.compare import markdown

        return markdown.to_markdown(self.result)


def config(name: str, changes: Changes | None = None) -> ml_collections.ConfigDict:
    """Returns a config with some of its keys changed.

    Args:
        name: NAME of `odtf list configs` or FILE.py, with arguments: "digits:epochs=5".
        changes: from the path of a key to its value: {"batch_size": 32, "method.temperature": 2.0}. A mapping takes the
            place of a whole part, as in {"network": {"name": "mine.keras"}}, and `odtf.data.from_arrays(...)` is a
            value of "data.name".

    Raises:
        UserError: if there is no such config or key, or a value is of another type.
    """
    made = config_file.load(name)
    overrides.apply(made, dict(changes or {}), "config.", print)
    return made


def train(
    config: ml_collections.ConfigDict,
    workdir: Path,
    *,
    after_epoch: Callable[[int], Any] | None = None,
    strategy: str = "one",
    devices: Sequence[str] = (),
    download: bool = False,
    allow_code: bool | Collection[str] = False,
) -> runs.Run:
    """Trains a config in a workdir, or goes on where that stopped.

    The stop button of a notebook is Ctrl-C: the run saves first, and the same call goes on from there.

    Args:
        config: of `config`.
        workdir: directory of the run; a run that is finished is not trained again.
        after_epoch: function that is called with the number of each epoch when its validation is over and saved, such
            as one that shows `curves`.
        strategy, devices: as the flags of odtf-train.
        download: whether a TFDS set that is not prepared is downloaded.
        allow_code: as for `odtf.runs.train`.

    Returns:
        `odtf.runs.Run`.

    Raises:
        UserError: as `odtf.runs.train`.
        odtf.stopping.Stopped: after Ctrl-C, when everything is saved.
    """
    import_tensorflow()
    from odtf.training import strategy as strategy_lib

    placement = strategy_lib.make_placement(strategy, devices)
    runs.train(config, workdir, placement, allow_code, download, after_epoch=after_epoch)
    return runs.Run(workdir, allow_code or runs.own_names(config))


def curves(run: runs.Run | Path) -> Picture | None:
    """Returns the curves of the networks of a run on the validation split, also while it trains.

    Args:
        run: `odtf.runs.Run`, or its workdir.

    Returns:
        `Picture`, or None before the first validation.

    Raises:
        UserError: if there is no run in the workdir.
    """
    import_tensorflow()
    from odtf.page import curves as curves_lib
    from odtf.page import training_log
    from odtf.training import cohorts
    from odtf.training import report as report_lib

    workdir, report = paths.at(run.workdir if isinstance(run, runs.Run) else run), None
    if isinstance(run, runs.Run):
        report = run.report
    task = report_lib.task_row(cohorts.make_task(runs.read_config(workdir)))
    metric = report_lib.metric_of(report or {"task": task})
    log = training_log.read(workdir, training_log.networks(workdir, metric["name"]))
    if metric["name"] not in log.validation:
        return None
    chosen = (report["student"]["name"], report["student"]["epoch"]) if report else (None, None)
    figure = curves_lib.sections(log, metric, chosen)[0].blocks[0]
    return Picture(pictures.rendered(figure.draw, *figure.arguments))


def export(run: runs.Run | Path, target: str | Target = "phone", quantization: str | None = None) -> pathlib.Path:
    """Exports the student of a finished run as a verified TFLite file for one target.

    Args:
        run: `odtf.runs.Run`, or its workdir.
        target: name of a target, or a `Target`.
        quantization: as for `odtf.run_exports.export_workdir`.

    Returns:
        The path of the file. What was measured of it is the last row of the report's "exports".

    Raises:
        UserError: as `odtf.run_exports.export_workdir`.
    """
    import_tensorflow()
    from odtf import run_exports, targets

    run = run if isinstance(run, runs.Run) else runs.Run(run)
    run.report = run_exports.export_workdir(run.workdir, target, quantization, allow_code=run.allow_code)
    name = targets.find(target).name
    row = next(row for row in reversed(run.report["exports"]) if row["target"] == name)
    return run.workdir / row["path"]


def report(run: runs.Run) -> pathlib.Path:
    """Writes the HTML page of a finished run into its workdir, as odtf-report does, and returns its path."""
    import_tensorflow()
    from odtf.page import run_page

    path = run_page.default_path(run.workdir)
    run_page.write(run, path)
    return path


def predict(
    file: Path, images: Path | np.ndarray, *, task: str = "classification", names: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """Returns what a TFLite file answers for pictures.

    Args:
        file: a file that says itself how it takes pixels, as those of `export` do.
        images: a picture, a folder of them, or a uint8 array `[n, height, width, 1 or 3]`.
        task: name of the task, which knows what the output means.
        names: of the outputs, for a file that does not say them, as those of microcontrollers do not.

    Returns:
        A dict for each picture, as the "images" of odtf-predict's JSON.

    Raises:
        UserError: if the file or the picture cannot be read.
    """
    import_tensorflow()
    from odtf import tasks
    from odtf.evaluation import prediction
    from odtf.evaluation.image_file import ImageFile

    tasks.check(task)
    opened, judge = ImageFile(file), tasks.make(task)
    names = None if names is None else list(names)
    if not isinstance(images, str | os.PathLike):
        return prediction.predict_arrays(opened, images, judge, names=names)
    path = paths.at(images).expanduser()
    if path.is_dir():
        return prediction.predict(opened, path, judge, names=names)["images"]
    return prediction.predict_file(opened, path, judge, names=names)


def compare(
    configs: Sequence[str],
    workdir: Path,
    *,
    seeds: int = 3,
    changes: Changes | None = None,
    log: Callable[[str], Any] = print,
    allow_code: bool | Collection[str] = False,
) -> Comparison:
    """Trains methods, and the network of each one's student alone, over the same seeds, and pairs their results.

    What is trained already is read: the same call goes on where the last one stopped.

    Args:
        configs: names of configs, as for `config`.
        workdir: directory of the runs, of compare.json, and of its tables and plots.
        seeds: how many.
        changes: as for `config`, in every config; values that JSON can hold.
        log: callable that takes a line of text.
        allow_code: as for `odtf.runs.train`.

    Returns:
        `Comparison`.

    Raises:
        UserError: if configs differ in task or data, or a run fails.
        odtf.stopping.Stopped: after Ctrl-C, when everything is saved.
    """
    import json

    import_tensorflow()
    from odtf.compare import markdown, pairing, plan

    if seeds < 1:
        raise UserError(f"A comparison has one seed at least. Received: seeds={seeds!r}.")
    given = [f"{path}={json.dumps(value)}" for path, value in (changes or {}).items()]
    made = plan.make_plan(list(configs), given, range(seeds))
    result = pairing.run(made, workdir, log=log, allow_code=allow_code)
    path = paths.at(workdir) / "compare.json"
    markdown.write(result, path)
    return Comparison(result, path)
