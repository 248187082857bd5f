"""Python called from inside a graph: how its errors come out, and how the program ends while it runs."""

from __future__ import annotations

import atexit
import contextlib
import re
import threading
import time

import numpy as np
import tensorflow as tf

from odtf.data import jpeg_parts
from odtf.errors import UserError

# What marks the text of a `UserError` within the text of a TensorFlow error.
_FAILURE = r"<odtf failure: (.*)>"


class _Running:
    """Lets the interpreter exit while pipelines still read ahead.

    A pipeline is taken down after the interpreter has begun to, and waits for Python calls on its threads, which wait
    for an interpreter that no longer runs them: a deadlock. So at exit the calls that are left fail at once, and exit
    goes on when there have been none for a while; a pipeline without a consumer makes no more than its buffers hold.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._running = 0
        self._made = 0
        self._exiting = False
        atexit.register(self._finish)

    @contextlib.contextmanager
    def enter(self):
        with self._lock:
            self._running += 1
            self._made += 1
        try:
            if self._exiting:
                raise UserError("The program is exiting.")
            yield
        finally:
            with self._lock:
                self._running -= 1

    def _finish(self):
        self._exiting = True
        made, quiet = 0, 0
        while self._made and quiet < 5:
            quiet = quiet + 1 if self._made == made and not self._running else 0
            made = self._made
            time.sleep(0.02)


_running = _Running()


def call(function, argument, dtypes):
    """Calls a Python function in a graph.

    Args:
        function: from an array, or several, to a tuple of arrays; a `UserError` of its becomes an error of
            TensorFlow's, from which `user_error_from` recovers it.
        argument: tensor, or a tuple of them.
        dtypes: tuple of the results' types.

    Returns:
        List of tensors, of unknown shapes.
    """

    def guarded(*values):
        try:
            with _running.enter():
                return *function(*values), b""
        except UserError as error:
            nothing = (np.zeros(0, dtype.as_numpy_dtype) for dtype in dtypes)
            return *nothing, f"<odtf failure: {error}>".encode(errors="surrogateescape")

    arguments = list(argument) if isinstance(argument, tuple) else [argument]
    *results, failure = tf.numpy_function(guarded, arguments, (*dtypes, tf.string), stateful=False)
    # The failure travels as text: TensorFlow would print the traceback of an exception, once for each batch ahead.
    with tf.control_dependencies([tf.debugging.Assert(tf.equal(failure, ""), [failure])]):
        return [tf.identity(each) for each in results]


def user_error_from(error: Exception) -> UserError | None:
    """The `UserError` that a TensorFlow error carries, or None.

    A corrupt file met while streaming is found inside a graph, and arrives as an error of TensorFlow's.
    """
    found = re.search(_FAILURE, str(error))
    if not found:
        return jpeg_parts.error_of(str(error))
    # TensorFlow prints bytes as in C source.
    text = found.group(1).encode().decode("unicode_escape").encode("latin-1").decode(errors="surrogateescape")
    return UserError(text)
