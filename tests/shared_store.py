"""odtf-train on a store that processes share: `file://` as TensorFlow has it, where odtf would see a path of a disk."""

import os
import runpy
import stat

import tensorflow as tf

from odtf import paths

SCHEME = "file://localhost"


def train():
    """The command, to which `file://` is a store. As on others, a folder cannot be renamed."""
    paths._FILE = "none://"
    rename = tf.io.gfile.rename

    def rename_file(source, target, overwrite=False):
        if stat.S_ISDIR(os.stat(source.removeprefix(SCHEME)).st_mode):
            raise tf.errors.UnimplementedError(None, None, f"A store renames no folder: {source}")
        rename(source, target, overwrite)

    tf.io.gfile.rename = rename_file
    runpy.run_module("odtf.commands.train", run_name="__main__")
