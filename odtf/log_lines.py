"""log.jsonl of a run as it is read: also while the run goes on, and after a kill that cut a line in two."""

import json

from odtf import paths

FILE = "log.jsonl"
# "train" is of means since the line before, "validation" exact.
KINDS = ("train", "validation")


def read(workdir):
    """Returns the lines that are whole, each a dict with "step", "kind" and values; of a run without a log, none."""
    try:
        lines = (paths.at(workdir) / FILE).read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
    return [row for row in map(_parsed, lines) if row is not None]


def _parsed(line):
    try:
        row = json.loads(line)
        return row if row["kind"] in KINDS and row["step"] > 0 else None
    except (ValueError, KeyError, TypeError):
        return None
