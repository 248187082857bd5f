"""A run: its config, its report, its task, its data, and the networks that it trained.

A workdir has one reader and one writer of report.json, and they are here. Importing this module imports no TensorFlow;
what needs it is imported when it is asked for.
"""

from __future__ import annotations

import collections.abc
import contextlib
import functools
import hashlib
import json
import pathlib
from typing import TYPE_CHECKING

from odtf import launches, own_code, sealed, workdir_lock
from odtf.atomic_files import joined
from odtf.errors import UserError
from odtf.files import check_directory, make_directory
from odtf.run_records import earlier_report, read_config, read_report
from odtf.training import config as config_lib
from odtf.training import data_record, growth

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from typing import Any

    import keras
    import ml_collections
    import numpy as np

    from odtf.atomic_files import AtomicFiles
    from odtf.data import ImageDataset, Info
    from odtf.methods import Method
    from odtf.tasks import Task
    from odtf.training.strategy import Placement

    Path = str | os.PathLike[str]
    Row = dict[str, Any]


class Run:
    """A finished run.

    Args:
        workdir: its directory.
        allow_code: a workdir may come from somebody else, and what it names of code that is not odtf's would run: True
            allows any; names of such code allow those, which the command itself names; False allows none.

    Attributes:
        workdir: the same, a `pathlib.Path`.
        config: `ConfigDict`.
        report: dict, what report.json held when it was read last.
        allow_code: as given.

    Raises:
        UserError: if the workdir holds no finished run, a record is damaged, or it names code that is not allowed.
    """

    def __init__(self, workdir: Path, allow_code: bool | Collection[str] = False) -> None:
        self.workdir = pathlib.Path(workdir)
        self.config = read_config(workdir)
        self.report = read_report(workdir)
        self.allow_code = allow_code
        own_code.check_allowed([*config_lib.named(self.config), self.report["peers"]], allow_code, workdir)
        if allow_code is True and self.config.code_dir:  # Not where a command allows what it names itself, and has.
            own_code.add_folder(self.config.code_dir)

    # What it is -----------------------------------------------------------------------------------------------------

    @functools.cached_property
    def task(self) -> Task:
        """The `odtf.tasks.Task` that it learned."""
        from odtf.training.cohorts import make_task

        return make_task(self.config)

    @property
    def dataset(self) -> ImageDataset:
        """The `odtf.data.ImageDataset` of its config, opened when it is first asked for; see `data_changes`.

        Raises:
            UserError: if it has other classes than the run learned, or has them in another order.
        """
        return self._opened[0]

    @property
    def data_changes(self) -> Sequence[str]:
        """What the images of `dataset` differ in from those that it was trained on, a list of texts."""
        return self._opened[1]

    @property
    def unchanged_dataset(self) -> ImageDataset:
        """`dataset`, for what goes on with its training.

        Raises:
            UserError: as `dataset`, and if its images are others.
        """
        data_record.check_same(self.workdir, self.data_changes)
        return self.dataset

    @functools.cached_property
    def _opened(self):
        from odtf.training.config_data import load_dataset

        return data_record.opened(self.workdir, load_dataset(self.config), self.data_record, print)

    @functools.cached_property
    def data_record(self) -> Row | None:
        """What `odtf.training.data_record` has written of the data that it was trained on; None if it has not."""
        return data_record.read(self.workdir)

    @property
    def peers(self) -> tuple[str, ...]:
        """Names of the networks that it trained, a tuple."""
        return tuple(row["name"] for row in self.report["peers"])

    @property
    def student(self) -> str:
        """The name of the peer that validation chose."""
        return self.report["student"]["name"]

    def peer(self, name: str | None = None) -> Row:
        """Returns the row of a peer in the report; of the student by default.

        Raises:
            UserError: if there is no such peer.
        """
        name = self.student if name is None else name
        for row in self.report["peers"]:
            if row["name"] == name:
                return row
        raise UserError(f"The run in {self.workdir} has the peers {', '.join(self.peers)}. Received: {name!r}.")

    def network_of(self, name: str) -> Mapping[str, Any] | Sequence[Mapping[str, Any]]:
        """Returns what the config says of a peer's network: a mapping, or a list of them for one made of several."""
        row = self.peer(name)
        return row["network"] if "network" in row else _network_before_02(self.config, name)

    # Its networks ---------------------------------------------------------------------------------------------------

    def network(self, name: str | None = None, info: Info | None = None) -> keras.Model:
        """Builds a peer, the student by default, with the weights that validation chose.

        The peer alone is built, unless it is made of several: then the cohort is.

        Args:
            name: of the peer.
            info: `odtf.data.Info` of the images it is to take; None: those it was trained on.

        Returns:
            `keras.Model` with named taps.

        Raises:
            UserError: if there is no such peer, or its weights are absent or damaged.
        """
        from odtf.training import checkpoints, cohorts

        row, info = self.peer(name), info or self.dataset.info
        self._check_weights()
        if isinstance(row.get("network"), dict):
            network = cohorts.make_network(self.config, row, info)
            if checkpoints.load_peer(network, row["name"], self.chosen_path):
                return network
        return self.cohort(info).peers[row["name"]]

    def cohort(self, info: Info | None = None) -> Method:
        """Builds the whole cohort with the weights that validation chose; see `network`."""
        from odtf.training import checkpoints, cohorts

        teacher = functools.partial(load_teacher, allow_code=self.allow_code)
        self._check_weights()
        method = cohorts.make_method(self.config, info or self.dataset.info, teacher)
        checkpoints.load_weights(method, self.chosen_path)
        return method

    def weights(self, name: str | None = None) -> dict[str, np.ndarray]:
        """Returns the weights of a peer, the student by default, that validation chose; no network is built.

        Returns:
            dict from variables' paths to arrays, for `odtf.models.start`.

        Raises:
            UserError: if there is no such peer, or its weights are absent or damaged.
        """
        return _weights(self.workdir, self.report, self.peer(name)["name"])

    @property
    def chosen_path(self) -> pathlib.Path:
        """The path of the weights that validation chose."""
        return self.workdir / "chosen" / f"step-{self.report['student']['step']}.npz"

    def _check_weights(self):
        """Raises UserError if the weights that validation chose are not those that the report was made of."""
        _check_weights(self.chosen_path, self.report)

    def weights_digest(self) -> str:
        """Returns the sha256 of the weights that validation chose.

        Raises:
            UserError: if they are absent.
        """
        try:
            return hashlib.sha256(self.chosen_path.read_bytes()).hexdigest()
        except OSError as error:
            raise UserError(
                f"Weights must be at {self.chosen_path}: has the training of this workdir ended? "
                "Received: no such file."
            ) from error

    # Its report -----------------------------------------------------------------------------------------------------

    def write(self, change: Callable[[Row], Any], atomic: AtomicFiles | None = None) -> None:
        """Changes report.json, read again: other commands may have added to it meanwhile.

        Args:
            change: function that changes the report, a dict, in place.
            atomic: `odtf.atomic_files.AtomicFiles` with which it appears; None: now.

        Raises:
            UserError: if another process writes to the workdir.
        """
        with workdir_lock.writing(self.workdir):
            self.report = read_report(self.workdir)
            change(self.report)
            with joined(atomic) as together:
                together.add(self.workdir, {"report.json": sealed.text(self.report).encode()})

    def add_exports(self, rows: Iterable[Row], seconds: float, atomic: AtomicFiles | None = None) -> None:
        """Adds rows of exported files, in place of those of the same paths, and the seconds that they took."""

        def change(report):
            paths = {row["path"] for row in rows}
            report["exports"] = [old for old in report["exports"] if old["path"] not in paths] + list(rows)
            report["seconds"]["export"] = round(report["seconds"]["export"] + seconds, 1)

        self.write(change, atomic)

    def add_finetuned(self, row: Row, atomic: AtomicFiles | None = None) -> None:
        """Adds the row of a fine-tuning, in place of the one whose file has the same path."""

        def change(report):
            others = [old for old in report.get("finetuned", []) if old["file"]["path"] != row["file"]["path"]]
            report["finetuned"] = [*others, row]

        self.write(change, atomic)


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

    def teacher(workdir, info=None):
        return load_teacher(workdir, info, allow_code or own_names(config))

    starts = functools.cache(load_start)
    prepared = preparation.prepare(config, workdir, placement, teacher, load_start=starts, download=download)
    earlier = earlier_report(workdir) if placement.is_chief else None
    if placement.is_chief:
        claim(workdir, config)
        if not (pathlib.Path(workdir) / "report.json").exists():  # A finished run is not trained again.
            launches.note(workdir, [f"{placement.num_replicas} x {'CPU' if placement.on_cpu else 'GPU'}"])
        if not data_record.is_begun(workdir):
            pipeline = prepared.pipeline
            data_record.write(workdir, data_record.of(prepared.dataset, pipeline.domains, pipeline.answers))
    report = json.loads(json.dumps(prepared.run(after_epoch)))  # What is returned is what is read later.
    if placement.is_chief:
        report |= _made_of(earlier, report["student"])
        sealed.write(pathlib.Path(workdir) / "report.json", report)
    return report


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
    path = pathlib.Path(said["file"] if isinstance(said, collections.abc.Mapping) else said)
    if (path / "report.json").exists():
        report = read_report(path)
        path = path / "chosen" / f"step-{report['student']['step']}.npz"
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

    if (pathlib.Path(str(said.get("file"))) / "report.json").exists():
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
    workdir, _, peer = (source, "", "") if pathlib.Path(source).is_dir() else source.rpartition(":")
    if source.endswith(".keras") or workdir in ("", "zoo", "imagenet") or not pathlib.Path(workdir).is_dir():
        return source
    report = read_report(workdir)
    peers = [row["name"] for row in report["peers"]]
    if peer and peer not in peers:
        raise UserError(f"The run in {workdir} has the peers {', '.join(peers)}. Received: {source!r}.")
    return _weights(pathlib.Path(workdir), report, peer or report["student"]["name"])


