"""Records as JSON files that carry a digest of what they say: damage shows when they are read.

A record that was made before there were digests has none; of it the form alone is checked.
"""

import hashlib
import json
import types

from odtf import file_systems, paths
from odtf.errors import UserError
from odtf.files import json_text, parsed, write_text

DIGEST = "digest"


class Damaged(UserError):
    """A record that is there and is not what was written."""


def write(path, record, key=DIGEST):
    """Writes a record, a dict that JSON can hold, whole or not at all, as `text` has it."""
    write_text(path, text(record, key))


def text(record, key=DIGEST):
    """Returns a record as JSON, whose last key, `key`, is the digest."""
    return json_text({**record, key: digest(record)})


def digest(record):
    """Returns the sha256 of what a record says, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def read(path, form, remedy, *, key=DIGEST, required=False):
    """Reads a record.

    Args:
        path: of the file.
        form: what it must have, at least: a dict from keys to the forms of their values, a list of the form of all
            items, or a type, with `float` for any number, and `float | None` where there may be none.
        remedy: sentence without an end that says what to do about damage.
        key: of the digest.
        required: whether there must be one.

    Returns:
        The record as a dict, without its digest.

    Raises:
        FileNotFoundError: if there is none.
        OSError: if it is on a store that does not answer.
        Damaged: if it cannot be read, is of another form, or is not what its digest says.
    """
    path = paths.at(path)
    try:
        if path.exists() and not path.is_file():  # To read a pipe is to wait.
            raise ValueError("no regular file")
        record = parsed(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise
    except (OSError, ValueError) as error:
        if paths.is_store(path) and file_systems.is_outage(error):
            raise
        raise Damaged(f"{path} is damaged: it must be JSON, as it was written; {remedy}. Received: {error}.") from error
    if isinstance(record, dict) and key not in record and _ends_as_sealed(record):
        raise Damaged(
            f"{path} is damaged: its last key must be {key!r}, that of the digest; {remedy}. "
            f"Received: {next(reversed(record))!r}."
        )
    if isinstance(record, dict) and (required or key in record):
        said = record.pop(key, None)
        if (found := digest(record)) != said:
            way_out = "" if required else f" Whoever has changed it on purpose removes the key {key!r}."
            raise Damaged(
                f"{path} is damaged: its content must have the digest that stands in it; {remedy}.{way_out} "
                f"Received: {str(said)[:12]} and a content of {found[:12]}."
            )
    if (wrong := misfit(record, form)) is not None:
        raise Damaged(f"{path} is damaged: {wrong}; {remedy}. Received: {str(record)[:60]}.")
    return record


def _ends_as_sealed(record):
    """Whether a record ends in a text about as long as a digest: of another key, it is one that was damaged."""
    last = next(reversed(record.values()), None)
    return isinstance(last, str) and abs(len(last) - 64) < 8


def misfit(value, form, where=""):
    """Returns in words where a value is not of a form, see `read`; None where it is."""
    if isinstance(form, dict):
        if not isinstance(value, dict) or not form.keys() <= value.keys():
            return f"{where or 'it'} must " + (f"have the keys {', '.join(form)}" if form else "be a mapping")
        found = (misfit(value[key], inner, f"{where}.{key}" if where else key) for key, inner in form.items())
    elif isinstance(form, list):
        if not isinstance(value, list):
            return f"{where} must be a list"
        found = (misfit(item, form[0], f"{where}[{index}]") for index, item in enumerate(value))
    else:
        if isinstance(form, types.UnionType):
            if value is None:
                return None
            form = next(kind for kind in form.__args__ if kind is not types.NoneType)
        kinds = (int, float) if form is float else form
        right = isinstance(value, kinds) and not (isinstance(value, bool) and form is not bool)
        return None if right else f"{where} must be of the type {form.__name__}"
    return next((words for words in found if words is not None), None)
