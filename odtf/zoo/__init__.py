"""The zoo: small networks trained on CIFAR-100, to start others from.

Each is NAME.keras, a `keras.Model` of odtf's layers, and NAME.json, its card: what it was trained on and how, under
which terms, what it knows, and the checksum by which it is known again. `configs/start.py` trains such networks.
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


_FOLDER = pathlib.Path(__file__).parent


def names() -> list[str]:
    """Returns the names of all starts, sorted; reads none of them."""
    return sorted(path.stem for path in _FOLDER.glob("*.json"))


def card(name: str) -> dict[str, Any]:
    """Returns what is known of a start.

    Args:
        name: one of `names()`.

    Returns:
        dict: "title", "network" (its specification, as in a config), "images" (height, width, channels), "parameters",
        "quality", "data", "terms", "commands", "sha256" and "bytes".

    Raises:
        UserError: if there is no such start.
    """
    if name not in names():
        listed = f"{', '.join(names()) or 'no start'}{names_lib.meant(name, names())}"
        raise UserError(f"The zoo has {listed}. Received: {name!r}.")
    return json.loads((_FOLDER / f"{name}.json").read_text("utf-8"))


def path(name: str) -> pathlib.Path:
    """Returns the path of a start's .keras file, once its checksum has shown that it is the one of the card.

    Raises:
        UserError: if there is no such start, or its file is absent or another.
    """
    wanted, file = card(name)["sha256"], _FOLDER / f"{name}.keras"
    digest = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else "no file"
    if digest != wanted:
        raise UserError(
            f"{file} must have the sha256 {wanted} of its card; another installation of odtf would be right. "
            f"Received: {digest}."
        )
    return file
