"""Paths to where `tf.io.gfile` reaches, such as gs://: what `pathlib.Path` does, done there.

`etils.epath` does much of the same. It has its own table of schemes and no other, asks for no `errors` of a decoding,
lets TensorFlow's errors through, and is text to whoever asks for a file of this machine, who then looks for "gs:/" on
its disk. Here any scheme that TensorFlow knows will do, errors are those of a disk, and `open` refuses such a path.
"""

import errno
import fnmatch
import io
import os
import pathlib
import stat
import types

from odtf.errors import UserError
from odtf.file_systems import file_system, told
from odtf.store_streams import Reading, Writing

_BLOCK = 2**20
# So many parts are the scheme and the bucket, or the host.
_BUCKET = 2
# TensorFlow's file system in memory does not cut a file that is opened to be written.
_APPENDS = ("ram:",)


class StorePath(pathlib.PurePosixPath):
    """A path such as gs://bucket/folder/file.

    All of it raises `OSError` where the same of a disk would, and `UserError` where TensorFlow has no file system of
    that scheme. A folder is there once `mkdir` was called; files have whole contents, which are read with `seek` and
    written from front to back. No folder is renamed: stores have none of that.
    """

    __slots__ = ()

    def __str__(self):
        text = super().__str__()
        scheme, colon, rest = text.partition(":")
        return f"{scheme}://{rest.lstrip('/')}" if colon else text

    def as_posix(self):
        return str(self)

    def __fspath__(self):
        raise UserError(f"Here a path must be one of this machine: copy what is there to a disk. Received: {self}.")

    @property
    def parent(self):
        return self if len(self.parts) <= _BUCKET else type(self)(*self.parts[:-1])

    @property
    def parents(self):
        """The folders that it lies in, the innermost first; no bucket: that is not made, and may be asked by few."""
        return tuple(type(self)(*self.parts[:count]) for count in range(len(self.parts) - 1, _BUCKET, -1))

    def absolute(self):
        """Returns the path itself: it begins with its scheme."""
        return self

    expanduser = resolve = absolute

    def relative_to(self, other):
        """Returns the rest of the path below another one, as a `pathlib.PurePosixPath`."""
        other = type(self)(other)
        if self.parts[: len(other.parts)] != other.parts:
            raise ValueError(f"{self} is not below {other}")
        return pathlib.PurePosixPath(*self.parts[len(other.parts) :])

    # What is there --------------------------------------------------------------------------------------------------

    @property
    def gfile(self):
        """`tf.io.gfile`.

        Raises:
            UserError: if TensorFlow has no file system of this scheme.
        """
        try:
            return file_system(self.parts[0].rstrip(":").lower())
        except UserError as error:
            raise UserError(f"{error} Received: {self}.") from None

    def exists(self):
        """Whether there is a file or a folder."""
        with told(self):
            return self.gfile.exists(str(self))

    def is_dir(self):
        """Whether there is a folder."""
        with told(self):
            return self.gfile.isdir(str(self))

    def is_file(self):
        """Whether there is a file."""
        return self.exists() and not self.is_dir()

    def stat(self):
        """Returns what is known of a file or folder: st_size in bytes, st_mtime_ns, and st_mode, its kind alone."""
        with told(self):
            found = self.gfile.stat(str(self))
        kind = stat.S_IFDIR if found.is_directory else stat.S_IFREG
        return types.SimpleNamespace(st_size=found.length, st_mtime_ns=found.mtime_nsec, st_mode=kind)

    def children(self):
        """Returns the names in a folder, sorted; a "/" ends those that the store itself calls folders."""
        with told(self):
            return sorted(self.gfile.listdir(str(self)))

    def iterdir(self):
        """Yields the paths in a folder, by name."""
        for name in self.children():
            yield self / name.rstrip("/")

    def glob(self, pattern):
        """Yields the paths below that a pattern of names means, in which * and ? stand within a name."""
        first, _, rest = pattern.partition("/")
        try:
            found = [path for path in self.iterdir() if fnmatch.fnmatchcase(path.name, first)]
        except OSError:  # As of a disk: where there is no folder, there is nothing in it.
            return
        for path in found:
            if rest:
                yield from path.glob(rest)
            else:
                yield path

    def rglob(self, pattern):
        """Yields the paths at any depth below whose names a pattern means."""
        yield from self.glob(pattern)
        for path in self.glob("*"):
            if path.is_dir():
                yield from path.rglob(pattern)

    # What is in it --------------------------------------------------------------------------------------------------

    def open(self, mode="r", buffering=-1, encoding=None, errors=None):
        """Opens a file: "r" reads, with `seek`; "w" and "a" write, from front to back; "b" leaves bytes as they are."""
        kind, binary = mode.replace("b", ""), "b" in mode
        if kind not in ("r", "w", "a"):
            raise io.UnsupportedOperation(f"a file of a store is not opened as {mode!r}")
        raw = Reading(self) if kind == "r" else Writing(self, kind)
        if binary and buffering == 0:
            return raw
        buffered = io.BufferedReader(raw, _BLOCK) if kind == "r" else io.BufferedWriter(raw, _BLOCK)
        return buffered if binary else io.TextIOWrapper(buffered, encoding or "utf-8", errors)

    def read_bytes(self):
        """Returns the content of a file."""
        with told(self), self.gfile.GFile(str(self), "rb") as file:
            return file.read()

    def read_text(self, encoding="utf-8", errors=None):
        """Returns the content of a file as text."""
        return io.TextIOWrapper(io.BytesIO(self.read_bytes()), encoding, errors).read()

    def write_bytes(self, content):
        """Writes a file."""
        self.make_room()
        with told(self), self.gfile.GFile(str(self), "wb") as file:
            file.write(content)
        return len(content)

    def write_text(self, text, encoding="utf-8", errors=None):
        """Writes a file of text."""
        return self.write_bytes(text.encode(encoding, errors or "strict"))

    def make_room(self):
        """Removes a file that is to be written anew, where that would go on at its end."""
        if self.parts[0] in _APPENDS:
            self.unlink(missing_ok=True)

    # Changes --------------------------------------------------------------------------------------------------------

    def mkdir(self, parents=False, exist_ok=False):
        """Makes a folder, and those that it lies in whatever `parents` says: a store has no others."""
        if self.is_dir():
            if not exist_ok:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(self))
            return
        if file := next((path for path in (self, *self.parents) if path.is_file()), None):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(file))
        with told(self):
            self.gfile.makedirs(str(self))

    def rmdir(self):
        """Removes an empty folder."""
        if self.children():
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), str(self))
        self.rmtree()

    def rmtree(self):
        """Removes a folder and all that is in it."""
        with told(self):
            self.gfile.rmtree(str(self))

    def unlink(self, missing_ok=False):
        """Removes a file."""
        try:
            with told(self):
                self.gfile.remove(str(self))
        except FileNotFoundError:
            if not missing_ok:
                raise

    def replace(self, target):
        """Gives a file another name in the same store, in place of what has it."""
        with told(self):
            self.gfile.rename(str(self), str(target), overwrite=True)
        return type(self)(target)

    def copy(self, target):
        """Copies a file to another path of the same store, in place of what is there."""
        with told(self):
            self.gfile.copy(str(self), str(target), overwrite=True)
