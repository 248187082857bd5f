"""log.jsonl of a run as it is read: also while the run goes on, after a kill that cut a line in two, and damaged."""

import json

from odtf import paths

FILE = "log.jsonl"
# "train" is of means since the line before, "validation" exact.
KINDS = ("train", "validation")
_MOST = 2**63


def read(workdir):
    """Returns the lines that are whole, each a dict with "step", "kind", numbers, and at validation "epoch".

    Of a run without a log, none.
    """
    path = paths.at(workdir) / FILE
    try:
        lines = path.read_text("utf-8", "replace").splitlines() if path.is_file() else []
    except OSError:
        return []
    return [row for row in map(_parsed, lines) if row is not None]


def _parsed(line):
    try:
        row = json.loads(line)
        numbers = all(isinstance(value, int | float) for key, value in row.items() if key != "kind")
        counted = all(0 < row[key] < _MOST for key in ("step", *(("epoch",) if row["kind"] == "validation" else ())))
        return row if numbers and counted and row["kind"] in KINDS else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
