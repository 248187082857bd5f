"""Records of images: what tells those of a split from any others, so that a run notices where they have changed.

A store has a function `record(rows)` for it, which the source that opens it chooses; one that has none says nothing.
"""

import hashlib
import os

import numpy as np

from odtf import paths
from odtf.errors import UserError


def of_rows(rows, **facts):
    """Returns what is known of images that have no name but their number.

    Args:
        rows: int array of the rows.
        **facts: what is true of all images of the store, such as the version of a data set.

    Returns:
        dict that JSON can hold.
    """
    return {"rows": hashlib.sha256(np.asarray(rows, "<i8").tobytes()).hexdigest(), **facts}


def of_files(files, root):
    """Returns a function `record(rows)` for images that are files: the digest of their names, and their bytes.

    Args:
        files: list, for each row the path of its file, or a tuple of several paths.
        root: the folder of the data set; names are relative to it, so that it can be moved.
    """
    prefix = os.path.join(str(root), "")

    def record(rows):
        each = (files[row] if isinstance(files[row], tuple) else (files[row],) for row in rows)
        read, digest = [str(path) for group in each for path in group], hashlib.sha256()
        for path in read:
            digest.update(os.fsencode(path.removeprefix(prefix)) + b"\0")
        try:
            size = sum(found.st_size for found in paths.stats(read))
        except OSError as error:
            raise UserError(
                "An image cannot be read: replace or remove it, or pass skip_corrupt=True. "
                f"Received: {error.filename} ({error.strerror})."
            ) from error
        return {"files": digest.hexdigest(), "bytes": size}

    return record
