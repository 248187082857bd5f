"""Silence for native code: its lines stand before none of odtf's, come back with a bug, and need no disk."""

import io
import logging
import os
import sys
import tempfile

import pytest

from odtf.errors import UserError
from odtf.quiet import quiet


def speak(error=None):
    """Writes as native code does, and fails."""
    with quiet():
        os.write(2, b"native code speaks\n")
        if error is not None:
            raise error


def test_it_is_silent_and_an_error_of_ours_stays_one_line(capfd):
    speak()
    with pytest.raises(UserError):
        speak(UserError("one line"))
    with pytest.raises(KeyboardInterrupt):
        speak(KeyboardInterrupt())
    assert capfd.readouterr().err == ""


def test_a_notebook_has_a_standard_error_of_its_own(monkeypatch, capfd):
    own = io.StringIO()
    monkeypatch.setattr(sys, "stderr", own)
    with quiet():
        print("a warning", file=sys.stderr)
    assert sys.stderr is own and own.getvalue() == ""
    with pytest.raises(RuntimeError), quiet():
        print("a warning", file=sys.stderr)
        raise RuntimeError
    assert capfd.readouterr().err == "a warning\n"


def test_a_log_that_was_made_meanwhile_goes_on_afterwards(capfd):
    with quiet():
        log = logging.StreamHandler()
        log.emit(logging.makeLogRecord({"msg": "in vain"}))
    log.emit(logging.makeLogRecord({"msg": "heard"}))
    assert capfd.readouterr().err == "heard\n"


def test_a_bug_brings_back_what_was_said(capfd):
    with pytest.raises(RuntimeError):
        speak(RuntimeError())
    assert capfd.readouterr().err == "native code speaks\n"


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="no files in memory")
def test_it_needs_no_disk(monkeypatch, capfd):
    def full(*_, **__):
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    speak()
    assert capfd.readouterr().err == ""
