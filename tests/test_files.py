"""Files that appear whole or not at all, and what is said where a disk refuses."""

import errno
import json
import os

import pytest

from odtf import files
from odtf.errors import UserError


def test_text_is_written_as_utf8_and_replaces_what_was_there(tmp_path):
    path = tmp_path / "note.txt"
    files.write_text(path, "old, and longer")
    files.write_text(str(path), "Ü\n")
    assert path.read_bytes() == "Ü\n".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_json_has_a_key_a_line_and_an_end(tmp_path):
    files.write_json(tmp_path / "a.json", {"b": 1, "a": [2]})
    text = (tmp_path / "a.json").read_text()
    assert text == '{\n  "b": 1,\n  "a": [\n    2\n  ]\n}\n'
    assert json.loads(text) == {"b": 1, "a": [2]}


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(step, tmp_path, monkeypatch):
    path = tmp_path / "report.json"
    path.write_text("old")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(UserError, match=r"Cannot write .*report\.json: No space left on device\. What was there is"):
        files.write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_content_is_on_the_disk_before_it_has_the_name(tmp_path, monkeypatch):
    """After a power failure a name must not stand for a file whose content was never written."""
    events = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: events.append("content") or fsync(file))
    monkeypatch.setattr(os, "replace", lambda *paths: events.append("name") or replace(*paths))
    files.write_bytes(tmp_path / "a", b"x")
    assert events == ["content", "name"]


def test_what_is_no_error_of_a_disk_stays_what_it_is(tmp_path):
    with pytest.raises(KeyError), files.disk_errors(tmp_path):
        raise KeyError("a bug")


def test_an_error_without_a_reason_of_its_own_is_told_as_it_is():
    with pytest.raises(UserError, match=r"^Cannot write a\.txt: strange\. What"), files.disk_errors("a.txt"):
        raise OSError("strange")


def test_a_native_writers_error_loses_its_ornaments():
    message = "{{function_node __wrapped__Save}} /runs/x; No space left on device [Op:SaveV2] name: \nmore"
    wanted = r"^Cannot write x: No space left on device\. What"
    with pytest.raises(UserError, match=wanted), files.disk_errors("x", also=(RuntimeError,)):
        raise RuntimeError(message)


def test_a_directory_that_could_be_made_is_not_made(tmp_path):
    files.check_directory(tmp_path / "a" / "b")
    files.check_directory(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_of_a_directory(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "a" / "b"):
        with pytest.raises(UserError, match=rf"directory {path} cannot .*Received: {tmp_path}/file \(Not a directory"):
            files.check_directory(path)
        with pytest.raises(UserError, match=rf"directory {path} cannot be written to: (Not a directory|File exists)"):
            files.make_directory(path)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"Received: .*link \(Not a directory"):
        files.check_directory(tmp_path / "link")


@pytest.mark.parametrize("lacking", [os.W_OK, os.X_OK])
def test_a_directory_without_permission(lacking, tmp_path, monkeypatch):
    """Whoever runs the tests may be allowed everything."""
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & lacking)
    with pytest.raises(UserError, match=rf"Received: {tmp_path} \(Permission denied"):
        files.check_directory(tmp_path / "new")


def test_a_directory_is_made_and_nothing_is_left_in_it(tmp_path):
    made = files.make_directory(str(tmp_path / "a" / "b"))
    assert made == tmp_path / "a" / "b"
    assert made.is_dir() and list(made.iterdir()) == []
    assert files.make_directory(made) == made