def _weights(workdir, report, name):
    from odtf.training import checkpoints

    path = workdir / "chosen" / f"step-{report['student']['step']}.npz"
    _check_weights(path, report)
    arrays = checkpoints.peer_arrays(name, path)
    if arrays is None:
        raise UserError(f"The weights in {path} must say which are those of {name}; 0.2 and later do. Received: none.")
    return dict(arrays)


def _check_weights(path, report):
    from odtf.training import checkpoints

    checkpoints.check_digest(path, report["student"].get("sha256"))


def _made_of(earlier, student):
    """Returns what an earlier report of the workdir says was made of the same student: its rows of files."""
    if earlier is None or any(earlier["student"].get(key) != student[key] for key in ("name", "step")):
        return {}
    return {key: earlier[key] for key in ("exports", "finetuned") if key in earlier}


def _network_before_02(config, name):
    """What a config says of a network by its name, for reports that do not say it themselves."""
    kind, _, index = name.partition("_")
    if kind in ("peer", "mean") and config.method.get("networks"):
        return config.method.networks[int(index)]
    if kind == "assistant":
        return config.method.assistant_networks[int(index) - 1]
    return config.method.get(f"{name}_network") or config.network


# The claim on a workdir ---------------------------------------------------------------------------------------------


def check_claim(workdir: Path, config: ml_collections.ConfigDict) -> bool:
    """Shows that a run of `config` may write to the workdir, and writes nothing.

    Returns:
        Whether a run is there that goes on beyond its end: the config has more epochs than it had, see
        `odtf.training.growth`.

    Raises:
        UserError: if it cannot be written to, or another config's run is there, naming what differs.
    """
    check_directory(workdir)
    if not (pathlib.Path(workdir) / "config.json").exists():
        return False
    old = read_config(workdir)
    changes = config_lib.differences(config_lib.to_json(old), config_lib.to_json(config))
    if not changes:
        return False
    grows = config.epochs > old.epochs and len(changes) == 1
    reason = growth.refusal(old, config) if grows else None
    if grows and reason is None:
        return True
    raise UserError(
        f"The workdir {workdir} belongs to another config; a new workdir, or the old config, would be right. "
        f"{f'{reason} ' if reason else ''}Received: {'; '.join(changes)}."
    )


def claim(workdir: Path, config: ml_collections.ConfigDict) -> None:
    """Makes the workdir a run's own: writes config.json into it.

    Raises:
        UserError: as `check_claim`.
    """
    grows = check_claim(workdir, config)
    directory = make_directory(workdir)
    if grows:  # It is no finished run any more.
        (directory / "report.json").unlink(missing_ok=True)
    try:
        sealed.write(directory / "config.json", config_lib.to_json(config))
    except UserError:
        with contextlib.suppress(OSError):
            directory.rmdir()  # Only an empty one goes.
        raise
