"""launches.json: by which command, where and when a run was begun, and went on; for people, no command heeds it."""

import datetime
import importlib.metadata
import os
import pathlib
import platform
import shlex
import sys

from odtf import __version__, paths, sealed

_NAME = "launches.json"
_FORM = {"launches": [{"started": str}]}
_PACKAGES = ("tensorflow", "keras", "numpy", "ai-edge-litert")


def note(workdir, devices=()):
    """Adds this process to those that have trained in a workdir.

    Args:
        workdir: directory of the run.
        devices: names of the devices that it trains on.
    """
    row = {
        "started": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "command": _command(sys.argv),
        "odtf": __version__,
        "python": platform.python_version(),
        **{package: _version(package) for package in _PACKAGES},
        "system": platform.system(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "devices": list(devices),
    }
    sealed.write(paths.at(workdir) / _NAME, {"launches": [*read(workdir), row]})


def read(workdir):
    """Returns what was noted, a list of dicts, the first launch first; of a record that is absent or damaged, none."""
    try:
        return sealed.read(paths.at(workdir) / _NAME, _FORM, "it is not needed")["launches"]
    except (OSError, sealed.Damaged):
        return []


def _command(arguments):
    """Returns the command as it would be typed; None where odtf was not a command, as in a notebook."""
    path = pathlib.Path(arguments[0])
    if path.parent.name == "commands" and path.suffix == ".py":
        return shlex.join(["odtf-" + path.stem, *arguments[1:]])
    return shlex.join([path.name, *arguments[1:]]) if path.name.startswith("odtf-") else None


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # It may be another distribution, a nightly one.
        return None
