"""The claim of a run on its workdir."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from odtf import paths, sealed
from odtf.errors import UserError
from odtf.files import check_directory, make_directory
from odtf.run_records import read_config
from odtf.training import config as config_lib
from odtf.training import growth

if TYPE_CHECKING:
    import os

    import ml_collections

    Path = str | os.PathLike[str]


def check_claim(workdir: Path, config: ml_collections.ConfigDict) -> bool:
    """Shows that a run of `config` may write to the workdir, and writes nothing.

    Returns:
        Whether a run is there that goes on beyond its end: the config has more epochs than it had, see
        `odtf.training.growth`.

    Raises:
        UserError: if it cannot be written to, or another config's run is there, naming what differs.
    """
    check_directory(workdir)
    if not (paths.at(workdir) / "config.json").exists():
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
