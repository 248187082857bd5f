"""Where every record of TFRecord files lies, found once by their headers and kept for the next time.

A record is its length (8 bytes), a checksum of that (4), the bytes, and their checksum (4). To find the records of a
set is to jump through all of its files, a read for each record: nothing where the system has them in memory, much on a
cold disk or a network, and on a store as much as reading the whole set. So what was found is kept, beside the files or
in the cache of this machine where they may not be written to: `.odtf-index-KEY.npz`, with name, size and time of every
file that it is of. One of other files is made anew.
"""

import hashlib
import io
import json
import os
import struct

import numpy as np

from odtf import archives, paths
from odtf.errors import ARCHIVE_DAMAGE, UserError
from odtf.files import write_bytes

# Fewer records on a disk are found in a fraction of a second.
KEPT_FROM = 100_000
_FORMAT = 1


class RecordIndex:
    """Where every record of some TFRecord files lies: the file, the first byte and the length.

    Args:
        files: list of the paths of the files, of one folder.

    Raises:
        UserError: if a file cannot be read, or ends inside a record.
    """

    def __init__(self, files):
        self._paths = [paths.at(file) for file in files]
        try:
            said = _said_of(self._paths)
            self._files, self._offsets, self._lengths = _kept(self._paths, said) or _found(self._paths, said)
        except OSError as error:
            raise UserError(f"A file of the TFDS set cannot be read: prepare it again. Received: {error}.") from error

    def __len__(self):
        return len(self._files)

    def read(self, row):
        """Returns the bytes of a record.

        Raises:
            OSError: if the file cannot be read.
        """
        with self._paths[self._files[row]].open("rb", buffering=0) as file:
            file.seek(self._offsets[row])
            return file.read(self._lengths[row])


def _said_of(files):
    """Returns what tells files from others: name, bytes and time of each, and the form of an index."""
    facts = [(path.name, stat.st_size, stat.st_mtime_ns) for path, stat in zip(files, paths.stats(files), strict=True)]
    return json.dumps([_FORMAT, *facts])


def _places(files):
    """Yields where the index of files may be: beside them, and in the cache of this machine."""
    if not files:
        return
    names = "\n".join(path.name for path in files)
    name = f".odtf-index-{hashlib.sha256(names.encode('utf-8', 'surrogateescape')).hexdigest()[:12]}.npz"
    yield files[0].parent / name
    yield paths.cache_folder() / "indices" / f"{paths.key_of(files[0].parent)}{name}"


def _kept(files, said):
    """Returns what an earlier look through the files found; None where there was none, or it was of other ones."""
    for place in _places(files):
        try:
            kept = archives.arrays_in(io.BytesIO(place.read_bytes()))
            if kept["said"].item() == said:
                return kept["files"], kept["offsets"], kept["lengths"]
        except ARCHIVE_DAMAGE:
            continue
    return None


def _found(files, said):
    """Looks through the files, and keeps what it finds where that is much."""
    numbers, offsets, lengths = [], [], []
    for number, path in enumerate(files):
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            position = 0
            while position < size:
                file.seek(position)
                header = file.read(8)
                (length,) = struct.unpack("<Q", header) if len(header) == 8 else (size,)
                numbers.append(number)
                offsets.append(position + 12)
                lengths.append(length)
                position += length + 16
        if position != size:
            raise UserError(f"A TFRecord file ends inside a record: prepare the set again. Received: {path}.")
    # Arrays, not lists of tuples: 1.3 million records are 26 MB instead of 200.
    arrays = np.asarray(numbers, np.int32), np.asarray(offsets, np.int64), np.asarray(lengths, np.int64)
    if len(numbers) >= KEPT_FROM or any(map(paths.is_store, files)):
        _keep(files, said, arrays)
    return arrays


def _keep(files, said, arrays):
    """Writes an index to the first place that takes it; where none does, the next start looks again."""
    content = io.BytesIO()
    np.savez_compressed(content, said=said, **dict(zip(("files", "offsets", "lengths"), arrays, strict=True)))
    for place in _places(files):
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(place, content.getvalue())
            return
        except (OSError, UserError):
            continue
