"""Exports of a finished run: files of its peers for devices, and their rows in its report."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from odtf import export, models, paths, workdir_lock
from odtf.atomic_files import AtomicFiles
from odtf.errors import UserError
from odtf.runs import Run
from odtf.training import report as report_lib

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

    import ml_collections

    from odtf.models.annotations import Path
    from odtf.targets import Target


def check_exports(config: ml_collections.ConfigDict) -> None:
    """Shows that what a config wants exported at the end of training exists: before the training.

    Raises:
        UserError: on an unknown target or quantisation, or a target that does not take the quantisation.
    """
    for target in config.export.targets:
        try:
            export.find_target(target, config.export.quantization)
        except UserError as error:
            raise UserError(f"config.export: {error}") from error


def export_workdir(
    workdir: Path,
    target: str | Target,
    quantization: str | None = None,
    peer: str | None = None,
    folder: str | None = None,
    allow_code: bool | Collection[str] = False,
) -> dict[str, Any]:
    """Exports one peer of a finished run for one target and adds the result to its report.json.

    Args:
        workdir: directory of the run.
        target: name of a target, or a `Target`.
        quantization: "int8", "int16x8", "float16", "dynamic" or "float32"; None: the config's.
        peer: str, name of the peer; None: the student.
        folder: name of the directory below `export`; None: the target's name, and the peer's if one is given.
        allow_code: as for `Run`.

    Returns:
        The report as a dict.

    Raises:
        UserError: if the run, the peer or the combination of target and quantisation does not exist, or the target
            cannot take the network; or if another process writes to the workdir.
    """
    run = Run(workdir, allow_code)
    quantization = quantization or run.config.export.quantization
    # Before the data are read, and before any file changes.
    target = export.find_target(target, quantization)
    with workdir_lock.writing(workdir):
        report, refused = _export(run, [(target, quantization)], peer, folder)
    if refused:
        raise refused[target.name]
    return report


def export_everywhere(
    workdir: Path, quantization: str | None = None, peer: str | None = None, allow_code: bool | Collection[str] = False
) -> tuple[dict[str, Any], dict[str, UserError]]:
    """Exports one peer of a finished run for every target, and adds the results to its report.json.

    Args:
        workdir: directory of the run.
        quantization: for the targets that take it, the others get the one that is usual there; None: the config's.
        peer: str, name of the peer; None: the student.
        allow_code: as for `Run`.

    Returns:
        (report, refused): the report as a dict, and a dict from the name of a target that cannot take the network to
        the `UserError` that says why; what stood in its folder before stays.

    Raises:
        UserError: if the run or the peer does not exist, or another process writes to the workdir.
    """
    run = Run(workdir, allow_code)
    quantization = quantization or run.config.export.quantization
    with workdir_lock.writing(workdir):
        return _export(run, export.every_target(quantization), peer)


def _export(run, chosen, peer, folder=None):
    """Exports for every target in `chosen`, a list of (`Target`, quantisation)."""
    with AtomicFiles() as atomic:
        return _export_with(atomic, run, chosen, peer, folder)


def _export_with(atomic, run, chosen, peer, folder):
    """`_export`, whose files appear with their rows in the report."""
    started = time.monotonic()
    name = run.peer(peer)["name"]
    network = run.network(name)

    def folder_of(target):
        return run.workdir / "export" / (folder or (target.name if peer is None else f"{target.name}-{name}"))

    rows, refused = export.export_each(
        network,
        run.dataset,
        chosen,
        folder_of,
        task=run.task,
        calibration_examples=run.config.export.calibration_examples,
        seed=run.config.seed,
        about=_about(run, name, network),
        atomic=atomic,
    )
    rows = [{**row, "peer": name, "path": str(paths.at(row["path"]).relative_to(run.workdir))} for row in rows]
    if run.data_changes:
        changed = _changed(run)
        print(f"note: {changed}")
        rows = [{**row, "notes": [*row.get("notes", ()), changed]} for row in rows]
    if rows:
        if name == run.student:
            options = {"task": run.task, "info": run.dataset.info, "atomic": atomic}
            try:
                export.save_student(network, run.workdir / "student.keras", **options)
            except export.NotStock as error:
                print(f"note: student.keras is not written. {error}")
        run.add_exports(rows, time.monotonic() - started, atomic)
    return run.report, refused


def _changed(run):
    return (
        f"the images of {run.report['dataset']} that calibrate and judge the files are no longer those that the run in "
        f"{run.workdir} learned from and was tested on, so that figures of both cannot be compared "
        f"({'; '.join(run.data_changes)})"
    )


def _about(run, name, network):
    """Returns what the model card says of a peer and its training."""
    config, report = run.config, run.report
    alone = len(run.peers) == 1
    chosen = f"weights of epoch {report['student']['epoch']}, which validation chose"
    training = {
        "method": f"{report['method']}, " + ("alone" if alone else f"one of {len(run.peers)} networks together"),
        "network": _words(run.network_of(name)),
        "data": f"{report['dataset']}, targets of the training split",
        "seed": config.seed,
        "epochs": f"{config.epochs}; {chosen}",
        "batch size": config.batch_size,
    }
    if taught := report_lib.taught_by(report, run.peer(name)):
        training["taught by"] = taught
    if config.quantization.aware:
        training["quantisation"] = "int8 in training: the ranges of activations are those that it learned"
    cost = models.cost(network, deployed=True, output=run.task.output)
    return {"name": name, "training": training, "cost": cost.in_words()}


def _words(network):
    """Returns the specification of a network, or of each of several that one is made of, as words."""
    if isinstance(network, (list, tuple)):
        return f"made of {len(network)}: " + "; ".join(dict.fromkeys(map(_words, network)))
    return ", ".join([network["name"], *(f"{key}={value}" for key, value in network.items() if key != "name")])
