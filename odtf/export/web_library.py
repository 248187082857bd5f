"""LiteRT.js brought beside a web page, from where npm installed it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odtf import paths as paths_lib
from odtf.export.output import publish
from odtf.targets import web_packages

if TYPE_CHECKING:
    import os
    import pathlib

    from odtf.atomic_files import AtomicFiles


def add_web_library(
    directory: str | os.PathLike[str], folder: str | os.PathLike[str], atomic: AtomicFiles | None = None
) -> list[pathlib.Path]:
    """Copies LiteRT.js beside a page, to where `npm install` would put it.

    Args:
        directory: path of the page's folder.
        folder: path where `npm install @litertjs/core` was run, or its `node_modules`.
        atomic: as for `odtf.export.publish`.

    Returns:
        list of the paths.

    Raises:
        UserError: if the library is not there, or the disk is full.
    """
    library, paths = web_packages.find_web_library(folder), []
    for part, names in web_packages.NEEDED.items():
        files = {name: (library / part / name).read_bytes() for name in names}
        paths += publish(paths_lib.at(directory) / "node_modules" / web_packages.SCOPE / part, files, atomic)
    return paths
