"""Files appear whole or not at all."""

import contextlib
import json
import os
import pathlib

from odtf.errors import UserError


@contextlib.contextmanager
def disk_errors(path, also=()):
    """Turns what a disk refuses (full, read-only, no permission) into one clear line.

    Args:
        path: what could not be written.
        also: exceptions of native writers, such as `tf.errors.OpError`.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
    except also as error:
        # As TensorFlow tells it: "{{function_node ...}} PATH; No space left on device [Op:SaveV2]".
        reason = str(error).splitlines()[0].partition(" [Op:")[0].rpartition("; ")[2]
    else:
        return
    raise UserError(f"Cannot write {path}: {reason}. What was there is untouched.")


def write_text(path, text):
    """Writes `text` to `path` as UTF-8, as `write_bytes` does."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path, content):
    """Writes `content` to `path` by way of a file beside it, so that a reader sees the old file or the new one."""
    path = pathlib.Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with disk_errors(path):
        try:
            with open(temporary, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def write_json(path, data):
    """Writes JSON with one key a line, as `write_text` does."""
    write_text(path, json.dumps(data, indent=2) + "\n")


def check_directory(path):
    """Raises UserError if the directory could not be made or written to, as far as that shows without trying."""
    path = pathlib.Path(path)
    nearest = next(place for place in (path, *path.absolute().parents) if os.path.lexists(place))
    reason = "Not a directory" if not nearest.is_dir() else "Permission denied"
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise UserError(f"The directory {path} cannot be written to. Received: {nearest} ({reason}).")


def make_directory(path):
    """Makes the directory and shows that it can be written to."""
    path = pathlib.Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".probe.{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"The directory {path} cannot be written to: {error.strerror or error}.") from error
    return path
