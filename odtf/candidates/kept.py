"""candidates.json: what was measured of each candidate, and the last choice among them."""

from odtf import files, sealed
from odtf.candidates import budget

MEASURED = ("bytes", "sha256", "agreement", *budget.QUANTITIES)
_KEYS = {"target", "peer", "quantization", "made_with", "notes", *MEASURED}


def path_of(folder):
    """Returns the path of candidates.json in the folder of a pool."""
    return folder / "candidates.json"


def read(folder, key):
    """Returns the candidates that were measured before; none where the file is absent or not what was written.

    Args:
        folder: as `Pool.folder`.
        key: `budget.Quality.key`, which every candidate has.
    """
    return read_with_choice(folder, key)[0]


def read_with_choice(folder, key):
    """Returns the candidates as `read` does, and the last choice among them: what `save` was given, or None.

    A budget that none fitted has chosen nothing, and is no choice.
    """
    try:
        record = sealed.read(path_of(folder), {"candidates": [dict]}, "its candidates are measured again")
    except OSError:
        return [], None
    except sealed.Damaged as damaged:
        print(f"warning: {damaged}")
        return [], None
    choice = record.get("choice")
    if not isinstance(choice, dict) or not choice.get("peer") or not choice.keys() >= {"target", "quantization"}:
        choice = None
    return [row for row in record["candidates"] if row.keys() >= _KEYS | {key}], choice


def save(folder, rows, choice):
    """Writes the candidates and the choice among them, a dict or None."""
    files.make_directory(path_of(folder).parent)
    sealed.write(path_of(folder), {"candidates": rows, "choice": choice})
