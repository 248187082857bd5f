"""Python programs as processes of their own, which import what this process does, and nothing from where it stands."""

import contextlib
import itertools
import os
import signal
import subprocess
import sys

_PROGRAM = """import runpy, sys
sys.path[:] = {path!r}
runpy.run_module({module!r}, run_name="__main__", alter_sys=True)
"""

_SHELL = "/bin/sh"


def command(module, *arguments):
    """Returns the command line of `python -m MODULE`, without the current folder among those it imports from.

    Somebody else's folder may hold a numpy.py, which `python -m` would take for NumPy.

    Args:
        module: name of a module.
        *arguments: its arguments.
    """
    program = _PROGRAM.format(path=[folder for folder in sys.path if folder], module=module)
    return [sys.executable, "-I", "-c", program, *map(str, arguments)]


def end(status):
    """Returns in words how a process ended, by its status in `subprocess`: the name of a signal, or the number."""
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"status {status}"


@contextlib.contextmanager
def last_words(line, descriptor=2):
    """Has another process write a line if this one dies inside, as native code can make it, without a word of its own.

    That other one is a shell that waits for a sign of life; it takes some milliseconds. Where there is none, nothing is
    written.

    Args:
        line: str.
        descriptor: int, of an open file: standard error.
    """
    if not os.path.exists(_SHELL):
        yield
        return
    command = [_SHELL, "-c", 'read -r alive || printf "%s\\n" "$0" >&2', line]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=descriptor) as waiting:
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # A signal to all of the group has ended it.
                waiting.communicate(b"alive\n")


def exception(text, chatter=()):
    """Returns the exception that ended a Python program, however many lines it has, in one line.

    The lines of the program's source before it tell its developers something, and nobody else.

    Args:
        text: what the program wrote to standard error.
        chatter: beginnings of lines, such as "INFO:", which a library writes on its way out.

    Returns:
        str, empty if no exception ended it.
    """
    _, _, trace = text.rpartition("Traceback (most recent call last):\n")
    if len(trace) == len(text):
        return ""
    lines = itertools.dropwhile(lambda line: line.startswith(" "), trace.splitlines())
    return " ".join(" ".join(itertools.takewhile(lambda line: not line.startswith(tuple(chatter)), lines)).split())
