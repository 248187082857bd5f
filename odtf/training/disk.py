"""What TensorFlow writes, with the errors of a disk told as those of `odtf.files`."""

import contextlib

import tensorflow as tf

from odtf.files import disk_errors


@contextlib.contextmanager
def tensorflow_disk_errors(path):
    """As `disk_errors`, also for what TensorFlow's own file system refuses."""
    with disk_errors(path):
        try:
            yield
        except tf.errors.OpError as error:
            raise OSError(0, error.message) from error
