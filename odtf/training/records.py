"""What a run writes down in its workdir: config.json and report.json. Nothing here imports TensorFlow."""

import contextlib
import json
import pathlib

from odtf.errors import UserError
from odtf.files import check_directory, make_directory, write_json
from odtf.training import config as config_lib


def read_config(workdir):
    """Returns the config of a workdir.

    Raises:
        UserError: if there is none, or it cannot be read.
    """
    return config_lib.from_json(_read_json(pathlib.Path(workdir) / "config.json", ("network", "method", "data")))


def read_report(workdir):
    """Returns the report of a finished run as a dict.

    Raises:
        UserError: if the directory holds no finished run.
    """
    return _read_json(pathlib.Path(workdir) / "report.json", ("student", "peers", "exports", "seconds"))


def made_of(workdir, student):
    """Returns what an earlier report of the workdir says was made of the same student: its rows of files.

    Args:
        workdir: directory of a run.
        student: dict, `report["student"]` of the run that has just ended, or was found finished.

    Returns:
        dict with "exports" and "finetuned"; empty if there is no earlier report, or it is of another student.
    """
    try:
        old = read_report(workdir)
    except UserError:
        return {}
    if any(old["student"].get(key) != student[key] for key in ("name", "step")):
        return {}
    return {key: old[key] for key in ("exports", "finetuned") if key in old}


def chosen_path(workdir):
    """Returns the path of the weights that validation chose in a finished run.

    Raises:
        UserError: if the directory holds no finished run.
    """
    return pathlib.Path(workdir) / "chosen" / f"step-{read_report(workdir)['student']['step']}.npz"


def _read_json(path, keys):
    try:
        data = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(
            f"{path.parent} holds no finished run: odtf-train with this workdir starts one, or goes on with it. "
            f"Received: no {path.name} there."
        ) from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is damaged: it must be JSON, as odtf-train wrote it. Received: {error}.") from error
    if not isinstance(data, dict) or any(key not in data for key in keys):
        raise UserError(f"{path} is damaged: it must have the keys {', '.join(keys)}. Received: {str(data)[:60]}.")
    return data


def check_claim(workdir, config):
    """Shows that a run of `config` may write to the workdir, and writes nothing.

    Raises:
        UserError: if it cannot be written to, or another config's run is there, naming what differs.
    """
    check_directory(workdir)
    if not (pathlib.Path(workdir) / "config.json").exists():
        return
    old = config_lib.to_json(read_config(workdir))
    if changes := config_lib.differences(old, config_lib.to_json(config)):
        raise UserError(
            f"The workdir {workdir} belongs to another config; a new workdir, or the old config, would be right. "
            f"Received: {'; '.join(changes)}."
        )


def claim(workdir, config):
    """Makes the workdir a run's own: writes config.json into it.

    Raises:
        UserError: as `check_claim`.
    """
    check_claim(workdir, config)
    directory = make_directory(workdir)
    try:
        write_json(directory / "config.json", config_lib.to_json(config))
    except UserError:
        with contextlib.suppress(OSError):
            directory.rmdir()  # Only an empty one goes.
        raise
