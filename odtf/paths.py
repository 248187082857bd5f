"""Where files lie: on a disk of this machine, or where `tf.io.gfile` reaches, such as gs://.

Everything that opens data, workdirs, checkpoints, reports and exports asks `at` for its path. A path of this machine is
a `pathlib.Path` and stays what it was; a URL is an `odtf.store_path.StorePath`, which does the same. TensorFlow is
imported when the first URL is looked at, and never for a path of this machine.

What a store has not is done otherwise: no folder is renamed, so that a marker which is written last makes one valid; no
lock is held, so that a line warns instead; and what other programs open, or what is mapped into memory, is a copy on
a disk of this machine.
"""

import concurrent.futures
import contextlib
import hashlib
import os
import pathlib
import re
import shutil
import stat
import tempfile

from odtf.errors import UserError
from odtf.store_path import StorePath

# One letter would be a drive of Windows.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+://")
_FILE = "file://"
_THREADS = 32
# On a store the name of a picture is that of a file: to ask about each of a million would take hours.
_PICTURES = (".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".webp")


def at(path) -> pathlib.Path:
    """Returns a path as what can be read and written: a `pathlib.Path`, or a `StorePath`, which does the same.

    Args:
        path: text or `os.PathLike`; a URL, such as gs://bucket/folder, is one of a store.

    Raises:
        UserError: if a URL has no bucket or host, as hdfs:///folder.
    """
    if isinstance(path, StorePath):
        return path
    text = os.fspath(path)
    if isinstance(text, str) and (scheme := _URL.match(text)):
        if scheme[0].lower() == _FILE:
            rest = text[len(_FILE) :]
            return pathlib.Path(rest.removeprefix("localhost") if rest.startswith("localhost/") else rest)
        if text[scheme.end() :].startswith("/"):
            raise UserError(f"A store's address names its bucket or host: {scheme[0]}BUCKET/folder. Received: {text}")
        return StorePath(text)
    return pathlib.Path(path)


def is_store(path):
    """Whether a path, text or `os.PathLike`, lies on a store."""
    return isinstance(at(path), StorePath)


def local(path, what) -> pathlib.Path:
    """Returns a path that must be one of this machine.

    Args:
        path: text or `os.PathLike`.
        what: words for what it is, which begin the sentence.

    Raises:
        UserError: if it is one of a store.
    """
    if is_store(path):
        raise UserError(f"{what} must be on a disk of this machine: copy it there. Received: {path}.")
    return at(path)


def identity(path):
    """Returns text that is the same for all ways to write a path; links are followed."""
    return str(at(path)) if is_store(path) else os.path.realpath(path)


def relative(path, folder):
    """Returns the text of a path as it is seen from a folder."""
    return str(at(path).relative_to(at(folder))) if is_store(path) else os.path.relpath(path, folder)


# Contents -----------------------------------------------------------------------------------------------------------


def copy(path, target):
    """Copies a file, of its kind and time too where a disk has them, to a path of the same disk or store."""
    if is_store(path):
        at(path).copy(target)
    else:
        shutil.copy2(path, target)


def remove_folder(path):
    """Removes a folder and all that is in it, as far as that goes."""
    if is_store(path):
        with contextlib.suppress(OSError):
            at(path).rmtree()
    else:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def local_copy(path):
    """A context in which a file, or a folder with all that is in it, lies on a disk of this machine: other programs
    know no stores.

    Args:
        path: text or `os.PathLike`; one of this machine is given as it is.

    Raises:
        OSError: if it cannot be read.
    """
    path = at(path)
    if not isinstance(path, StorePath):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="odtf-") as folder:
        target = pathlib.Path(folder) / path.name
        _fetch(path, target)
        yield target


def _fetch(path, target):
    if not path.is_dir():
        with path.open("rb") as source, open(target, "wb") as file:
            shutil.copyfileobj(source, file, 2**20)
        return
    target.mkdir()
    for inner in path.iterdir():
        _fetch(inner, target / inner.name)


@contextlib.contextmanager
def written_locally(path):
    """A context in which there is a path of this machine for what another program writes; then it is at `path`.

    Args:
        path: text or `os.PathLike`; one of this machine is given as it is.
    """
    path = at(path)
    if not isinstance(path, StorePath):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="odtf-") as folder:
        place = pathlib.Path(folder) / path.name
        yield place
        send(place, path)


def send(place, path):
    """Copies a file of this machine to a store.

    Args:
        place: path of this machine.
        path: `StorePath`.
    """
    with open(place, "rb") as source, path.open("wb") as file:
        shutil.copyfileobj(source, file, 2**20)


def cache_folder():
    """Returns the folder of this machine for what can be made anew: $XDG_CACHE_HOME/odtf, or ~/.cache/odtf."""
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "odtf"


def key_of(path):
    """Returns the name that something about a path has in the `cache_folder`."""
    return hashlib.sha256(identity(path).encode("utf-8", "surrogateescape")).hexdigest()[:24]


def cached(path) -> pathlib.Path:
    """Returns where a file lies on a disk of this machine, for what is mapped into memory.

    A file of a store is copied into the `cache_folder`, once as long as it has its size and time, and each time where
    the store knows no times; a copy of what it was before goes.

    Args:
        path: text or `os.PathLike`; one of this machine is returned as it is.

    Raises:
        OSError: if it cannot be read, or the cache not be written to.
    """
    path = at(path)
    if not isinstance(path, StorePath):
        return path
    found, key = path.stat(), key_of(path)
    target = cache_folder() / "files" / f"{key}-{found.st_size}-{found.st_mtime_ns}{path.suffix}"
    if not found.st_mtime_ns or not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".odtf-", dir=target.parent) as folder:
            place = pathlib.Path(folder) / "file"
            _fetch(path, place)
            if place.stat().st_size != found.st_size:
                raise OSError(None, "it changed while it was read", str(path))
            os.replace(place, target)
        for old in target.parent.glob(f"{key}-*"):
            if old != target:
                with contextlib.suppress(OSError):
                    old.unlink()
    return target


# Folders ------------------------------------------------------------------------------------------------------------


class _Entry:
    """What `os.DirEntry` is of a disk, of a store."""

    def __init__(self, folder, name):
        self.name = name.rstrip("/")
        self.path = str(folder / self.name)
        self._is_dir = True if name.endswith("/") else None

    def is_dir(self):
        if self._is_dir is None:
            self._is_dir = not self.name.lower().endswith(_PICTURES) and at(self.path).is_dir()
        return self._is_dir


@contextlib.contextmanager
def scanned(folder):
    """A context in which there is an iterator over what is in a folder: `name`, `path` (text) and `is_dir()` of each.

    Raises:
        OSError: if it cannot be read.
    """
    folder = at(folder)
    if isinstance(folder, StorePath):
        yield (_Entry(folder, name) for name in folder.children())
        return
    with os.scandir(folder) as found:
        yield found


def check_regular(path):
    """Shows that a path, links followed, is a regular file: reading another kind may wait for ever, or never end.

    A store has files and folders alone, and is not asked: who reads a folder is told.

    Raises:
        OSError: if it is none, or is not there.
    """
    if not is_store(path) and not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(None, "no regular file", str(path))


def stats(files):
    """Yields what is known of files, `st_size` in bytes and `st_mtime_ns`; a store is asked for many at a time.

    Args:
        files: list of paths.

    Raises:
        OSError: at the first that is not there; its `filename` says which.
    """
    if not any(map(is_store, files)):
        yield from map(os.stat, files)
        return
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
        yield from pool.map(lambda path: at(path).stat(), files)
