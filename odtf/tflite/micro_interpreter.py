"""TensorFlow Lite Micro (TFLM) on this machine: its interpreter and reference kernels, from the package tflite-micro.

What the package computes, a microcontroller computes with the same kernels, bit for bit. What it allocates is what TFLM
allocates on a 64-bit machine; on a 32-bit chip structures are smaller, since pointers are.
"""

import importlib.metadata
import json
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from odtf import isolated
from odtf.errors import UserError
from odtf.tflite.runner import Runner

INSTALL = "pip install tflite-micro"
_TIMEOUT_SECONDS = 600


def available():
    """Whether the package tflite-micro is installed."""
    return find_spec("tflite_micro") is not None


def title():
    """Returns the package with its version, for reports."""
    return f"tflite-micro {importlib.metadata.version('tflite-micro')}"


def allocations(content, plenty):
    """Asks TFLM's recording allocator what a file takes of the arena.

    Args:
        content: the file's bytes.
        plenty: bytes of an arena that is surely enough.

    Returns:
        dict with `"head_bytes"` (activations and scratch buffers), `"tail_bytes"` (what the interpreter keeps beside
        them) and `"bytes"`, the least arena in which the file can be prepared: the sum of the two, or more where
        activations are so few that planning them takes more memory than they do.

    Raises:
        UserError: if tflite-micro is not installed, or TFLM does not take the file.
    """
    return _run(content, plenty)[0]


class MicroRunner(Runner):
    """A TFLite file run by TFLM, within the least arena; what it takes and gives is as of `Runner`.

    Args:
        content: the file's bytes.
        plenty: bytes of an arena that is surely enough.

    Raises:
        UserError: as `allocations`, and as `Runner`; `predict` raises what TFLM refuses.
    """

    def __init__(self, content, plenty):
        super().__init__(content)
        self._content, self._plenty = content, plenty

    def _invoke_each(self, stored):
        return _run(self._content, self._plenty, stored)[1]


def _run(content, plenty, stored=None):
    """Returns the allocations of a file, and its outputs for stored inputs `[n, ...]` where there are such."""
    if not available():
        raise UserError(f"tflite-micro is not installed: {INSTALL}")
    with tempfile.TemporaryDirectory(prefix="odtf-micro-") as folder:
        Path(folder, "file.tflite").write_bytes(content)
        if stored is not None:
            np.save(Path(folder, "inputs.npy"), stored)
        command = isolated.command("odtf.tflite.micro_program", folder, plenty)
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            raise UserError(f"TensorFlow Lite Micro did not finish within {_TIMEOUT_SECONDS} s.") from error
        if run.returncode:
            raise UserError(f"TensorFlow Lite Micro does not run the file. Received: {_reason(run)}")
        found = json.loads(Path(folder, "allocations.json").read_text("utf-8"))
        return found, None if stored is None else np.load(Path(folder, "outputs.npy"))


def _reason(run):
    """Returns what TFLM printed before Python's traceback, else the exception, else the signal."""
    if run.returncode < 0:
        return f"a crash ({isolated.end(run.returncode)})"
    before, _, _ = run.stderr.partition("Traceback (most recent call last)")
    return " ".join(before.split()) or isolated.exception(run.stderr) or f"exit status {run.returncode}"
