"""Labels of a TFLite file, a zip archive at its end: whatever is wrong with it is a line, and costs little."""

import io
import tracemalloc
import zipfile

import pytest

from odtf.errors import UserError
from odtf.tflite import metadata, metadata_reader
from tests.tflite import handmade

LABELS = ["ash", "Bäume", "cedar"]
OPTIONS = {"name": "x", "description": "x", "version": "1"}


def with_archive(*, compression=zipfile.ZIP_DEFLATED, name=metadata.LABELS, data=b"ash\nbirch\n", change=lambda b: b):
    """A file with another archive; `change` is of the archive's bytes."""
    content = metadata.attach(handmade.sound(), LABELS, **OPTIONS)
    model = content[: content.index(b"PK\3\4")]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", compression) as file:
        file.writestr(name, data)
    return model + change(bytearray(archive.getvalue()))


def flag(archive, bit):
    """Sets a bit of the flags in both of a member's headers."""
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        archive[archive.index(mark) + offset] |= bit
    return archive


def method(archive, number):
    for mark, offset in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        archive[archive.index(mark) + offset] = number
    return archive


def spoiled(archive):
    offset = 30 + len(metadata.LABELS)
    archive[offset : offset + 6] = b"\xff" * 6
    return archive


def emptied(archive):
    """Has the directory say that nothing is stored, whose checksum is right."""
    start = archive.index(b"PK\1\2") + 16
    archive[start : start + 8] = bytes(8)
    return archive


BAD = {
    "of nothing": with_archive(compression=zipfile.ZIP_STORED, change=emptied),
    "encrypted": with_archive(change=lambda archive: flag(archive, 1)),
    "patched": with_archive(change=lambda archive: flag(archive, 32)),
    "of an unknown compression": with_archive(change=lambda archive: method(archive, 77)),
    "cut": with_archive(change=lambda archive: archive[:-30]),
    "cut in the middle": with_archive(change=lambda archive: archive[:40]),
    "broken": with_archive(change=spoiled),
    "broken bzip2": with_archive(compression=zipfile.ZIP_BZIP2, change=spoiled),
    "broken lzma": with_archive(compression=zipfile.ZIP_LZMA, change=spoiled),
    "without labels": with_archive(name="other.txt"),
    "of another text": with_archive(data=b"\xff\xfe\xfd"),
    "none": with_archive(change=lambda archive: bytearray()),
}


def test_labels_are_read():
    assert metadata_reader.read(metadata.attach(handmade.sound(), LABELS, **OPTIONS))[1] == LABELS
    assert metadata_reader.read(with_archive())[1] == ["ash", "birch"]


@pytest.mark.parametrize("name", BAD)
def test_a_bad_archive_is_a_line(name):
    with pytest.raises(UserError, match=r"^The TFLite metadata are corrupt; .* Received: .+\.$") as caught:
        metadata_reader.read(BAD[name])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("compression", "words"), [(zipfile.ZIP_DEFLATED, "more than 4,194,304 bytes"), (zipfile.ZIP_LZMA, "compression")]
)
def test_labels_that_would_fill_the_memory_are_refused(compression, words):
    content = with_archive(compression=compression, data=b"ash\n" * 2**24)
    assert len(content) < 2**20
    tracemalloc.start()
    with pytest.raises(UserError, match=rf"labels\.txt of .*{words}"):
        metadata_reader.read(content)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2**25
