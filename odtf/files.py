"""Files appear whole or not at all."""

import contextlib
import io
import itertools
import json
import os
import re
import socket
import stat
import sys
import time
import zlib

from odtf import paths
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
    """Writes `content` to `path` by way of a file beside it, so that a reader sees the old file or the new one.

    What is no plain file (a FIFO, a device, the standard output) is written to as it is; a link to a file stays one.
    """
    if not is_plain(path):
        _write_in_place(path, content)
        return
    path = paths.at(paths.identity(path))
    temporary = partial(path)
    with disk_errors(path):
        if not paths.is_store(path):  # There each look into a folder is a question to a server.
            sweep(path.parent)
        try:
            with temporary.open("wb") as file:
                synced(file, content)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def synced(file, content):
    """Writes content to an open file; returns when it is on the disk. On a store it is when the file is closed."""
    file.write(content)
    file.flush()
    with contextlib.suppress(io.UnsupportedOperation):
        os.fsync(file.fileno())


def is_plain(path):
    """Whether a path is that of a plain file, or of none yet: only such a one is replaced, and has others beside it.

    What the standard output goes to is none, be it a file. On a store all files are plain.
    """
    if paths.is_store(path):
        return True
    try:
        found = os.stat(path)
    except OSError:
        return True
    return stat.S_ISREG(found.st_mode) and _stream_of(found) is None


def _stream_of(found):
    """Returns which of the standard streams a file is, or None."""
    for number in (1, 2):
        with contextlib.suppress(OSError):
            if os.path.samestat(found, os.fstat(number)):
                return number
    return None


def _write_in_place(path, content):
    with disk_errors(path):
        found = os.stat(path)
        if stat.S_ISBLK(found.st_mode):
            raise OSError("it is a disk")
        number = _stream_of(found)
        if number is None:
            # A FIFO without a reader is an error at once: to wait for one would be to hang.
            number = os.open(path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
            os.set_blocking(number, True)
            with open(number, "wb") as file:
                file.write(content)
            return
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
        with open(number, "wb", closefd=False) as file:
            file.write(content)


# Content before it has its name -------------------------------------------------------------------------------------

_HOST = f"{zlib.crc32(socket.gethostname().encode()):08x}"
# A container gives the number of a process again and again.
_STARTED = f"{time.time_ns():x}"
_COUNTER = itertools.count()
_PARTIAL = re.compile(r"\.partial-(?P<host>[0-9a-f]{8})-(?P<process>\d+)-(?P<started>[0-9a-f]+)-\d+(\..*)?")


def partial(path):
    """Returns a path beside `path`, with its suffix, for content that is to get that name; it says who writes it."""
    path = paths.at(path)
    return path.with_name(f".partial-{_HOST}-{os.getpid()}-{_STARTED}-{next(_COUNTER)}{path.suffix}")


def sweep(directory):
    """Removes what processes of this machine that are no more have left of `partial` in a directory."""
    with contextlib.suppress(OSError), paths.scanned(directory) as entries:
        for entry in entries:
            found = _PARTIAL.fullmatch(entry.name)
            if found and found["host"] == _HOST and not _lives(int(found["process"]), found["started"]):
                with contextlib.suppress(OSError):
                    paths.at(entry.path).unlink()


def _lives(process, started):
    if process == os.getpid():
        return started == _STARTED
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # Another user's.
    return True


def write_json(path, data):
    """Writes JSON with one key a line, as `write_text` does."""
    write_text(path, json_text(data))


def parsed(text):
    """Returns what JSON says, of a file that may be damaged.

    Args:
        text: str or bytes.

    Raises:
        ValueError: if it is no JSON, also where it is nested deeper than Python reads.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def json_text(data):
    """Returns JSON with one key a line."""
    return json.dumps(data, indent=2) + "\n"


def check_directory(path):
    """Raises UserError if the directory could not be made or written to, as far as that shows without trying."""
    path = paths.at(path)
    if paths.is_store(path):
        if file := next((place for place in (path, *path.parents) if place.is_file()), None):
            raise UserError(f"The directory {path} cannot be written to. Received: {file} (Not a directory).")
        return
    nearest = next(place for place in (path, *path.absolute().parents) if os.path.lexists(place))
    reason = "Not a directory" if not nearest.is_dir() else "Permission denied"
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise UserError(f"The directory {path} cannot be written to. Received: {nearest} ({reason}).")


def check_file(path, flag):
    """Shows that a file could be written, as far as that shows without trying, before the work for it is done.

    Args:
        path: of the file.
        flag: the name of the flag that says so.

    Raises:
        UserError: if it is a directory, or could not be made or written to.
    """
    path = paths.at(path)
    if path.is_dir():
        raise UserError(f"--{flag} must name a file, not a directory. Received: {str(path)!r}.")
    if is_plain(path):
        check_directory(paths.at(paths.identity(path)).parent)
    elif not os.access(path, os.W_OK):
        raise UserError(f"--{flag} must name a file that can be written to. Received: {str(path)!r}.")


def make_directory(path):
    """Makes the directory and shows that it can be written to."""
    path = paths.at(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".probe.{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise UserError(f"The directory {path} cannot be written to: {error.strerror or error}.") from error
    return path
