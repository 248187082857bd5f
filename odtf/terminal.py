"""Standard streams without which a program goes on: closed from the start, or left by their reader."""

import contextlib
import os
import sys


def keep_going():
    """Makes lines that nobody can read cost nothing but themselves, for the rest of the process.

    A stream that is closed becomes an empty one, so that no file gets its number; one whose reader has left, or whose
    disk is full, falls silent. Characters that a stream cannot encode are written as escapes.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            _silence(descriptor)
    for name in ("stdout", "stderr"):
        stream, original = getattr(sys, name), getattr(sys, f"__{name}__")
        if stream is None:
            stream = original = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (as long as the process)
        if stream is original:  # Not what a test or a notebook has put there.
            with contextlib.suppress(AttributeError, OSError):
                stream.reconfigure(errors="backslashreplace")
            setattr(sys, name, _Lenient(stream))


class _Lenient:
    """A text stream whose writes never fail."""

    def __init__(self, stream):
        self._stream = stream

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def write(self, text):
        with self._forgiving():
            self._stream.write(text)
        return len(text)

    def flush(self):
        with self._forgiving():
            self._stream.flush()

    @contextlib.contextmanager
    def _forgiving(self):
        try:
            yield
        except OSError as error:
            # What is buffered would fail again, at the latest when the interpreter exits.
            _silence(self._stream.fileno())
            if not isinstance(error, BrokenPipeError) and self is sys.stdout:
                print(f"Standard output cannot be written ({error.strerror}): it goes on without.", file=sys.stderr)


def _silence(descriptor):
    """Lets everything that is written to a descriptor vanish, also what native code and child processes write."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != descriptor:
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
    os.set_inheritable(descriptor, True)
