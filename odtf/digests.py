"""Digests of files, by which one is known again."""

import hashlib

from odtf import paths

_BLOCK = 2**20


def sha256_of(path):
    """Returns the sha256 of a file as hexadecimal text; the file is read in parts.

    Raises:
        OSError: if it cannot be read.
    """
    digest = hashlib.sha256()
    with paths.at(path).open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
