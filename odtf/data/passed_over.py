"""Counts of what lies in a folder of images and is none, by kind: nothing vanishes without a word."""

import collections
import os

from odtf.data import folders

# What is to be done about files that might be missed.
_ADVICE = {
    ".heic": "HEIC is not read: save them as JPEG",
    ".heif": "HEIF is not read: save them as JPEG",
    ".tif": "TIFF is not read: save them as PNG",
    ".tiff": "TIFF is not read: save them as PNG",
    ".zip": "unpack it first",
}
_SHOWN = 8


def kinds(folder, extensions, inner="folders in folders of classes"):
    """Counts what is passed over in a folder of images.

    Args:
        folder: path.
        extensions: tuple of lower-case ends of the names of images.
        inner: what folders in it are called; None where they are those that are read.

    Returns:
        `collections.Counter` of kinds: a suffix, "hidden" and so on.

    Raises:
        UserError: if the folder cannot be read.
    """
    found = collections.Counter()
    with folders.scanned(folder) as entries:
        for entry in entries:
            if folders.is_foreign(entry.name):
                found["hidden" if entry.name.startswith(".") else entry.name] += 1
            elif folders.is_folder(entry):
                found.update([inner] if inner else ())
            elif inner is None and entry.name.lower().endswith(extensions):
                found["images beside the folders of classes"] += 1
            elif not entry.name.lower().endswith(extensions):
                found[os.path.splitext(entry.name)[1].lower() or "without a suffix"] += 1
    return found


def kinds_below(folder, extensions):
    """Counts what is passed over in a folder of images and in all below it, see `kinds`."""
    found = kinds(folder, extensions, "folders")
    del found["folders"]  # They are gone through.
    for entry in folders.entries(folder):
        if folders.is_folder(entry):
            found += kinds_below(entry.path, extensions)
    return found


def listed(counts):
    """Returns counts as words, the largest first: "12 .heic (HEIC is not read: save them as JPEG), 1 .txt"."""
    rows = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
    words = [f"{count:,} {kind}" + (f" ({_ADVICE[kind]})" if kind in _ADVICE else "") for kind, count in rows[:_SHOWN]]
    rest = sum(count for _, count in rows[_SHOWN:])
    return ", ".join([*words, f"{rest:,} of other kinds"] if rest else words)
