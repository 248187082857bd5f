"""Files of one result appear together or not at all."""

import errno
import multiprocessing
import os

import pytest

from odtf import paths
from odtf.atomic_files import AtomicFiles
from odtf.errors import UserError


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def fails_at(call, number):
    """Returns `call`, which meets a full disk the given time."""
    calls = []

    def wrapper(*args, **kwargs):
        calls.append(args)
        if len(calls) == number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return call(*args, **kwargs)

    return wrapper


@pytest.fixture
def old(tmp_path):
    """A folder with files of an earlier result."""
    (tmp_path / "soc").mkdir()
    for name in ("soc/a.tflite", "soc/a_vela.tflite", "report.json"):
        (tmp_path / name).write_bytes(b"old " + name.encode())
    return tmp_path


def write(folder):
    with AtomicFiles() as atomic:
        paths = atomic.add(folder / "soc", {"a.tflite": b"1", "a.h": b"2"})
        assert paths == [folder / "soc" / "a.tflite", folder / "soc" / "a.h"]
        atomic.remove(folder / "soc" / "a_vela.tflite")
        atomic.add(folder / "phone", {"a.tflite": b"3"})
        with atomic.writing(folder / "student.keras") as temporary:
            assert temporary.suffix == ".keras"
            temporary.write_bytes(b"4")
        before = content(folder)
        atomic.add(folder, {"report.json": b"5"})
        assert atomic.content(folder / "phone" / "a.tflite") == b"3"
        visible = {name: value for name, value in before.items() if ".partial-" not in name}
        assert visible == {
            name: b"old " + name.encode() for name in ("soc/a.tflite", "soc/a_vela.tflite", "report.json")
        }


NEW = {"soc/a.tflite": b"1", "soc/a.h": b"2", "phone/a.tflite": b"3", "student.keras": b"4", "report.json": b"5"}


def test_all_appear_at_the_end_and_nothing_else(old):
    write(old)
    assert content(old) == NEW


@pytest.mark.parametrize("number", range(1, 6))
def test_a_full_disk_changes_nothing_wherever_it_shows(number, old, monkeypatch):
    before = content(old)
    monkeypatch.setattr(os, "fsync", fails_at(os.fsync, number))
    with pytest.raises(UserError, match=r"Cannot write .*No space left on device\. What was there is untouched"):
        write(old)
    assert content(old) == before
    assert sorted(path.name for path in old.iterdir()) == ["report.json", "soc"]


@pytest.mark.parametrize("number", range(1, 6))
def test_a_rename_that_fails_takes_the_others_back(number, old, monkeypatch):
    before = content(old)
    monkeypatch.setattr(os, "replace", fails_at(os.replace, number))
    with pytest.raises(UserError, match=r"Cannot write .*(a\.tflite|a\.h|student\.keras|report\.json): No space left"):
        write(old)
    assert content(old) == before
    assert not (old / "phone").exists()


def test_what_cannot_be_kept_is_not_replaced(old, monkeypatch):
    before = content(old)
    monkeypatch.setattr(paths.shutil, "copy2", fails_at(paths.shutil.copy2, 2))
    with pytest.raises(UserError, match="No space left"):
        write(old)
    assert content(old) == before


def test_an_error_of_ones_own_leaves_nothing(tmp_path):
    with pytest.raises(KeyError), AtomicFiles() as atomic:
        atomic.add(tmp_path / "a" / "b", {"c": b"1"})
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_what_could_not_be_added_does_not_appear_and_the_rest_does(tmp_path, monkeypatch):
    """As where one of several targets refuses."""
    with AtomicFiles() as atomic:
        atomic.add(tmp_path, {"a": b"1"})
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fails_at(os.fsync, 2))
            with pytest.raises(UserError, match="No space left"):
                atomic.add(tmp_path, {"b": b"2", "c": b"3"})
        atomic.add(tmp_path, {"a": b"newer"})
    assert content(tmp_path) == {"a": b"newer"}


def _die(folder):
    atomic = AtomicFiles()
    atomic.add(folder, {"a": b"1"})
    os._exit(1)


def test_what_a_dead_process_left_is_swept_and_what_a_living_one_has_is_not(tmp_path):
    process = multiprocessing.get_context("fork").Process(target=_die, args=(tmp_path,))
    process.start()
    process.join()
    assert len(content(tmp_path)) == 1
    with AtomicFiles() as living:
        living.add(tmp_path, {"b": b"2"})
        with AtomicFiles() as atomic:
            atomic.add(tmp_path, {"c": b"3"})
        assert len(content(tmp_path)) == 2
    assert content(tmp_path) == {"b": b"2", "c": b"3"}
