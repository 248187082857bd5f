"""What all of the zoo has: cards, and files that are known again by the checksums on them."""

import json

from odtf import digests
from odtf import names as names_lib
from odtf.errors import UserError


def card(folder, name, known, words):
    """Returns the card NAME.json of a folder.

    Args:
        folder: `pathlib.Path`.
        name: one of `known`.
        known: list of names.
        words: the beginning of the sentence that lists them.

    Raises:
        UserError: if it is none of them.
    """
    if name not in known:
        listed = f"{', '.join(known) or 'none'}{names_lib.meant(name, known)}"
        raise UserError(f"{words} {listed}. Received: {name!r}.")
    return json.loads((folder / f"{name}.json").read_text("utf-8"))


def checked(file, wanted):
    """Returns a path, once its checksum has shown that it is the one of a card.

    Args:
        file: `pathlib.Path`.
        wanted: the sha256 of the card.

    Raises:
        UserError: if the file is absent or another.
    """
    digest = digests.sha256_of(file) if file.is_file() else "no file"
    if digest != wanted:
        raise UserError(
            f"{file} must have the sha256 {wanted} of its card; another installation of odtf would be right. "
            f"Received: {digest}."
        )
    return file
