"""Files that appear whole or not at all, and what is said where a disk refuses."""

import errno
import json
import multiprocessing
import os
import subprocess
import sys
import threading

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


# What is no plain file ----------------------------------------------------------------------------------------------


def test_a_fifo_is_written_to_and_stays_one(tmp_path):
    path, read = tmp_path / "fifo", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()))
    reader.start()
    while not read:  # Until the reader has opened it.
        try:
            files.write_bytes(path, b"x" * 100_000)
        except UserError:
            continue
        reader.join()
    assert read == [b"x" * 100_000]
    assert path.is_fifo()


def test_a_fifo_that_nobody_reads_is_an_error_and_no_wait(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(UserError, match=r"Cannot write .*fifo: No such device or address"):
        files.write_bytes(tmp_path / "fifo", b"x")
    assert (tmp_path / "fifo").is_fifo()


def test_a_device_is_written_to_and_stays_one():
    files.write_bytes("/dev/null", b"x")
    with pytest.raises(UserError, match="Cannot write /dev/full: No space left on device"):
        files.write_bytes("/dev/full", b"x")
    for name in ("/dev/null", "/dev/full"):
        assert not os.path.isfile(name) and os.path.exists(name)


_PROGRAM = """
import pathlib, sys
from odtf import files
print("before")
files.check_file(sys.argv[1], "json")
assert not files.is_plain(sys.argv[1])
files.write_json(sys.argv[1], [1])
print("after")
"""


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "out.txt"])
@pytest.mark.parametrize("piped", [True, False])
def test_the_standard_output_gets_it_between_the_lines(name, piped, tmp_path):
    path = tmp_path / "out.txt"
    path.touch()
    if piped and name == "out.txt":
        pytest.skip("a plain file")
    name = str(path) if name == "out.txt" else name
    with open(path, "wb") as file:
        out = subprocess.PIPE if piped else file
        done = subprocess.run([sys.executable, "-c", _PROGRAM, name], stdout=out, check=True)
    text = done.stdout if piped else path.read_bytes()
    assert text == b"before\n[\n  1\n]\nafter\n"
    assert os.path.lexists(name) and (name == str(path) or os.path.islink(name))


def test_a_link_stays_one_and_its_file_is_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder/a.json")
    for text in ("1", "2"):
        files.write_text(tmp_path / "link", text)
        assert (tmp_path / "link").is_symlink() and (tmp_path / "folder" / "a.json").read_text() == text


def test_a_file_for_a_flag_is_looked_at_before_the_work(tmp_path):
    files.check_file(tmp_path / "new" / "a.json", "json")
    files.check_file("/dev/null", "json")
    with pytest.raises(UserError, match=r"--json must name a file, not a directory\. Received"):
        files.check_file(tmp_path, "json")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="Not a directory"):
        files.check_file(tmp_path / "file" / "a.json", "json")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


# What the dead leave ------------------------------------------------------------------------------------------------


def _leave(path):
    files.partial(path).write_text("half")


def test_partial_files_of_dead_processes_are_swept(tmp_path, monkeypatch):
    process = multiprocessing.get_context("fork").Process(target=_leave, args=(tmp_path / "a.json",))
    process.start()
    process.join()
    (dead,) = tmp_path.iterdir()
    own = files.partial(tmp_path / "b.json")
    own.touch()
    elsewhere = dead.with_name(dead.name.replace(f"-{files._HOST}-", "-00000000-"))
    elsewhere.touch()
    before = dead.with_name(own.name.replace(files._STARTED, "abc"))
    before.touch()  # Of a process of our own number, as containers give it again.
    (tmp_path / ".partial-mine").touch()
    files.write_text(tmp_path / "c.json", "x")
    assert {path.name for path in tmp_path.iterdir()} == {own.name, elsewhere.name, ".partial-mine", "c.json"}
