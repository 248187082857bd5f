"""Records with a digest: what is written is read, and what is damaged is noticed."""

import json
import os

import pytest

from odtf import sealed
from odtf.errors import UserError
from tests.data.test_strange_files import in_seconds

FORM = {"student": {"name": str, "step": int}, "peers": [{"name": str}], "seconds": float}
RECORD = {"student": {"name": "peer_1", "step": 12}, "peers": [{"name": "peer_1"}], "seconds": 1.5, "note": None}


def read(path):
    return sealed.read(path, FORM, "a copy would be right")


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "record.json"
    sealed.write(path, RECORD)
    assert read(path) == RECORD
    assert list(json.loads(path.read_text())) == [*RECORD, "digest"]
    path.write_text(json.dumps(json.loads(path.read_text()), sort_keys=True))  # Another layout says the same.
    assert read(path) == RECORD


def test_every_flipped_bit_is_noticed_or_changes_nothing(tmp_path):
    path = tmp_path / "record.json"
    sealed.write(path, RECORD)
    content = path.read_bytes()
    noticed = 0
    for position in range(len(content)):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[position] ^= 1 << bit
            path.write_bytes(damaged)
            try:
                found = read(path)
            except sealed.Damaged as error:
                assert "record.json is damaged: " in str(error) and "a copy would be right" in str(error)
                noticed += 1
            else:  # Between the values.
                assert found == RECORD
    assert noticed > 0.9 * 8 * len(content)


def test_a_record_of_before_has_no_digest(tmp_path):
    path = tmp_path / "record.json"
    path.write_text(json.dumps(RECORD))
    assert read(path) == RECORD


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "it must have the keys student, peers, seconds"),
        ("{}", "it must have the keys student, peers, seconds"),
        ('{"stu', "it must be JSON"),
        ("[" * 100_000, "it must be JSON"),
        (json.dumps({**RECORD, "student": None}), "student must have the keys name, step"),
        (json.dumps({**RECORD, "student": {"name": "peer_1", "step": "12"}}), "student.step must be of the type int"),
        (json.dumps({**RECORD, "student": {"name": "peer_1", "step": True}}), "student.step must be of the type int"),
        (json.dumps({**RECORD, "peers": {}}), "peers must be a list"),
        (json.dumps({**RECORD, "peers": [{"name": "a"}, {"nbme": "b"}]}), r"peers\[1\] must have the keys name"),
        (json.dumps({**RECORD, "seconds": None}), "seconds must be of the type float"),
        (json.dumps({**RECORD, "digest": "0" * 64}), "its content must have the digest that stands in it"),
        (json.dumps({**RECORD, "digest": 7}), "its content must have the digest"),
    ],
)
def test_what_is_no_such_record_is_one_line(text, message, tmp_path):
    path = tmp_path / "record.json"
    path.write_text(text)
    with pytest.raises(UserError, match=rf"record\.json is damaged: {message}.*; a copy would be right\..*Received: "):
        read(path)


def test_what_would_be_waited_for_is_damaged(tmp_path):
    """A workdir may be anybody's."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "folder").mkdir()
    for name, reason in (("pipe", "no regular file"), ("loop", "Too many levels"), ("folder", "no regular file")):
        with in_seconds(10), pytest.raises(sealed.Damaged, match=f"{name} is damaged: .*{reason}"):
            read(tmp_path / name)


def test_a_value_may_be_none_where_the_form_says_so():
    form = {"macs": float | None}
    assert sealed.misfit({"macs": None}, form) is sealed.misfit({"macs": 3}, form) is None
    assert sealed.misfit({"macs": "3"}, form) == "macs must be of the type float"
    assert sealed.misfit({"macs": None}, {"macs": float}) == "macs must be of the type float"


def test_a_record_that_is_not_there_is_no_damaged_one(tmp_path):
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "record.json")
