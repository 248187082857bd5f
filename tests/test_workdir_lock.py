"""One workdir, one writer: who holds it is named, and what the dead have left locks nobody out."""

import errno
import fcntl
import json
import multiprocessing
import os
import pathlib
import re
import signal
import socket

import filelock
import pytest

from odtf import files, workdir_lock
from odtf.errors import UserError
from tests.data.test_strange_files import in_seconds

HERE = rf"Another command is writing to \S+: wait for .*Received: process \d+ on {re.escape(socket.gethostname())}, "


def _hold(workdir, ready):
    with workdir_lock.writing(workdir):
        ready.send(os.getpid())
        signal.pause()


@pytest.fixture
def hold():
    """Function that has another process hold a workdir and returns the process; it is killed at the end."""
    started = []

    def start(workdir):
        receiver, sender = multiprocessing.get_context("fork").Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(target=_hold, args=(workdir, sender))
        process.start()
        started.append(process)
        assert receiver.recv() == process.pid
        return process

    yield start
    for process in started:
        process.kill()
        process.join()


def test_the_second_is_refused_and_told_who_is_first(hold, tmp_path):
    process = hold(tmp_path)
    for refused in (workdir_lock.check, lambda path: workdir_lock.writing(path).__enter__()):
        with pytest.raises(UserError, match=HERE + r"which began \d{4}-\d\d-\d\d \d\d:\d\d:\d\d") as error:
            refused(tmp_path)
        assert f"process {process.pid} on" in str(error.value)


def test_one_process_may_take_it_again_and_lets_it_go_at_the_end(tmp_path):
    with workdir_lock.writing(tmp_path):
        owner = json.loads((tmp_path / ".lock-owner.json").read_text())
        assert owner["process"] == os.getpid() and owner["host"] == socket.gethostname()
        with workdir_lock.writing(tmp_path / "."):
            workdir_lock.check(tmp_path)
        with pytest.raises(filelock.Timeout):
            filelock.FileLock(tmp_path / ".lock", timeout=0).acquire()
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_locks_nobody_out(hold, tmp_path, capsys):
    process = hold(tmp_path)
    process.kill()
    process.join()
    assert (tmp_path / ".lock-owner.json").exists()
    workdir_lock.check(tmp_path)
    with workdir_lock.writing(tmp_path):
        assert json.loads((tmp_path / ".lock-owner.json").read_text())["process"] == os.getpid()
    assert capsys.readouterr().out == ""


def test_what_another_machine_left_is_told(tmp_path, capsys):
    """Its lock may not reach this machine, on some network file systems."""
    owner = {"host": "elsewhere", "process": 7, "since": "2026-01-01 00:00:00+00:00"}
    (tmp_path / ".lock-owner.json").write_text(json.dumps(owner))
    with workdir_lock.writing(tmp_path):
        pass
    assert capsys.readouterr().out.startswith(f"note: process 7 on elsewhere, which began {owner['since']}, has")


@pytest.mark.parametrize("owner", ["", "[]", '{"host": "elsewhere"}'])
def test_a_damaged_name_of_the_owner_is_passed_over(owner, hold, tmp_path):
    hold(tmp_path)
    (tmp_path / ".lock-owner.json").write_text(owner)
    with pytest.raises(UserError, match="Received: a process that has not said which"):
        workdir_lock.check(tmp_path)


@pytest.mark.parametrize("error", [OSError(errno.ENOLCK, "No locks available"), NotImplementedError("no flock")])
def test_a_file_system_without_locks_is_told_and_used(error, tmp_path, monkeypatch, capsys):
    def acquire(lock):
        raise error

    monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
    with workdir_lock.writing(tmp_path):
        pass
    assert "has no locks" in capsys.readouterr().out


def test_a_file_system_whose_locks_lock_nothing_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    with workdir_lock.writing(tmp_path):
        pass
    assert "has no locks" in capsys.readouterr().out


def test_a_file_that_lost_its_name_meanwhile_is_no_lock(tmp_path, monkeypatch):
    """Another process lets it go, and removes it, between the moments in which this one opens and locks it."""
    acquire, calls = filelock.FileLock.acquire, []

    def late(lock):
        acquire(lock)
        calls.append(lock)
        if len(calls) == 1:
            (tmp_path / ".lock").unlink()

    monkeypatch.setattr(filelock.FileLock, "acquire", late)
    with workdir_lock.writing(tmp_path), pytest.raises(filelock.Timeout):
        acquire(filelock.FileLock(tmp_path / ".lock", timeout=0))
    assert len(calls) == 2  # The third one is refused: the second is the lock.
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_to_is_refused(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / ".lock").mkdir()
    with pytest.raises(UserError, match=r"Cannot write .*\.lock"), workdir_lock.writing(tmp_path):
        pass
    with pytest.raises(UserError, match="cannot be written to"), workdir_lock.writing(tmp_path / "file"):
        pass


@pytest.mark.parametrize(
    "place", ["log.jsonl", "config.json", ".lock-owner.json", "checkpoints/step-3/variables.index", "chosen/step-1.npz"]
)
def test_what_would_be_waited_for_is_refused(place, tmp_path):
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    refused = pytest.raises(UserError, match=rf"A file or nothing .* Received: {re.escape(str(path))}, no reg")
    with in_seconds(5), refused, workdir_lock.writing(tmp_path):
        pass
    path.unlink()
    with workdir_lock.writing(tmp_path):
        pass


def test_of_a_refused_command_no_directory_is_left(tmp_path):
    with pytest.raises(KeyError), workdir_lock.writing(tmp_path / "a" / "b"):
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    with workdir_lock.writing(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "made").touch()
    assert (tmp_path / "a" / "b" / "made").exists()


def _write_half(folder):
    files.partial(pathlib.Path(folder, "report.json")).write_text("half")


def test_what_a_killed_writer_left_half_written_is_removed(tmp_path):
    folders = [tmp_path, tmp_path / "export" / "soc", tmp_path / "finetune" / "qat" / "export" / "soc"]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        process = multiprocessing.get_context("fork").Process(target=_write_half, args=(folder,))
        process.start()
        process.join()
        assert len(list(folder.glob(".partial-*"))) == 1
    with workdir_lock.writing(tmp_path):
        assert list(tmp_path.rglob(".partial-*")) == []


def test_a_lock_says_nothing_of_its_steps(tmp_path, caplog):
    with caplog.at_level("DEBUG"), workdir_lock.writing(tmp_path):
        workdir_lock.check(tmp_path)
    assert caplog.records == []
