"""TFLite metadata as they are read: how to normalise the input, and the names of the outputs.

The slot numbers are those of `odtf.tflite.metadata`, which writes them.
"""

import io
import json
import zipfile

from flatbuffers import encode, number_types, packer, table

from odtf.errors import ARCHIVE_DAMAGE, UserError
from odtf.tflite import flatbuffer
from odtf.tflite.metadata import ENTRY, FURTHER_ENTRY, NORMALIZATION_OPTIONS, TENSOR_AXIS_LABELS

# The labels of 21,000 classes of ImageNet take half a megabyte.
MAX_LABEL_BYTES = 4 * 2**20
# What the tables of metadata, and the archive of labels, make their readers raise: also encryption, and compression
# that nobody here knows.
_CORRUPT = (*ARCHIVE_DAMAGE, IndexError, TypeError, OverflowError)


def read(content):
    """Reads the metadata of a file with one input and one output.

    Args:
        content: the file's bytes.

    Returns:
        `(normalization, labels)`: (means, deviations) of pixels 0..255 or None, and a list of str or None.

    Raises:
        UserError: if the metadata are corrupt.
    """
    try:
        stored = flatbuffer.read_metadata(flatbuffer.look(content), ENTRY)
        if stored is None:
            return None, None
        root = table.Table(bytearray(stored), encode.Get(packer.uoffset, stored, 0))
        graph = _children(root, 3)[:1]
        inputs = [tensor for part in graph for tensor in _children(part, 2)]
        outputs = [tensor for part in graph for tensor in _children(part, 3)]
        return _normalization(inputs), _labels(outputs, content)
    except _CORRUPT as error:
        reason = str(error).split("\n")[0] or type(error).__name__
        raise UserError(f"The TFLite metadata are corrupt; export the file again. Received: {reason}.") from error


def read_resize(content, known):
    """Reads how images of another shape come to a file's size; None where it says nothing.

    Args:
        content: the file's bytes.
        known: the words for it.

    Raises:
        UserError: if what it says is none of them.
    """
    try:
        stored = flatbuffer.read_metadata(flatbuffer.look(content), FURTHER_ENTRY)
        if stored is None:
            return None
        resize = json.loads(stored)["resize"]
        if resize not in list(known):
            raise ValueError(f"a way of resizing that is none of {', '.join(known)}")
    except (*_CORRUPT, RecursionError) as error:
        reason = str(error).split("\n")[0] or type(error).__name__
        raise UserError(f"The TFLite metadata are corrupt; export the file again. Received: {reason}.") from error
    return resize


def _normalization(inputs):
    for tensor in inputs[:1]:
        for unit in _children(tensor, 4):
            if _byte(unit, 0) == NORMALIZATION_OPTIONS:
                options = table.Table(unit.Bytes, unit.Indirect(unit.Pos + _offset(unit, 1)))
                mean, std = _floats(options, 0), _floats(options, 1)
                if mean and len(mean) == len(std) and _of_sense(mean, std):
                    return mean, std
    return None


def _of_sense(mean, std):
    """Whether numbers can be of pixels 0..255; others, such as a deviation of inf, would make all pixels alike."""
    return all(1e-3 <= deviation <= 1e4 for deviation in std) and all(-1e4 <= middle <= 1e4 for middle in mean)


def _labels(outputs, content):
    for tensor in outputs[:1]:
        for file in _children(tensor, 6):
            if _byte(file, 2) == TENSOR_AXIS_LABELS and _offset(file, 0):
                name = file.String(file.Pos + _offset(file, 0)).decode()
                return _unpacked(content, name).decode().splitlines()
    return None


def _unpacked(content, name):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        member = archive.getinfo(name)
        # Others are unpacked whole, however much of them is read.
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"a {name} of a compression that mobile libraries do not read, {member.compress_type}")
        with archive.open(member) as file:
            text = file.read(MAX_LABEL_BYTES + 1)
    if len(text) != min(member.file_size, MAX_LABEL_BYTES + 1):
        # The checksum of a part may be right: that of nothing is 0.
        raise ValueError(f"a {name} of {len(text):,} bytes where the archive says {member.file_size:,}")
    if len(text) > MAX_LABEL_BYTES:
        raise ValueError(f"a {name} of more than {MAX_LABEL_BYTES:,} bytes")
    return text


def _offset(part, slot):
    return part.Offset(4 + 2 * slot)


def _children(part, slot):
    offset = _offset(part, slot)
    places = range(part.VectorLen(offset)) if offset else ()
    return [table.Table(part.Bytes, part.Indirect(part.Vector(offset) + 4 * i)) for i in places]


def _floats(part, slot):
    offset = _offset(part, slot)
    places = range(part.VectorLen(offset)) if offset else ()
    return [part.Get(number_types.Float32Flags, part.Vector(offset) + 4 * i) for i in places]


def _byte(part, slot):
    offset = _offset(part, slot)
    return part.Get(number_types.Uint8Flags, part.Pos + offset) if offset else 0
