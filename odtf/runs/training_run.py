"""A run as it is trained: from a config to a report in a workdir."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING

from odtf import launches, own_code, paths, sealed, workdir_lock
from odtf.run_records import earlier_report, read_config
from odtf.runs.claims import check_claim, claim
from odtf.runs.teachers_and_starts import load_start, load_teacher, own_names
from odtf.training import data_record, precision

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection
    from typing import Any

    import ml_collections

    from odtf.training.strategy import Placement

    Path = str | os.PathLike[str]
    Row = dict[str, Any]


def train(
    config: ml_collections.ConfigDict,
    workdir: Path,
    placement: Placement,
    allow_code: bool | Collection[str] = False,
    download: bool = False,
    after_epoch: Callable[[int], Any] | None = None,
) -> Row:
    """Trains the cohort of a config in a workdir, or goes on where an earlier run stopped.

    Args:
        config: `ConfigDict`, as `odtf.training.config.default_config` has it.
        workdir: directory; made if needed. A finished run in it is not trained again.
        placement: `odtf.training.strategy.Placement`.
        allow_code: whether `config.method.teacher_workdir` may name code that is neither odtf's nor the config's.
        download: whether a data set that TFDS has not prepared is downloaded.
        after_epoch: function that the chief calls with the number of an epoch when its validation is over, and what
            the checkpoints keep of it is saved; None for nothing.

    Returns:
        The report as a dict, also written to `workdir/report.json` by the chief.

    Raises:
        UserError: on bad input, on another config's workdir, on other data than those that it was begun with, and if
            a loss stops being finite; or if another process writes to the workdir.
        odtf.stopping.Stopped: after SIGTERM or Ctrl-C, when everything is saved.
    """
    if config.code_dir:
        own_code.add_folder(config.code_dir)
    if not placement.is_chief:
        return _train(config, workdir, placement, allow_code, download, None)
    check_claim(workdir, config)
    with workdir_lock.writing(workdir):
        return _train(config, workdir, placement, allow_code, download, after_epoch)


def _train(config, workdir, placement, allow_code, download, after_epoch):
    from odtf.training import preparation

    recorded = read_config(workdir) if (paths.at(workdir) / "config.json").exists() else None
    config, chosen = precision.resolved(config, recorded, placement.num_workers)
    if chosen and placement.is_chief:
        print(chosen)

    def teacher(workdir, info=None):
        return load_teacher(workdir, info, allow_code or own_names(config))

    starts = functools.cache(load_start)
    prepared = preparation.prepare(config, workdir, placement, teacher, load_start=starts, download=download)
    earlier = earlier_report(workdir) if placement.is_chief else None
    if placement.is_chief:
        claim(workdir, config)
        if not (paths.at(workdir) / "report.json").exists():  # A finished run is not trained again.
            launches.note(workdir, [f"{placement.num_replicas} x {'CPU' if placement.on_cpu else 'GPU'}"])
        if not data_record.is_begun(workdir):
            pipeline = prepared.pipeline
            data_record.write(workdir, data_record.of(prepared.dataset, pipeline.domains, pipeline.answers))
    report = json.loads(json.dumps(prepared.run(after_epoch)))  # What is returned is what is read later.
    if placement.is_chief:
        report |= _made_of(earlier, report["student"])
        sealed.write(paths.at(workdir) / "report.json", report)
    return report


def _made_of(earlier, student):
    """Returns what an earlier report of the workdir says was made of the same student: its rows of files."""
    if earlier is None or any(earlier["student"].get(key) != student[key] for key in ("name", "step")):
        return {}
    return {key: earlier[key] for key in ("exports", "finetuned") if key in earlier}
