"""Silence for native code that writes to the standard error stream as it pleases."""

import contextlib
import io
import logging
import os
import sys
import tempfile

from odtf.errors import UserError


class _Redirected(io.TextIOBase):
    """A `sys.stderr` of some moments. A log that has taken it for its stream goes on where it leads afterwards."""

    def __init__(self, target):
        super().__init__()
        self.target = target

    def write(self, text):
        return self.target.write(text)

    def flush(self):
        self.target.flush()

    def fileno(self):
        return self.target.fileno()

    def isatty(self):
        return self.target.isatty()


# Descriptors of the standard error stream outside of each `quiet`.
_kept = [2]


def shown():
    """Returns the descriptor of the standard error stream that is seen, also inside of `quiet`."""
    return _kept[1] if len(_kept) > 1 else _kept[0]


@contextlib.contextmanager
def quiet():
    """Swallows what the process writes to standard error, C++ included, and gives it back if a bug shows.

    The converter and the interpreter print from C++, past `sys.stderr`, so the file descriptor itself is redirected.
    `sys.stderr` is too: in a notebook it is another way out.
    """
    sys.stderr.flush()
    kept, before = os.dup(2), sys.stderr
    with _sink() as sink, os.fdopen(os.dup(sink.fileno()), "w", errors="backslashreplace") as text:
        os.dup2(sink.fileno(), 2)
        sys.stderr = redirected = _Redirected(text)
        _kept.append(kept)
        try:
            yield
        except (UserError, KeyboardInterrupt):
            # It says itself what is wrong, in one line.
            raise
        except BaseException:
            text.flush()
            sink.seek(0)
            with contextlib.suppress(OSError):  # Nobody reads it.
                os.write(kept, sink.read())
            raise
        finally:
            text.flush()
            sys.stderr = redirected.target = before
            _kept.remove(kept)
            os.dup2(kept, 2)
            os.close(kept)


def _sink():
    """Returns a file for what is swallowed; in memory where that can be, since a disk may be full."""
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("odtf"), "w+b")
    return tempfile.TemporaryFile()


def import_tensorflow():
    """Imports TensorFlow without its greetings and its log, which would hide our one line.

    What it logs of an error it raises as well. TF_CPP_MIN_LOG_LEVEL=2 brings the log back, and 0 or 1 the greetings.
    """
    talkative = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") < "2"
    with contextlib.nullcontext() if talkative else quiet():
        import tensorflow as tf

        tf.config.list_physical_devices()
    if not talkative:
        tf.get_logger().setLevel(logging.WARNING)
    return tf
