"""The folder of a prepared TFDS set: opened by TFDS where it lies on a disk, by a copy of its description on a store.

TFDS reads descriptions from gs:// alone of all that TensorFlow reaches, and takes any other URL for a path of this
machine. A description is some small files; the records are read by odtf, from where they lie.
"""

import re
import tempfile
from typing import Any

from odtf import paths
from odtf.data.tfds_features import check_features
from odtf.errors import UserError

# The end of the names of record files, all else in a folder is the description.
_RECORDS = re.compile(r"-\d{5,}-of-\d{5,}$")
# Of a description whose copy is opened: the folder of the copy -> (the folder of the set, what keeps the copy).
_copies: dict[str, tuple[Any, Any]] = {}


def open_builder(folder):
    """Returns a read-only TFDS builder of a folder, which `odtf.data.tfds_features.check_features` has looked through.

    Args:
        folder: path, or `odtf.store_path.StorePath`.

    Raises:
        Exception: whatever a damaged description makes TFDS raise.
    """
    import tensorflow_datasets

    if not paths.is_store(folder):
        return tensorflow_datasets.builder_from_directory(folder)
    # In folders of the set's name and version: TFDS reads both from there.
    kept = tempfile.TemporaryDirectory(prefix="odtf-")
    copy = paths.at(kept.name).joinpath(*folder.parts[-3:])
    copy.mkdir(parents=True)
    for path in folder.iterdir():
        if not _RECORDS.search(path.name) and not path.is_dir() and not path.name.startswith("."):
            (copy / path.name).write_bytes(path.read_bytes())
    check_features(copy)  # What is opened, whatever was on the store a moment before.
    _copies[str(copy)] = folder, kept
    return tensorflow_datasets.builder_from_directory(copy)


def folder_of(builder):
    """Returns the folder that the files of a builder lie in, a path."""
    return _copies.get(str(builder.data_dir), (paths.at(str(builder.data_dir)),))[0]


def record_files(builder, split):
    """Returns the paths of the record files of a split, in their order.

    Args:
        builder: as `open_builder` returns it.
        split: str.
    """
    names = [paths.at(part.filename).name for part in builder.info.splits[split].file_instructions]
    return [folder_of(builder) / name for name in names]


def check_mapped(builder):
    """Raises UserError if files that are read by a program of their own lie on a store."""
    if paths.is_store(folder_of(builder)):
        raise UserError(
            "On a store a TFDS set must be in TFRecord files: prepare it with file_format='tfrecord', or copy it to a "
            f"disk. Received: {builder.info.name} in {builder.info.file_format.value}, {folder_of(builder)}."
        )
