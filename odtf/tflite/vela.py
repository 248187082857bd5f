"""Arm's NPU, as its compiler sees a TFLite file for it."""

from __future__ import annotations

import csv
import re
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from odtf import isolated
from odtf.errors import UserError
from odtf.tflite import flatbuffer

if TYPE_CHECKING:
    import os
    from typing import Any


_TIMEOUT_SECONDS = 600
INSTALL = "pip install ethos-u-vela"


def available():
    """Whether Vela is installed."""
    return find_spec("ethosu") is not None


def compile_with_vela(path: str | os.PathLike[str], accelerator: str = "ethos-u55-128") -> dict[str, Any]:
    """Compiles a TFLite file for an Ethos-U and reads the compiler's figures. They are deterministic.

    Args:
        path: an integer TFLite file.
        accelerator: Vela's name of the configuration.

    Returns:
        dict with `"accelerator"`, `"cycles"` (of one inference), `"macs"`, `"sram_bytes"`, `"flash_bytes"` (off-chip)
        and `"dram_bytes"`, `"npu_operators"` (a count, Vela's own, after its rewriting) and `"cpu_operators"` (list of
        the operators left to the CPU; empty for a file that suits the NPU). Vela's default memory puts the compiled
        weights of an Ethos-U55 into flash, those of the larger ones into DRAM, with the activations that it leaves
        there; the other of the two is 0.

    Raises:
        UserError: if Vela is not installed or refuses the file.
    """
    return compiled(path, accelerator)[0]


def compiled(path, accelerator):
    """Compiles a TFLite file and returns, beside the figures of `compile_with_vela`, the compiled file's bytes.

    Raises:
        UserError: as `compile_with_vela`.
    """
    if not available():
        raise UserError(f"Vela is not installed: {INSTALL}")
    with tempfile.TemporaryDirectory(prefix="odtf-vela-") as folder:
        options = "--accelerator-config", accelerator, "--output-dir", folder
        command = isolated.command("ethosu.vela", path, *options)
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            raise UserError(f"Vela did not finish within {_TIMEOUT_SECONDS} s. Received: {path}") from error
        summaries = list(Path(folder).glob("*summary*.csv"))
        if run.returncode or not summaries:
            raise UserError(f"Vela cannot compile the file for {accelerator}: {_complaint(run)}. Received: {path}")
        with open(summaries[0], newline="") as file:
            row = next(csv.DictReader(file))
        content = b"".join(file.read_bytes() for file in Path(folder).glob("*_vela.tflite"))
    figures = {
        "accelerator": accelerator,
        "cycles": round(float(row["cycles_total"])),
        "macs": round(float(row["nn_macs"])),
        "sram_bytes": _bytes(row["sram_memory_used"]),
        "flash_bytes": _bytes(row["off_chip_flash_memory_used"]),
        "dram_bytes": _bytes(row["dram_memory_used"]),
        "npu_operators": _npu_operators(run.stdout),
        "cpu_operators": _cpu_operators(content),
    }
    return figures, content


def _complaint(run):
    if run.returncode < 0:
        return f"it ends by {isolated.end(run.returncode)}"
    last = (run.stderr.strip() or run.stdout.strip() or "nothing").splitlines()[-1]
    return (isolated.exception(run.stderr) or last).rstrip(".")


def _bytes(kibibytes):
    return round(float(kibibytes) * 1024)


def _npu_operators(text):
    found = re.search(r"NPU operators = (\d+)", text)
    return int(found.group(1)) if found else 0


def _cpu_operators(content):
    # Vela's own list of them fails on some graphs; the compiled file has one operator of the NPU's, and these.
    counts = flatbuffer.operators(content)
    return [name for name, count in counts.items() if name != "CUSTOM:ethos-u" for _ in range(count)]
