"""Archives of arrays, .npz, read as data."""

import zipfile

import numpy as np


def arrays_in(stream):
    """Returns the arrays of an archive by name.

    Args:
        stream: binary file.

    Raises:
        one of `odtf.errors.ARCHIVE_DAMAGE`: if it is no such archive, is damaged, or has something else in it.
    """
    found_one = zipfile.is_zipfile(stream)
    stream.seek(0)
    loaded = np.load(stream, allow_pickle=False) if found_one else None
    if not isinstance(loaded, np.lib.npyio.NpzFile):  # As of an array that an archive follows.
        raise ValueError("it is no archive")
    with loaded as file:
        found = {name: file[name] for name in file.files}
    for name, value in found.items():  # Of a member that does not begin as an array NumPy returns the bytes.
        if not isinstance(value, np.ndarray):
            raise ValueError(f"{name} is no array")
    return found
