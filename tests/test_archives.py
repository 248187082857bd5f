"""Archives of arrays: what is in them is an array, or they are damaged."""

import io
import zipfile

import numpy as np
import pytest

from odtf import archives
from odtf.errors import ARCHIVE_DAMAGE


def written(**values):
    stream = io.BytesIO()
    np.savez(stream, **values)
    stream.seek(0)
    return stream


def test_arrays_are_read_by_their_names():
    found = archives.arrays_in(written(a=np.arange(3), b=np.float32(2)))
    assert sorted(found) == ["a", "b"] and found["a"].tolist() == [0, 1, 2] and found["b"] == 2


def test_what_is_no_array_is_damage():
    """Of a member whose first bytes are not those of an array NumPy returns bytes, and says nothing."""
    stream = written(a=np.arange(3))
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr("b.npy", b"\x92NUMPY")
    stream.seek(0)
    with pytest.raises(ValueError, match=r"^b is no array$"):
        archives.arrays_in(stream)


def test_what_is_no_archive_is_damage():
    single = io.BytesIO()
    np.save(single, np.arange(3))
    for content in (single.getvalue(), b"", b"PK\x03\x04", written(a=np.arange(3)).getvalue()[:-30]):
        with pytest.raises(ARCHIVE_DAMAGE):
            archives.arrays_in(io.BytesIO(content))
    with pytest.raises(ARCHIVE_DAMAGE):
        archives.arrays_in(written(a=np.array([{}], object)))
