"""Programs as processes of their own: what they say when they end badly, and what is said when we do."""

import os
import signal
import subprocess
import sys

import pytest

from odtf import isolated
from tests.processes import ROOT

DEATH = """
import os, sys
from odtf import isolated
from odtf.quiet import quiet, shown
with quiet():
    with quiet(), isolated.last_words("first", shown()):
        os.write(2, b"native code speaks\\n")
    with isolated.last_words("the $last `line`", shown()):
        os.write(2, b"native code speaks\\n")
        os.kill(os.getpid(), int(sys.argv[1])) if len(sys.argv) > 1 else None
"""


@pytest.mark.parametrize("how", [signal.SIGABRT, signal.SIGSEGV, signal.SIGKILL])
def test_the_death_of_a_process_is_a_line(how):
    command = [sys.executable, "-c", DEATH, str(int(how))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-how, "", "the $last `line`\n")


def test_a_process_that_goes_on_says_nothing(monkeypatch):
    done = subprocess.run(
        [sys.executable, "-c", DEATH], capture_output=True, text=True, cwd=ROOT, timeout=60, check=True
    )
    assert done.stderr == ""
    with pytest.raises(ValueError), isolated.last_words("never"):
        raise ValueError
    monkeypatch.setattr(isolated, "_SHELL", os.devnull + "/none")
    with isolated.last_words("never"):
        pass


TRACE = """Traceback (most recent call last):
  File "tool.py", line 3, in main
    raise ValueError(f"error: {error}")
ValueError: first
second
INFO: gone
"""


def test_an_exception_is_read_whole():
    assert isolated.exception(f"INFO: here\n{TRACE}", ("INFO:",)) == "ValueError: first second"
    chained = f"{TRACE}\nDuring handling of the above exception, another exception occurred:\n\n{TRACE}"
    assert isolated.exception(chained, ("INFO:",)) == "ValueError: first second"
    assert isolated.exception("INFO: here\n") == isolated.exception("") == ""
