"""Folders that are named after splits, as people and programs name them."""

from odtf import paths
from odtf.data import folders
from odtf.errors import UserError

WORDS = {"train": ("train", "training"), "validation": ("val", "valid", "validation"), "test": ("test", "testing")}
_PARTS = {word: part for part, words in WORDS.items() for word in words}


def part_of(name):
    """Returns the split that a folder's name means, in whatever case; None for another name."""
    return _PARTS.get(name.lower())


def places(root):
    """Returns the folders of splits in a folder, a dict from "train", "validation" or "test" to a path.

    Args:
        root: path of the folder.

    Raises:
        UserError: if it cannot be read, or has two for one split: which one is meant is not for odtf to say.
    """
    found = {}
    for entry in folders.entries(root):
        part = part_of(entry.name) if folders.is_folder(entry) else None
        if part in found:
            raise UserError(
                f"A folder has one of {', '.join(WORDS[part])}: join the two, or rename one of them out of the way. "
                f"Received: {found[part]} and {entry.path}."
            )
        if part is not None:
            found[part] = paths.at(entry.path)
    return found
