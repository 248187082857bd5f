"""Standard streams without a reader: the program goes on, to the status that it would have had."""

import pathlib
import subprocess
import sys

import pytest

from tests import processes

COMMAND = """
import contextlib, os, sys
from odtf.commands import cli
from odtf.errors import UserError

def main(argv):
    "Says many lines, then writes a file, then is done or refuses."
    for i in range(20000):
        print("line", i, flush=i % 1000 == 0)
    with contextlib.suppress(OSError):
        os.write(2, b"native code speaks\\n")
    print("Bäume", file=sys.stderr)
    with open(argv[1], "w") as file:  # Whatever is written to the streams must not land here.
        with contextlib.suppress(OSError):
            os.write(1, b"native code speaks\\n")
        print("another line")
        file.write("whole")
    if argv[2] == "refuse":
        raise UserError("This is refused. Received: refuse.")

sys.argv[0] = "odtf-work"
cli.run(main, "")
"""


def run(redirections, tmp_path, last="done", **kwargs):
    """Runs the command by a shell with redirections; returns the `CompletedProcess`, the file it writes checked."""
    written = tmp_path / "written"
    line = f'{sys.executable} -c "$PROGRAM" {written} {last} {redirections}'
    environment = {"PROGRAM": COMMAND, "PATH": "/usr/bin:/bin", "PYTHONPATH": str(processes.ROOT), **kwargs}
    command = ["bash", "-c", line]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert written.read_text() == "whole"
    return done


@pytest.mark.parametrize("redirections", [">&-", "| true; (exit ${PIPESTATUS[0]})", ">&- 2>&-", "2>&-"])
def test_a_run_goes_on_without_a_reader(redirections, tmp_path):
    done = run(redirections, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


@pytest.mark.parametrize("redirections", ["2>&-", "2>&1 >/dev/null | true; (exit ${PIPESTATUS[0]})", "2>/dev/full"])
def test_the_status_is_the_same_where_nobody_reads_why(redirections, tmp_path):
    assert run(redirections, tmp_path, "refuse").returncode == 2


def test_the_line_of_an_error_is_read_where_the_results_are_not(tmp_path):
    done = run("| true; (exit ${PIPESTATUS[0]})", tmp_path, "refuse")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "odtf-work: error: This is refused. Received: refuse."


@pytest.mark.skipif(not pathlib.Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_behind_standard_output_is_said_once(tmp_path):
    done = run(">/dev/full", tmp_path)
    assert done.returncode == 0
    assert [line for line in done.stderr.splitlines() if "No space" in line] == [
        "Standard output cannot be written (No space left on device): it goes on without."
    ]


def test_what_a_terminal_cannot_show_is_escaped(tmp_path):
    done = run("", tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "B\\xe4ume" in done.stderr


def test_a_warning_is_a_line_without_the_line_of_the_program_that_gave_it():
    program = """
import sys, warnings
from odtf.commands import cli
from odtf.errors import UserError

def main(argv):
    "Warns, then refuses."
    warnings.warn("2 corrupt images\\nskipped.", stacklevel=1)
    raise UserError("This is refused. Received: it.")

sys.argv[0] = "odtf-work"
cli.run(main, "")
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, cwd=processes.ROOT, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "warning: 2 corrupt images skipped.",
        "odtf-work: error: This is refused. Received: it.",
    ]
