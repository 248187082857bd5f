"""Students of the zoo: int8 files for small chips, each with all that shows what it is.

Of each there are NAME.tflite, at most 60 kB; NAME.md, its model card; NAME.config.json, the config of its run; and
NAME.json: "title", "data", "metric" and "quality" (the file's value of it on the test split), "agreement", "bytes",
"sha256", "parameters", "macs", "method", "network", "commands" (that made it) and "terms".

    odtf-evaluate zoo/NAME

measures the file on its data again. `tests/programs/zoo_students.py` packs a finished run.
"""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

from odtf.errors import UserError
from odtf.zoo import shelf

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
    return shelf.card(_FOLDER, name.removeprefix(PREFIX), names(), "The students of the zoo are")


def path(name: str) -> pathlib.Path:
    """Returns the path of a student's file, once its checksum has shown that it is the one of the card.

    Raises:
        UserError: if there is no such student, or its file is another.
    """
    return shelf.checked(_FOLDER / f"{name.removeprefix(PREFIX)}.tflite", card(name)["sha256"])


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
