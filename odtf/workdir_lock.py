"""The lock on a workdir: of all that write to it, one at a time.

The kernel holds it (`flock`, by the package filelock) and lets it go when its process ends, however that does: what a
killed process leaves locks nobody out. Beside it, a file names the owner for people: host, process and time.

On a disk of one machine that is all there is to say. On a network file system the lock is as good as the system's:
NFS of Linux and most cluster file systems pass it on to the server, where it holds among all machines; mounts with
`nolock` or `local_lock=flock`, and Lustre without `-o flock`, keep it within one machine. There the file of the owner
is all that others see: who finds one of another machine says so and goes on, since nobody here can tell whether that
process still lives. Where a file system has no locks at all, a line says that nothing is checked. So it does on a store
such as gs://, where no file can be made by one writer alone; the owner is written there all the same.
"""

import contextlib
import datetime
import errno
import logging
import os
import socket

import filelock

from odtf import paths
from odtf.errors import UserError
from odtf.files import disk_errors, make_directory, parsed, sweep, write_json

_LOCK, _OWNER = ".lock", ".lock-owner.json"
# Where in a workdir files are written beside their places first: a killed process may have left some.
_SWEPT = ("", "*", "export/*", "*/export/*", "finetune/*/export/*", "finetune/post-training/*", "post-training/*")
_ATTEMPTS = 3
# What a command reads or goes on writing: of a pipe in place of such a file it would wait for ever.
_FILES = ("*.json", "*.jsonl", "checkpoints/*/*", "chosen/*", "tensorboard/*/*")
# What a file system says that has no locks.
_UNSUPPORTED = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP)
# Its words on every step of a lock would stand before odtf's line where --verbosity=1 asks for those of the run.
logging.getLogger("filelock").setLevel(logging.WARNING)
# The workdirs that this process holds: a command holds what the functions that it calls hold too.
_HELD = set()


@contextlib.contextmanager
def writing(workdir, log=print):
    """Holds the lock on a workdir: nobody else writes to it meanwhile. Whoever has it may take it again.

    What writers that were killed have left half written is removed.

    Args:
        workdir: directory; made if needed.
        log: callable that takes a line of text, for what cannot be checked.

    Raises:
        UserError: if another process holds it, naming that; if the directory cannot be written to; or if something
            else stands where a file should.
    """
    workdir = paths.at(workdir)
    place = os.getpid(), paths.identity(workdir)
    if place in _HELD:
        yield
        return
    made = [path for path in (workdir, *workdir.parents) if not path.exists()]
    lock = _acquire(make_directory(workdir), log)
    _HELD.add(place)
    try:
        yield
    finally:
        _HELD.remove(place)
        _release(workdir, lock, made)


def check(workdir):
    """Shows that nobody writes to a workdir at this moment, before the seconds that importing TensorFlow takes.

    Raises:
        UserError: if somebody does, naming that.
    """
    place = os.getpid(), paths.identity(workdir)
    path = paths.at(workdir) / _LOCK
    if place in _HELD or paths.is_store(workdir) or not path.exists():
        return
    lock = filelock.FileLock(path, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise _in_use(workdir) from error
    except (OSError, NotImplementedError):
        return  # Whether it can be locked, and written to, is seen when that is done.
    lock.release()


def _acquire(workdir, log):
    """Returns the lock, held; None where the file system has none."""
    if paths.is_store(workdir):
        log(f"note: {workdir} is on a store, which has no locks: that nobody else writes to it is not checked")
        _own(workdir, log)
        return None
    try:
        lock = _lock(workdir / _LOCK)
    except filelock.Timeout as error:
        raise _in_use(workdir) from error
    except NotImplementedError:
        lock = None
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            with disk_errors(workdir / _LOCK):
                raise
        lock = None
    if lock is None:
        log(f"note: the file system of {workdir} has no locks: that nobody else writes to it is not checked")
        return None
    try:
        _own(workdir, log)
    except BaseException:
        lock.release()
        raise
    return lock


def _own(workdir, log):
    """Says whose a workdir is, after a word on another machine's, and sweeps it."""
    if not paths.is_store(workdir):
        _check_files(workdir)
    owner = _owner(workdir)
    # On a store of this machine's too: there nobody holds a lock who lives.
    if owner is not None and (paths.is_store(workdir) or owner["host"] != socket.gethostname()):
        log(f"note: {_words(owner)} has not said that it ended; if it still writes to {workdir}, stop one of both")
    write_json(workdir / _OWNER, _myself())
    for pattern in _SWEPT:
        for folder in workdir.glob(pattern) if pattern else [workdir]:
            sweep(folder)


def _check_files(workdir):
    for path in (path for pattern in _FILES for path in workdir.glob(pattern)):
        if path.exists() and not path.is_file() and not path.is_dir():
            raise UserError(f"A file or nothing must be here: remove what is there. Received: {path}, no regular file.")


def _lock(path):
    """Returns the lock of a file, held; None where a file can be locked twice.

    Whoever lets a lock go removes its file. So what was locked may be a file that has no name any more: then the file
    of that name can be locked once more, and that is the lock.
    """
    lock = filelock.FileLock(path, timeout=0)
    lock.acquire()
    for _ in range(_ATTEMPTS):
        named = filelock.FileLock(path, timeout=0)
        try:
            named.acquire()
        except filelock.Timeout:
            return lock
        lock.release()
        lock = named
    lock.release()
    return None


def _release(workdir, lock, made):
    """Lets the lock go; of a command that was refused before it wrote anything, no directory is left."""
    with contextlib.suppress(OSError):
        if lock is not None or (paths.is_store(workdir) and _is_mine(workdir)):  # Else the files may be another's.
            (workdir / _OWNER).unlink(missing_ok=True)
            (workdir / _LOCK).unlink(missing_ok=True)
        for path in made:
            path.rmdir()  # Only an empty one goes.
    if lock is not None:
        lock.release()


def _myself():
    now = datetime.datetime.now().astimezone()
    return {"host": socket.gethostname(), "process": os.getpid(), "since": now.isoformat(" ", "seconds")}


def _is_mine(workdir):
    owner = _owner(workdir)
    return owner is not None and (owner["host"], owner["process"]) == (socket.gethostname(), os.getpid())


def _owner(workdir):
    """Returns what the owner says of itself, or None: it has not yet, or was cut off in it."""
    try:
        owner = parsed((workdir / _OWNER).read_text("utf-8"))
        return {key: owner[key] for key in ("host", "process", "since")}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _words(owner):
    return f"process {owner['process']} on {owner['host']}, which began {owner['since']},"


def _in_use(workdir):
    owner = _owner(paths.at(workdir))
    words = "a process that has not said which" if owner is None else _words(owner).rstrip(",")
    return UserError(
        f"Another command is writing to {workdir}: wait for its end, or give another directory. Received: {words}."
    )
