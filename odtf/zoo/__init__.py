"""The zoo: small networks trained on CIFAR-100, to start others from.

Each is NAME.keras, a `keras.Model` of odtf's layers, and NAME.json, its card: what it was trained on and how, under
which terms, what it knows, and the checksum by which it is known again. `configs/start.py` trains such networks.
"""

import hashlib
import json
import pathlib

from odtf import names as names_lib
from odtf.errors import UserError

_FOLDER = pathlib.Path(__file__).parent


def names():
    """Returns the names of all starts, sorted; reads none of them."""
    return sorted(path.stem for path in _FOLDER.glob("*.json"))


def card(name):
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


def path(name):
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
