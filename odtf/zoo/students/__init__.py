"""Students of the zoo: int8 files for small chips, each with all that shows what it is.

Of each there are NAME.tflite, at most 60 kB; NAME.md, its model card; NAME.config.json, the config of its run; and
NAME.json: "title", "data", "metric" and "quality" (the file's value of it on the test split), "agreement", "bytes",
"sha256", "parameters", "macs", "method", "network", "commands" (that made it) and "terms".

    odtf-evaluate zoo/NAME

measures the file on its data again. `tests/programs/zoo_students.py` packs a finished run.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
from typing import TYPE_CHECKING

from odtf import names as names_lib
from odtf.errors import UserError

if TYPE_CHECKING:
    from typing import Any


PREFIX = "zoo/"
MAX_BYTES = 60_000
_FOLDER = pathlib.Path(__file__).parent


def names() -> list[str]:
    """Returns the names of all students, sorted; reads none of them."""
    return sorted(path.stem for path in _FOLDER.glob("*.tflite"))


def card(name: str) -> dict[str, Any]:
    """Returns what is known of a student, as the module says.

    Args:
        name: one of `names()`, with or without "zoo/" before it.

    Raises:
        UserError: if there is no such student.
    """
    name = name.removeprefix(PREFIX)
    if name not in names():
        listed = f"{', '.join(names()) or 'none'}{names_lib.meant(name, names())}"
        raise UserError(f"The students of the zoo are {listed}. Received: {name!r}.")
    return json.loads((_FOLDER / f"{name}.json").read_text("utf-8"))


def path(name: str) -> pathlib.Path:
    """Returns the path of a student's file, once its checksum has shown that it is the one of the card.

    Raises:
        UserError: if there is no such student, or its file is another.
    """
    wanted, file = card(name)["sha256"], _FOLDER / f"{name.removeprefix(PREFIX)}.tflite"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    if digest != wanted:
        raise UserError(
            f"{file} must have the sha256 {wanted} of its card; another installation of odtf would be right. "
            f"Received: {digest}."
        )
    return file


def check_quality(name: str, values: dict[str, Any]) -> str:
    """Shows that a student was measured as its card says.

    Args:
        name: as for `card`.
        values: what was measured on the test split, by the names of metrics.

    Returns:
        A line that says so.

    Raises:
        UserError: if another value was measured: the file, its data or the runtime are others.
    """
    about = card(name)
    metric, said = about["metric"], about["quality"]
    found = values[metric]
    if abs(found - said) > 1e-6:
        raise UserError(
            f"The card of {name} says {metric} {said:.4f} on the test split of {about['data']}: the same data and a "
            f"runtime that computes alike would give it. Received: {found:.4f}."
        )
    return f"As its card says: {metric} {said:.4f} on the test split of {about['data']}."
