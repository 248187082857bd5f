"""The records of a run as they are read: config.json and report.json, each checked, and what of them can be made anew.

Nothing here imports TensorFlow.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from odtf import paths, sealed
from odtf.errors import UserError
from odtf.training import config as config_lib
from odtf.training.report import metric_of

if TYPE_CHECKING:
    from typing import Any

    import ml_collections

    from odtf.models.annotations import Path


_NETWORK = {"name": str}
_CONFIG_FORM = {"network": _NETWORK, "method": _NETWORK, "data": _NETWORK}
_REPORT_FORM = {
    "student": {"name": str, "step": int, "epoch": int},
    "peers": [_NETWORK],
    "exports": [{"path": str}],
    "seconds": {"train": float, "export": float},
}


def read_config(workdir: Path) -> ml_collections.ConfigDict:
    """Returns the config of a workdir; of a finished run whose config.json is damaged, that of its report, with a word.

    Raises:
        UserError: if there is none, or it cannot be read.
    """
    path = paths.at(workdir) / "config.json"
    try:
        record = _read(path, _CONFIG_FORM, "a copy of it, or another workdir, would be right")
    except sealed.Damaged:
        report = _report_or_none(workdir)
        if report is None or sealed.misfit(report, {"config": _CONFIG_FORM}) is not None:
            raise
        _say_once(f"warning: {path} is damaged; the config in report.json, which is the same, is used")
        record = report["config"]
    return _checked_config(path, record)


def _checked_config(path, record):
    """Returns the `ConfigDict` of a record, each value of which is of the type that the default has."""
    try:
        config = config_lib.from_json(record)
    except (AttributeError, TypeError, ValueError) as error:
        raise sealed.Damaged(f"{path} is damaged: no config can be made of it. Received: {error}.") from error
    found, known = (dict(config_lib.leaves(config_lib.to_json(one))) for one in (config, config_lib.default_config()))
    domains = config_lib.to_json(config)["data"]["domains"]
    domains = list(domains) if isinstance(domains, tuple) else domains
    if (words := sealed.misfit(domains, [_NETWORK], "data.domains")) is not None:
        raise sealed.Damaged(f"{path} is damaged: {words}. Received: {domains!r}.")
    for key, default in known.items():
        kind = float if isinstance(default, float) else type(default)
        free = any(key.startswith(f"{part}.") for part in config_lib.FREE)
        if default is not None and not free and (words := sealed.misfit(found.get(key), kind, key)) is not None:
            raise sealed.Damaged(f"{path} is damaged: {words}. Received: {found.get(key)!r}.")
    return config


@functools.cache
def _say_once(line):
    print(line)


def read_report(workdir: Path) -> dict[str, Any]:
    """Returns the report of a finished run as a dict.

    Raises:
        UserError: if the directory holds no finished run.
        odtf.sealed.Damaged: if it is damaged.
    """
    path = paths.at(workdir) / "report.json"
    remedy = "odtf-train with this workdir and its config makes it anew"
    report = _read(path, _REPORT_FORM, remedy)
    if (wrong := _misfit_of_figures(report)) is not None:
        raise sealed.Damaged(f"{path} is damaged: {wrong}; {remedy}. Received: {str(report)[:60]}.")
    names = [row["name"] for row in report["peers"]]
    if report["student"]["name"] not in names:
        raise sealed.Damaged(
            f"{path} is damaged: its student must be one of {', '.join(names)}; {remedy}. "
            f"Received: {report['student']['name']!r}."
        )
    return report


def _misfit_of_figures(report):
    """Returns in words which figure that tables show is not there; None where all are, or the run is of before 0.2."""
    if "task" not in report:
        return None
    form = {"task": {"metric": str, "title": str, "better": str, "share": bool}}
    if "remarks" in report:
        form["remarks"] = [str]
    if isinstance(report["task"], dict) and report["task"].get("agreement") is not None:
        form["task"]["agreement"] = {"share": bool}
    if (words := sealed.misfit(report, form)) is not None:
        return words
    name = metric_of(report)["name"]
    figures = {f"{key}_{name}": float for key in ("val", "test", "last_test")}
    row = {"target": str, "quantization": str, "bytes": int, "latency_us_p50": float, f"test_{name}": float}
    costs, teacher = {"params": int, "macs": float | None}, report.get("teacher", 0)
    of_teacher = figures | (costs if isinstance(teacher, dict) and "params" in teacher else {})
    form = {
        "peers": [{**costs, **figures}],
        "teacher": object if teacher is None else of_teacher,
        "exports": [{"agreement": float | None, **row}],
    }
    return sealed.misfit(report, form)


def _read(path, form, remedy):
    try:
        return sealed.read(path, form, remedy)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(
            f"{path.parent} holds no finished run: odtf-train with this workdir starts one, or goes on with it. "
            f"Received: no {path.name} there."
        ) from error


def _report_or_none(workdir):
    """Returns the report that a workdir has; None where it has none, or a damaged one."""
    try:
        return read_report(workdir)
    except UserError:
        return None


def earlier_report(workdir):
    """Returns the report that a workdir has, or None; a damaged one is made anew, and a word says so."""
    try:
        return read_report(workdir)
    except sealed.Damaged:
        _say_once(
            f"warning: {paths.at(workdir) / 'report.json'} is damaged and made anew from the checkpoints; the rows "
            "of exported and fine-tuned files that it had come back when odtf-export and odtf-finetune are run again"
        )
    except UserError:
        pass
    return None
