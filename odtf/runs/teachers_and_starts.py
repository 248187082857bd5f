"""What of finished runs, and of models from elsewhere, goes into another run: teachers, and weights to start from."""

from __future__ import annotations

import collections.abc
import hashlib
from typing import TYPE_CHECKING

from odtf import own_code, paths
from odtf.errors import UserError
from odtf.run_records import read_report
from odtf.runs.chosen_weights import path_of, weights_of
from odtf.runs.finished_run import Run
from odtf.training import config as config_lib
from odtf.training import data_record

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Mapping
    from typing import Any

    import ml_collections

    from odtf.data import Info

    Path = str | os.PathLike[str]


def own_names(config: ml_collections.ConfigDict) -> tuple[str, ...]:
    """Returns the names of own code in a config that a command was given: it may be imported, see `Run`."""
    return tuple(own_code.names_in(config_lib.named(config)))


def load_teacher(
    workdir: Path | Mapping[str, Any], info: Info | None = None, allow_code: bool | Collection[str] = False
) -> Any:
    """Returns the student of a finished run, or a teacher that was trained elsewhere, to teach in another run.

    Args:
        workdir: directory of the run; or a mapping, what `config.method.teacher` says: "file", which may be such a
            directory too, and further arguments of `odtf.teachers.load`. Or a directory of stored answers.
        info: `odtf.data.Info` of the images it is to take; None only shows that there is such a run.
        allow_code: as for `Run`.

    Raises:
        UserError: if there is none, or it takes other images or gives other answers.
    """
    path = workdir.get("file") if isinstance(workdir, collections.abc.Mapping) else workdir
    if (answers := _stored_answers(path)) is not None:
        if info is not None:
            answers.check_names(info.names)
        return answers
    if isinstance(workdir, collections.abc.Mapping):
        return _load_teacher_file(workdir, info, allow_code)
    try:
        run = Run(workdir, allow_code)
        if info is None:
            return None
        _check_answers(run, info)
        return run.network(info=info)
    except UserError as error:
        if info is None:
            raise UserError(f"config.method.teacher_workdir: {error}") from error
        classes = f" in {len(info.names)} classes" if info.names else ""
        raise UserError(
            f"config.method.teacher_workdir must hold a teacher of images {info.image_shape}{classes}, as the data "
            f"have them. {error}"
        ) from error


def _stored_answers(path):
    from odtf.training import config_data

    return config_data.answers_in(path)


def teacher_digest(said: Path | Mapping[str, Any]) -> str:
    """Returns the sha256 of what a teacher is made of: of a run's chosen weights, or of a file or directory.

    Args:
        said: path, or a mapping with it as "file", as for `load_teacher`.

    Raises:
        UserError: if it cannot be read.
    """
    path = paths.at(said["file"] if isinstance(said, collections.abc.Mapping) else said)
    if (path / "report.json").exists():
        path = path_of(path, read_report(path))
    digest = hashlib.sha256()
    try:
        for part in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if part.is_file():
                digest.update(part.read_bytes())
    except OSError as error:
        raise UserError(f"The teacher {path} must be there to be read. Received: {error.strerror}.") from error
    return digest.hexdigest()


def _check_answers(run, info):
    """Shows that the answers of a run mean in other data what they meant in its own, where they have names."""
    if run.data_record is None:
        print(data_record.unknown(run.workdir))
    elif run.task.labels(info):
        data_record.check_names(run.workdir, run.data_record, info.names)


def _load_teacher_file(said, info, allow_code):
    """Returns the teacher that `config.method.teacher` names; None where `info` is."""
    from odtf import teachers

    if (paths.at(str(said.get("file"))) / "report.json").exists():
        return load_teacher(said["file"], info, allow_code)
    try:
        teachers.check(said)
        return None if info is None else teachers.load(info=info, allow_code=allow_code, **said)
    except UserError as error:
        raise UserError(f"config.method.teacher: {error}") from error


def load_start(source: str) -> Any:
    """Returns what `odtf.models.start` takes, of the `init` of a network in a config.

    Args:
        source: WORKDIR for the student of a finished run or WORKDIR:PEER for another peer; or else what
            `odtf.models.start` takes as it is.

    Raises:
        UserError: if a workdir holds no finished run, or no such peer.
    """
    workdir, _, peer = (source, "", "") if paths.at(source).is_dir() else source.rpartition(":")
    if source.endswith(".keras") or workdir in ("", "zoo", "imagenet") or not paths.at(workdir).is_dir():
        return source
    report = read_report(workdir)
    peers = [row["name"] for row in report["peers"]]
    if peer and peer not in peers:
        raise UserError(f"The run in {workdir} has the peers {', '.join(peers)}. Received: {source!r}.")
    return weights_of(paths.at(workdir), report, peer or report["student"]["name"])
