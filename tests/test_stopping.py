"""Signals: a run saves and says so in a line, all other work ends at once, and nothing is a traceback."""

import os
import signal
import subprocess
import sys
import time

import pytest

from odtf import stopping
from tests import processes

COMMAND = """
import contextlib, pathlib, sys, time
from odtf import stopping
from odtf.commands import cli

def main(argv):
    "Waits, as work or as a run."
    ready, how = pathlib.Path(argv[1]), argv[2]
    with contextlib.ExitStack() as stack:
        stack.callback((ready.parent / "swept").touch)
        requests = stack.enter_context(stopping.Requests()) if how == "run" else None
        ready.touch()
        for _ in range(2000):
            time.sleep(0.01)
            if how == "run":
                requests.heed("stopped at step 3")

sys.argv[0] = "odtf-work"
cli.run(main, "")
"""


def signalled(tmp_path, how, *numbers):
    """Sends signals to a command that waits; returns (status, standard output, standard error)."""
    command = [sys.executable, "-c", COMMAND, str(tmp_path / "ready"), how]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, cwd=processes.ROOT, preexec_fn=processes.at_a_terminal, **pipes)
    processes.wait_for(tmp_path / "ready", process)
    for number in numbers:
        process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (tmp_path / "swept").exists()
    return process.returncode, out, err


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_run_says_in_a_line_how_far_it_got(number, status, tmp_path):
    assert signalled(tmp_path, "run", number) == (status, "stopped at step 3\n", "")


ENDS = [(signal.SIGTERM, "SIGTERM", 143), (signal.SIGINT, "Ctrl-C", 130)]


@pytest.mark.parametrize(("number", "name", "status"), ENDS)
def test_other_work_ends_at_once_and_sweeps_what_is_open(number, name, status, tmp_path):
    line = f"odtf-work: stopped by {name}; the same command does what is left to do\n"
    assert signalled(tmp_path, "work", number) == (status, "", line)


@pytest.mark.parametrize(("error", "status"), [("KeyboardInterrupt", -signal.SIGINT), ("ValueError", 1)])
def test_ctrl_c_while_a_command_is_imported_is_a_line_too(error, status):
    """Any other error of an import keeps its traceback."""
    code = f"import sys; sys.argv[0] = '/usr/bin/odtf-work'; import odtf.commands; raise {error}"
    done = subprocess.run([sys.executable, "-c", code], cwd=processes.ROOT, capture_output=True, text=True, check=False)
    line = "odtf-work: stopped by Ctrl-C; the same command does what is left to do\n"
    assert done.returncode == status
    assert done.stderr == line if status < 0 else "Traceback" in done.stderr


@pytest.fixture
def at_a_terminal():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_twice_ends_at_once(at_a_terminal):
    with stopping.Requests() as requests:
        os.kill(os.getpid(), signal.SIGINT)
        assert requests.asked
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_sigterm_after_ctrl_c_asks_for_nothing_more(at_a_terminal):
    """As a process that a terminal interrupts, and its parent then asks to end."""
    calls = []
    with stopping.Requests(then=lambda: calls.append(1)) as requests:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGTERM):
            os.kill(os.getpid(), number)
        with pytest.raises(stopping.Stopped, match="here") as caught:
            requests.heed("here")
    assert caught.value.status == 130
    assert len(calls) == 3


def test_where_ctrl_c_is_ignored_it_stays_so():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stopping.Requests() as requests:
            os.kill(os.getpid(), signal.SIGINT)
            assert not requests.asked
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
