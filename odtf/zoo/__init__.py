"""The zoo: small networks trained on CIFAR-100, to start others from.

Each is NAME.keras, a `keras.Model` of odtf's layers, and NAME.json, its card: what it was trained on and how, under
which terms, what it knows, and the checksum by which it is known again. `configs/start.py` trains such networks.
"""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

from odtf.zoo import shelf

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
    return shelf.card(_FOLDER, name, names(), "The zoo has")


def path(name: str) -> pathlib.Path:
    """Returns the path of a start's .keras file, once its checksum has shown that it is the one of the card.

    Raises:
        UserError: if there is no such start, or its file is absent or another.
    """
    return shelf.checked(_FOLDER / f"{name}.keras", card(name)["sha256"])
