"""A finished run: its config, its report, its task, its data, and the networks that it trained."""

from __future__ import annotations

import functools
import pathlib
from typing import TYPE_CHECKING

from odtf import digests, own_code, paths, sealed, workdir_lock
from odtf.atomic_files import joined
from odtf.errors import UserError
from odtf.run_records import read_config, read_report
from odtf.runs.chosen_weights import check_weights, path_of, weights_of
from odtf.training import config as config_lib
from odtf.training import data_record

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from typing import Any

    import keras
    import numpy as np

    from odtf.atomic_files import AtomicFiles
    from odtf.data import ImageDataset, Info
    from odtf.methods import Method
    from odtf.tasks import Task

    Path = str | os.PathLike[str]
    Row = dict[str, Any]

# What a report calls the online teacher, or the network that teaches alone.
TEACHER = "teacher"


class Run:
    """A finished run.

    Args:
        workdir: its directory.
        allow_code: a workdir may come from somebody else, and what it names of code that is not odtf's would run: True
            allows any; names of such code allow those, which the command itself names; False allows none.

    Attributes:
        workdir: the same, a `pathlib.Path`, or an `odtf.store_path.StorePath`, which does what that does.
        config: `ConfigDict`.
        report: dict, what report.json held when it was read last.
        allow_code: as given.

    Raises:
        UserError: if the workdir holds no finished run, a record is damaged, or it names code that is not allowed.
    """

    def __init__(self, workdir: Path, allow_code: bool | Collection[str] = False) -> None:
        self.workdir = paths.at(workdir)
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
        """Returns the row of a peer in the report; of the student by default. "teacher" is that of the whole cohort.

        Raises:
            UserError: if there is no such peer.
        """
        name = self.student if name is None else name
        for row in self.report["peers"]:
            if row["name"] == name:
                return row
        if name == TEACHER and self.report["teacher"]:
            return {"name": name, **self.report["teacher"], "network": [row["network"] for row in self.report["peers"]]}
        raise UserError(f"The run in {self.workdir} has the peers {', '.join(self.peers)}. Received: {name!r}.")

    def network_of(self, name: str) -> Mapping[str, Any] | Sequence[Mapping[str, Any]]:
        """Returns what the config says of a peer's network: a mapping, or a list of them for one made of several."""
        row = self.peer(name)
        return row["network"] if "network" in row else network_before_02(self.config, name)

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
        if row["name"] not in self.peers:
            return self._ensemble(info)
        return self.cohort(info).peers[row["name"]]

    def _ensemble(self, info):
        """Returns the online teacher, which is made of the peers, as one network.

        Raises:
            UserError: if it is none that can be deployed.
        """
        cohort = self.cohort(info)
        network = None if self.config.quantization.aware else cohort.ensemble_network()
        if network is None:
            why = " that learned its rounding" if self.config.quantization.aware else ""
            raise UserError(
                f"The teacher of {self.config.method.name}{why} is no network that can be exported; one of "
                f"{', '.join(self.peers)} would be right. Received: {TEACHER!r}."
            )
        return network

    def cohort(self, info: Info | None = None) -> Method:
        """Builds the whole cohort with the weights that validation chose; see `network`."""
        from odtf.runs.teachers_and_starts import load_teacher
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
        return weights_of(self.workdir, self.report, self.peer(name)["name"])

    @property
    def chosen_path(self) -> pathlib.Path:
        """The path of the weights that validation chose."""
        return path_of(self.workdir, self.report)

    def _check_weights(self):
        """Raises UserError if the weights that validation chose are not those that the report was made of."""
        check_weights(self.chosen_path, self.report)

    def weights_digest(self) -> str:
        """Returns the sha256 of the weights that validation chose.

        Raises:
            UserError: if they are absent.
        """
        try:
            return digests.sha256_of(self.chosen_path)
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
            new = {row["path"] for row in rows}
            report["exports"] = [old for old in report["exports"] if old["path"] not in new] + list(rows)
            report["seconds"]["export"] = round(report["seconds"]["export"] + seconds, 1)

        self.write(change, atomic)

    def add_finetuned(self, row: Row, atomic: AtomicFiles | None = None) -> None:
        """Adds the row of a fine-tuning, in place of the one whose file has the same path."""

        def change(report):
            others = [old for old in report.get("finetuned", []) if old["file"]["path"] != row["file"]["path"]]
            report["finetuned"] = [*others, row]

        self.write(change, atomic)


def network_before_02(config, name):
    """Returns what a config says of a network by its name, for reports that do not say it themselves."""
    kind, _, index = name.partition("_")
    if kind in ("peer", "mean") and config.method.get("networks"):
        return config.method.networks[int(index)]
    if kind == "assistant":
        return config.method.assistant_networks[int(index) - 1]
    return config.method.get(f"{name}_network") or config.network
