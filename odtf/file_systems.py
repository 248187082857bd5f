"""TensorFlow's file systems by the schemes of URLs, and their errors as those of a disk."""

import contextlib
import errno
import functools
import importlib
import importlib.util
import os

from odtf.errors import UserError
from odtf.quiet import import_tensorflow

# What tensorflow-io brings for TensorFlow's own releases, if it was built for this one.
_PLUGIN = "tensorflow_io"


@functools.cache
def file_system(scheme):
    """Returns `tf.io.gfile`, which has a file system of a scheme.

    Raises:
        UserError: if it has none.
    """
    tensorflow = import_tensorflow()
    reason = ""
    if scheme not in tensorflow.io.gfile.get_registered_schemes() and importlib.util.find_spec(_PLUGIN):
        try:
            importlib.import_module(_PLUGIN)
        except Exception as error:  # Whatever a library raises that was built for another TensorFlow.
            reason = f"; {_PLUGIN} cannot be imported: {str(error).strip().splitlines()[0]}"
    known = tensorflow.io.gfile.get_registered_schemes()
    if scheme not in known:
        have = ", ".join(sorted(f"{name}://" for name in known if name not in ("", "file")))
        raise UserError(
            f"TensorFlow has no file system for {scheme}://: it has {have}, and tensorflow-io brings others where it "
            f"is installed{reason}."
        )
    return tensorflow.io.gfile


def is_outage(error):
    """Whether an error is that a store does not answer, or refuses: what is there may be whole."""
    if isinstance(error, OSError):
        return error.errno in (errno.EIO, errno.EACCES) and "://" in str(error.filename)
    import tensorflow as tf

    silent = tf.errors.UnavailableError, tf.errors.DeadlineExceededError, tf.errors.AbortedError
    return isinstance(error, (*silent, tf.errors.PermissionDeniedError, tf.errors.UnauthenticatedError))


@contextlib.contextmanager
def told(path):
    """Lets TensorFlow's errors be those that a disk raises."""
    try:
        yield
    except (UserError, OSError):
        raise
    except Exception as error:
        import tensorflow as tf

        if not isinstance(error, tf.errors.OpError):
            raise
        kinds = {
            tf.errors.NotFoundError: errno.ENOENT,
            tf.errors.AlreadyExistsError: errno.EEXIST,
            tf.errors.PermissionDeniedError: errno.EACCES,
            tf.errors.UnauthenticatedError: errno.EACCES,
            tf.errors.ResourceExhaustedError: errno.ENOSPC,
        }
        number = next((number for kind, number in kinds.items() if isinstance(error, kind)), errno.EIO)
        said = (error.message or "").strip().splitlines()
        words = os.strerror(number) if number == errno.ENOENT or not said else said[0]
        raise OSError(number, words, str(path)) from error
