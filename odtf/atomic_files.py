"""Files of one result, in several directories: they appear together or not at all."""

import contextlib
import os

from odtf import paths
from odtf.files import disk_errors, partial, sweep, synced


class AtomicFiles:
    """Files that get their names together, when `with` ends; if anything fails before that, nothing has changed.

    All content is written and synced beside its destination first, where a full disk shows. Then each file replaces its
    predecessor in one step, in the order in which they were added; if that fails, those that were replaced come back.
    A process that is killed in these last steps may leave some of the new files beside old ones: what tells of the
    others, such as a report, is added last.

    Example:

    >>> with AtomicFiles() as atomic:
    ...     atomic.add("runs/a/export/soc", {"student.tflite": content})
    ...     atomic.add("runs/a", {"report.json": report})
    """

    def __init__(self):
        self._staged = {}  # Destination -> where its content is.
        self._removed = []
        self._made = []

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        done = False
        try:
            if kind is None:
                self._commit()
                done = True
        finally:
            self._clean(done)

    def add(self, directory, contents):
        """Adds files to a directory, which is made if it does not exist.

        Args:
            directory: path.
            contents: dict from file name to bytes.

        Returns:
            list of the paths that they will have.

        Raises:
            UserError: if the directory cannot be written to or the disk is full; then none of them was added.
        """
        directory, staged = paths.at(directory), {}
        with disk_errors(directory):
            self._make(directory)
            try:
                for name, content in contents.items():
                    staged[directory / name] = partial(directory / name)
                    _write(staged[directory / name], content)
            except BaseException:
                _unlink(staged.values())
                raise
        self._adopt(staged)
        return list(staged)

    @contextlib.contextmanager
    def writing(self, path):
        """Adds one file that something else writes: gives the path of this machine that it is to be written to.

        Args:
            path: the destination.

        Raises:
            UserError: if that fails; then it was not added.
        """
        path = paths.at(path)
        temporary = partial(path)
        with disk_errors(path):
            self._make(path.parent)
            try:
                with paths.written_locally(temporary) as place:
                    yield place
                    with open(place, "rb") as file:
                        os.fsync(file.fileno())
            except BaseException:
                _unlink([temporary])
                raise
        self._adopt({path: temporary})

    def remove(self, path):
        """Has a file go when the others appear."""
        self._removed.append(paths.at(path))

    def content(self, path):
        """Returns the bytes that a file that was added will have."""
        return self._staged[paths.at(path)].read_bytes()

    def _make(self, directory):
        made = [path for path in (directory, *directory.parents) if not path.exists()]
        directory.mkdir(parents=True, exist_ok=True)
        self._made += [path for path in made if path not in self._made]
        sweep(directory)

    def _adopt(self, staged):
        _unlink(self._staged[path] for path in staged if path in self._staged)
        self._staged |= staged

    def _commit(self):
        kept, done = {}, []
        try:
            for path in (*self._staged, *self._removed):
                if path.exists():
                    with disk_errors(path):
                        kept[path] = partial(path)
                        paths.copy(path, kept[path])
            for path, temporary in self._staged.items():
                with disk_errors(path):
                    temporary.replace(path)
                done.append(path)
            for path in self._removed:
                with disk_errors(path):
                    path.unlink(missing_ok=True)
                done.append(path)
        except BaseException:
            for path in done:
                if path in kept:
                    kept[path].replace(path)
                else:
                    path.unlink(missing_ok=True)
            raise
        finally:
            _unlink(kept.values())

    def _clean(self, done):
        _unlink(self._staged.values())
        if not done:
            for path in sorted(self._made, key=lambda path: len(path.parts), reverse=True):
                with contextlib.suppress(OSError):
                    path.rmdir()  # Only an empty one goes.


def joined(atomic):
    """Returns a context: the `AtomicFiles` that is given, which ends elsewhere, or one that ends with the context."""
    return AtomicFiles() if atomic is None else contextlib.nullcontext(atomic)


def _write(path, content):
    with path.open("wb") as file:
        synced(file, content)


def _unlink(doomed):
    for path in doomed:
        with contextlib.suppress(OSError):
            path.unlink()
