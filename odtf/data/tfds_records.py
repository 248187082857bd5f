"""Examples of a TFDS set by their number.

TFRecord files are indexed, see `odtf.data.record_index`; after that any example can be read on its own, so that a
streamed set can be read in any order, as one in memory. ArrayRecord files carry such an index.
"""

import functools
import hashlib
import json

import tensorflow as tf
from google.protobuf.message import DecodeError

from odtf.data import records, tfds_folder
from odtf.data.record_index import RecordIndex
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
        tfds_folder.check_mapped(builder)
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
    index = RecordIndex(tfds_folder.record_files(builder, split))
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
