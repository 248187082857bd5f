"""TFLite metadata, which a mobile task library reads from the file besides the network.

Written with `flatbuffers` alone. The slot numbers are the positions of the fields in metadata_schema.fbs of
tflite-support (github.com/tensorflow/tflite-support); a union takes two slots, its type and its value.
"""

import io
import json
import zipfile

import flatbuffers

from odtf.tflite import flatbuffer

ENTRY = "TFLITE_METADATA"
LABELS = "labels.txt"
# What task libraries have no field for: an entry of its own, JSON, which they pass over.
FURTHER_ENTRY = "ODTF"
_IDENTIFIER = b"M001"
# Enumerations of the schema.
_FEATURE_PROPERTIES, _IMAGE_PROPERTIES = 1, 2
NORMALIZATION_OPTIONS = 1
_RGB, _GRAYSCALE = 1, 2
TENSOR_AXIS_LABELS = 2


def attach(content, labels=(), *, name, description, version, author="odtf"):
    """Adds metadata, and the names of its outputs, to a file that takes raw pixels.

    Args:
        content: bytes of a TFLite file with one image input `[1, height, width, channels]` and one output.
        labels: names in the order of the output, whose values are scores in [0, 1]; empty for another output.
        name: what the model is called.
        description: one line of text.
        version: version string of the model.
        author: who made it.

    Returns:
        bytes of the new file; with labels, `labels.txt` is stored in it as a zip member.

    Reference:
        "Adding metadata to LiteRT models", https://ai.google.dev/edge/litert/models/metadata.
    """
    model = flatbuffer.unpack(content)
    graph = model.subgraphs[0]
    image, output = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    b = flatbuffers.Builder(1024)
    inputs = _tables(b, [_image(b, image.name.decode(), tuple(map(int, image.shape)))])
    outputs = _tables(b, [(_scores if len(labels) else _values)(b, output.name.decode())])
    _finish(b, _table(b, 12, {2: inputs, 3: outputs}), name, description, version, author)
    flatbuffer.add_metadata(model, ENTRY, bytes(b.Output()))
    content = flatbuffer.pack(model)
    return _append(content, LABELS, labels_text(labels)) if len(labels) else content


def attach_resize(content, resize):
    """Adds to a file how images of another shape come to its size.

    Args:
        content: bytes of a TFLite file.
        resize: one of `odtf.data.framing.MODES`.

    Returns:
        bytes of the new file.
    """
    model = flatbuffer.unpack(content)
    flatbuffer.add_metadata(model, FURTHER_ENTRY, json.dumps({"resize": resize}).encode())
    return flatbuffer.pack(model)


def labels_text(labels):
    """Returns the content of labels.txt, bytes: one label per line."""
    return "".join(f"{label}\n" for label in labels).encode()


def _append(content, name, data):
    # Zip readers look from the end of a file and TFLite readers from its start, so that one file can be both.
    file = io.BytesIO(content)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_STORED) as archive:
        # The default time stamp is fixed (1980): the same model gives the same bytes.
        archive.writestr(zipfile.ZipInfo(name), data)
    return file.getvalue()


def _finish(b, graph, name, description, version, author):
    root = _table(
        b,
        8,
        {
            0: b.CreateString(name),
            1: b.CreateString(description),
            2: b.CreateString(version),
            3: _tables(b, [graph]),
            4: b.CreateString(author),
            7: b.CreateString("1.0.0"),  # oldest parser that knows every field used here
        },
    )
    b.Finish(root, _IDENTIFIER)


def _image(b, name, shape):
    _, height, width, channels = shape
    size = _table(b, 2, scalars={0: ("Uint32", width), 1: ("Uint32", height)})
    colours = _RGB if channels == 3 else _GRAYSCALE
    properties = _table(b, 2, {1: size}, {0: ("Int8", colours)})
    content = _table(b, 3, {1: properties}, {0: ("Uint8", _IMAGE_PROPERTIES)})
    # Mean 0 and standard deviation 1: hand the pixels over as they are.
    options = _table(b, 2, {0: _floats(b, [0.0]), 1: _floats(b, [1.0])})
    unit = _table(b, 2, {1: options}, {0: ("Uint8", NORMALIZATION_OPTIONS)})
    stats = _table(b, 2, {0: _floats(b, [255.0] * channels), 1: _floats(b, [0.0] * channels)})
    return _table(b, 7, {0: b.CreateString(name), 3: content, 4: _tables(b, [unit]), 5: stats})


def _values(b, name):
    content = _table(b, 3, {1: _table(b, 0)}, {0: ("Uint8", _FEATURE_PROPERTIES)})
    return _table(b, 7, {0: b.CreateString(name), 3: content})


def _scores(b, name):
    content = _table(b, 3, {1: _table(b, 0)}, {0: ("Uint8", _FEATURE_PROPERTIES)})
    stats = _table(b, 2, {0: _floats(b, [1.0]), 1: _floats(b, [0.0])})
    labels = _table(b, 5, {0: b.CreateString(LABELS)}, {2: ("Int8", TENSOR_AXIS_LABELS)})
    return _table(b, 7, {0: b.CreateString(name), 3: content, 5: stats, 6: _tables(b, [labels])})


def _table(b, slots, offsets=None, scalars=None):
    b.StartObject(slots)
    for slot, offset in (offsets or {}).items():
        b.PrependUOffsetTRelativeSlot(slot, offset, 0)
    for slot, (kind, value) in (scalars or {}).items():
        getattr(b, f"Prepend{kind}Slot")(slot, value, 0)
    return b.EndObject()


def _tables(b, offsets):
    b.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    return b.EndVector()


def _floats(b, values):
    b.StartVector(4, len(values), 4)
    for value in reversed(values):
        b.PrependFloat32(value)
    return b.EndVector()
