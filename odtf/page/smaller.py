"""How much smaller the student of a run is than its teachers, and than the network that it stands for."""

from odtf.compare.uncompressed import Compressions, original_of
from odtf.errors import UserError
from odtf.sections import Note, Section, Table
from odtf.training.report import teachers_of

# Of a weight in a network that is not quantised.
_BYTES = 4


def sections(run, builds=True):
    """Returns a section in a list; an empty one where there is nothing larger than the student.

    Args:
        run: `odtf.runs.Run`.
        builds: whether the network that the student stands for may be built, for its costs.
    """
    report, student = run.report, run.report["student"]
    if not student.get("params"):
        return []
    others = {name: row for name, row in teachers_of(report).items() if row.get("params")}
    if builds and (original := _original(run, student)) is not None:
        others[_words(original["network"])] = original
    if not others:
        return []
    smallest = min((row["bytes"] for row in report["exports"] if row.get("bytes")), default=None)
    rows = [("than", "parameters", "MACs", "smallest file")]
    for name, row in others.items():
        size = f"{_BYTES * row['params'] / smallest:.1f} x" if smallest else "-"
        rows.append((name, *(_times(row, student, what) for what in ("params", "macs")), size))
    note = f"A file is compared with {_BYTES} bytes for each parameter of the other network."
    return [Section("How much smaller the student is", (Table(rows), Note(note)))]


def _times(row, student, what):
    return f"{row[what] / student[what]:.1f} x" if row.get(what) and student.get(what) else "-"


def _original(run, student):
    """Returns costs of the network that a student stands for, see `Compressions.of`; None where it is none larger."""
    try:
        network = run.network_of(student["name"])
        if isinstance(network, list) or original_of(network) == dict(network):
            return None
        found = Compressions().of(run, student, network)
    except UserError:
        return None
    return found if found and found["params"] > student["params"] else None


def _words(network):
    arguments = [f"{key}={value}" for key, value in network.items() if key != "name" and value is not None]
    return " ".join([network["name"], *arguments])
