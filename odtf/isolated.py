"""Python programs as processes of their own, which import what this process does, and nothing from where it stands."""

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
