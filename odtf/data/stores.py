"""Where pixels live: in one uint8 tensor, or in files that are read when asked for.

Both answer `gather(rows)` inside a graph and `read(rows)` outside, for any rows in any order, so that a pipeline which
is a pure function of its step needs to know nothing of them.
"""

import atexit
import concurrent.futures
import contextlib
import os
import re
import threading
import time

import numpy as np
import tensorflow as tf

from odtf.errors import UserError

_CHUNK = 64
# What marks the text of a `UserError` within the text of a TensorFlow error.
_FAILURE = r"<odtf failure: (.*)>"


class MemoryStore:
    """All images in one uint8 tensor, which graphs capture by reference.

    Args:
        images: uint8 array `[n, height, width, channels]`; the store keeps its own copy and no reference to it.
        labels: integer array `[n]`.
    """

    streaming = False

    def __init__(self, images, labels):
        # On the host whatever the default device: the pipeline runs there.
        with tf.device("/CPU:0"):
            # A tensor made from an array keeps a second buffer as long as it lives; its identity does not.
            self._images = tf.identity(tf.convert_to_tensor(images))
            self._labels = tf.constant(labels, tf.int32)
        self.labels = np.asarray(labels, np.int32)

    @property
    def image_shape(self):
        return tuple(self._images.shape[1:])

    def __len__(self):
        return len(self.labels)

    def gather(self, rows):
        """uint8 images and int32 labels of a tensor of rows."""
        return tf.gather(self._images, rows), tf.gather(self._labels, rows)

    def read(self, rows):
        """`gather` for arrays."""
        with tf.device("/CPU:0"):
            return tf.gather(self._images, rows).numpy(), self.labels[rows]


class _Calls:
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


_calls = _Calls()


class FileStore:
    """Images decoded from files each time they are asked for.

    Args:
        count: number of rows.
        image_shape: (height, width, channels) of every decoded image.
        read_one: function of a row that returns (uint8 image, label) and raises `UserError` for a corrupt one; called
            from several threads at once.
        labels: int array `[n]`, or None if only the files know them; they are then read when first asked for.
        read_label: function of a row that returns its label; needed where `labels` is None.
    """

    streaming = True

    def __init__(self, count, image_shape, read_one, labels=None, read_label=None):
        self.image_shape = tuple(image_shape)
        self._count = count
        self._read_one = read_one
        self._read_label = read_label
        self._labels = None if labels is None else np.asarray(labels, np.int32)

    def __len__(self):
        return self._count

    @property
    def labels(self):
        if self._labels is None:
            self._labels = np.fromiter(map(self._read_label, range(self._count)), np.int32, self._count)
        return self._labels

    def gather(self, rows):
        """uint8 images and int32 labels of a tensor of rows."""
        outputs = (tf.uint8, tf.int32, tf.string)
        images, labels, failure = tf.numpy_function(self._read_for_graph, [rows], outputs, stateful=False)
        # The failure travels as text: TensorFlow would print the traceback of an exception, once for each batch ahead.
        with tf.control_dependencies([tf.debugging.Assert(tf.equal(failure, ""), [failure])]):
            images, labels = tf.identity(images), tf.identity(labels)
        return tf.ensure_shape(images, (None, *self.image_shape)), tf.ensure_shape(labels, (None,))

    def _read_for_graph(self, rows):
        try:
            with _calls.enter():
                return *self.read(rows), b""
        except UserError as error:
            nothing = np.zeros((0, *self.image_shape), np.uint8), np.zeros(0, np.int32)
            return *nothing, f"<odtf failure: {error}>".encode()

    def read(self, rows):
        """`gather` for arrays."""
        images = np.empty((len(rows), *self.image_shape), np.uint8)
        labels = np.empty(len(rows), np.int32)
        for i, row in enumerate(rows):
            images[i], labels[i] = self._read_one(int(row))
        return images, labels

    def readable(self, rows):
        """Those of `rows` that decode, found by decoding all of them."""

        def decodes(row):
            try:
                self._read_one(int(row))
            except UserError:
                return False
            return True

        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            return rows[np.fromiter(pool.map(decodes, rows), bool, len(rows))]

    def in_memory(self, rows):
        """A `MemoryStore` of `rows`, in this order."""
        images = np.empty((len(rows), *self.image_shape), np.uint8)
        labels = np.empty(len(rows), np.int32)

        def fill(start):
            part = slice(start, start + _CHUNK)
            images[part], labels[part] = self.read(rows[part])

        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            # The list makes the first error of any thread an error here.
            list(pool.map(fill, range(0, len(rows), _CHUNK)))
        return MemoryStore(images, labels)


def user_error_from(error):
    """The `UserError` that a TensorFlow error carries, or None.

    A corrupt file met while streaming is found inside a graph, and arrives as an error of TensorFlow's.
    """
    found = re.search(_FAILURE, str(error))
    if not found:
        return None
    # TensorFlow prints bytes as in C source.
    text = found.group(1).encode().decode("unicode_escape").encode("latin-1").decode(errors="replace")
    return UserError(text)
