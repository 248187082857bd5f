"""Command lines, one a file: flags, and one call of a public function of the same meaning."""

import os
import sys

_before = sys.excepthook


def _say_in_a_line(kind, error, trace):
    """Has Ctrl-C be a line from the first imports on, before `cli.run` hears it; the status is that of the signal."""
    if issubclass(kind, KeyboardInterrupt):
        program = os.path.basename(sys.argv[0])
        print(f"{program}: stopped by Ctrl-C; the same command does what is left to do", file=sys.stderr)
    else:
        _before(kind, error, trace)


sys.excepthook = _say_in_a_line
