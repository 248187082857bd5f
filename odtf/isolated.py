"""Python programs as processes of their own, which import what this process does, and nothing from where it stands."""

import itertools
import signal
import sys

_PROGRAM = """import runpy, sys
sys.path[:] = {path!r}
runpy.run_module({module!r}, run_name="__main__", alter_sys=True)
"""


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
