"""A builder that shares, held against the one that does not."""

import flatbuffers
import numpy as np
from flatbuffers import encode, packer
from flatbuffers.table import Table

from odtf.tflite.sharing_builder import SharingBuilder


def _floats(builder, values):
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    return builder.EndVector()


def _table(builder, prepend, value, child=0):
    builder.StartObject(2)
    getattr(builder, f"Prepend{prepend}Slot")(0, value, 0)
    builder.PrependUOffsetTRelativeSlot(1, child, 0)
    return builder.EndObject()


def test_builder_shares_what_is_equal_and_only_that():
    builder = SharingBuilder()
    assert builder.CreateString("a") == builder.CreateString(b"a") != builder.CreateString("b")
    first, other = _floats(builder, [1.0, 2.0]), _floats(builder, [2.0, 1.0])
    size = builder.Offset()
    assert _floats(builder, [1.0, 2.0]) == first != other
    assert builder.Offset() == size
    table = _table(builder, "Int32", 1, first)
    assert _table(builder, "Int32", 1, first) == table
    # Equal in Python, or at an equal distance, is not equal in a file.
    assert _table(builder, "Float32", 1.0, first) != table
    assert _table(builder, "Int32", 1, other) != table
    assert _table(builder, "Float32", 0.5) != _table(builder, "Float32", -0.5)


def test_builder_reads_back():
    builders = SharingBuilder(16), flatbuffers.Builder(16)
    for builder in builders:
        vectors = [_floats(builder, values) for values in ([1.0, 2.0], [3.0], [1.0, 2.0])]
        tables = [_table(builder, "Int32", 7, vector) for vector in vectors]
        builder.StartVector(4, 3, 4)
        for table in tables:
            builder.PrependUOffsetTRelative(table)
        builder.Finish(_table(builder, "Int32", 9, builder.EndVector()))
    small, large = (bytes(builder.Output()) for builder in builders)
    assert len(small) < len(large)
    assert _read(small) == _read(large) == [(7, [1.0, 2.0]), (7, [3.0]), (7, [1.0, 2.0])]


def _read(content):
    def child(table, slot):
        return table.Vector(table.Offset(slot))

    root = Table(bytearray(content), encode.Get(packer.uoffset, content, 0))
    start = child(root, 6)
    rows = []
    for index in range(root.VectorLen(root.Offset(6))):
        table = Table(root.Bytes, root.Indirect(start + 4 * index))
        count = table.VectorLen(table.Offset(6))
        values = np.frombuffer(content, "<f4", count, child(table, 6)).tolist()
        rows.append((encode.Get(packer.int32, content, table.Pos + table.Offset(4)), values))
    return rows[::-1]
