"""Examples of a TFDS set by their number.

TFRecord files are indexed once, by their record headers; after that any example can be read on its own, so that a
streamed set can be read in any order, as one in memory. ArrayRecord files carry such an index.
"""

import functools
import hashlib
import json
import os
import struct

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from odtf.data import records
from odtf.errors import UserError


def example_reader(builder, split, image_key, label_key):
    """A function of a row that returns the encoded image and its label, and may be called from any thread.

    The label is an int; where its feature is an image, it is the encoded image.

    Args:
        builder: read-only TFDS builder.
        split: str, a split of the set.
        image_key: str, name of the image feature.
        label_key: str, name of the label feature.

    Raises:
        UserError: if the files are in another format, unreadable, or fewer than the set's description says.
    """
    file_format = builder.info.file_format.value
    if file_format == "array_record":
        from tensorflow_datasets import decode as decoders

        keys = [key for key in (image_key, label_key) if builder.info.features[key].shape]
        source = builder.as_data_source(split, decoders={key: decoders.SkipDecoding() for key in keys})

        def read(row):
            example = source[row]
            label = example[label_key]
            return example[image_key], label if label_key in keys else int(label)

        return read
    if file_format != "tfrecord":
        raise UserError(
            "A TFDS set must be in TFRecord or ArrayRecord files: prepare it with file_format='tfrecord'."
            f" Received: {builder.info.name} in {file_format}."
        )
    index = RecordIndex([part.filename for part in builder.info.splits[split].file_instructions])
    expected = builder.info.splits[split].num_examples
    if len(index) != expected:
        raise UserError(
            f"{builder.info.name} should have {expected} examples in {split}: prepare the set again."
            f" Received: {len(index)}."
        )

    def read(row):
        try:
            features = tf.train.Example.FromString(index.read(row)).features.feature
            label = features[label_key]
            return features[image_key].bytes_list.value[0], (label.bytes_list.value or label.int64_list.value)[0]
        except (OSError, DecodeError, IndexError) as error:
            raise UserError(
                "An example of a TFDS set is damaged: prepare the set again, or pass skip_corrupt=True."
                f" Received: {builder.info.name}, {split} example {row}."
            ) from error

    return read


def record_of(builder, split):
    """Returns a function `record(rows)` for a store of a split: its rows, the version of the set and its digest.

    The digest is that of what the set's description says of the split: how many examples each file has, and its bytes.

    Args:
        builder: read-only TFDS builder.
        split: str, a split of the set.
    """
    info = builder.info.splits[split]
    described = json.dumps([split, list(info.shard_lengths), info.num_bytes])
    digest = hashlib.sha256(described.encode()).hexdigest()
    return functools.partial(records.of_rows, version=str(builder.info.version), digest=digest)


class RecordIndex:
    """Where every record of some TFRecord files lies: the file, the first byte and the length.

    A record is its length (8 bytes), a checksum of that (4), the bytes, and their checksum (4).
    """

    def __init__(self, paths):
        self._paths = paths
        files, offsets, lengths = [], [], []
        for number, path in enumerate(paths):
            try:
                with open(path, "rb") as file:
                    size = os.fstat(file.fileno()).st_size
                    position = 0
                    while position < size:
                        file.seek(position)
                        header = file.read(8)
                        (length,) = struct.unpack("<Q", header) if len(header) == 8 else (size,)
                        files.append(number)
                        offsets.append(position + 12)
                        lengths.append(length)
                        position += length + 16
            except OSError as error:
                raise UserError(
                    f"A file of the TFDS set cannot be read: prepare it again. Received: {error}."
                ) from error
            if position != size:
                raise UserError(f"A TFRecord file ends inside a record: prepare the set again. Received: {path}.")
        # Arrays, not lists of tuples: 1.3 million records are 26 MB instead of 200.
        self._files = np.asarray(files, np.int32)
        self._offsets = np.asarray(offsets, np.int64)
        self._lengths = np.asarray(lengths, np.int64)

    def __len__(self):
        return len(self._files)

    def read(self, row):
        with open(self._paths[self._files[row]], "rb", buffering=0) as file:
            file.seek(self._offsets[row])
            return file.read(self._lengths[row])
