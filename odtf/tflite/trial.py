"""A TFLite file of anybody's, first run in a process of its own: what LiteRT dies of ends that process and no other.

LiteRT trusts what it is given: a damaged file may abort it, or make it read and write where it must not. The process
imports LiteRT and NumPy alone, and takes a fraction of a second.
"""

import functools
import os
import subprocess
import sys

import numpy as np

from odtf import isolated
from odtf.errors import UserError

_SECONDS = 120
_CPU_SECONDS = 1200
_LEAST_MEMORY = 8 * 2**30
# Exit status of a file that LiteRT refuses to run, which it has said on standard output.
_REFUSED = 3


@functools.lru_cache(maxsize=4)
def check(content, path, num_threads=1, kernels="xnnpack"):
    """Runs a file on a few images in another process. A file that LiteRT cannot even prepare is left to `Runner`.

    Args:
        content: bytes of the file.
        path: what an error calls it.
        num_threads: threads that the interpreter may use.
        kernels: as for `Runner`.

    Raises:
        UserError: if LiteRT refuses to run it, dies of it, or does not come to an end.
    """
    command = isolated.command("odtf.tflite.trial", num_threads, kernels)
    try:
        run = subprocess.run(command, input=content, capture_output=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise UserError(f"LiteRT must be able to run the file; it took more than {_SECONDS} s: {path}.") from error
    if run.returncode == _REFUSED:
        reason = " ".join(run.stdout.decode(errors="replace").split())
        raise UserError(f"LiteRT must be able to run the file. Received: {reason}, {path}.")
    if run.returncode:
        raise UserError(
            "LiteRT must be able to run the file, and dies of it: it is damaged, or was made for another runtime. "
            f"Received: {isolated.end(run.returncode)} from {path}."
        )


# What the process does ------------------------------------------------------------------------------------------------


def _main(num_threads, kernels):
    content = sys.stdin.buffer.read()
    if sys.platform != "win32":
        _limit()
    from odtf.tflite.runner import interpreter_of

    try:
        interpreter = interpreter_of(content, num_threads, kernels)
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError):
        return  # The caller meets the same, and says it.
    try:
        for make in (_dark, _light, _noise):
            for details in interpreter.get_input_details():
                image = make(details["shape"], details["dtype"])
                interpreter.set_tensor(details["index"], image.astype(details["dtype"]))
            interpreter.invoke()
            for details in interpreter.get_output_details():
                interpreter.get_tensor(details["index"])
    except Exception as error:
        print(str(error) or type(error).__name__)
        sys.exit(_REFUSED)


def _limit():
    """Keeps a file from taking all memory of the machine, running on without its caller, and leaving a core."""
    import resource

    memory = max(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), _LEAST_MEMORY)
    for limit, value in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, _CPU_SECONDS), (resource.RLIMIT_CORE, 0)):
        _, most = resource.getrlimit(limit)
        resource.setrlimit(limit, (value if most == resource.RLIM_INFINITY else min(value, most), most))


def _dark(shape, dtype):
    return np.zeros(shape)


def _light(shape, dtype):
    return np.full(shape, np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1.0)


def _noise(shape, dtype):
    random = np.random.default_rng(0)
    if np.issubdtype(dtype, np.integer):
        return random.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    return random.uniform(-1.0, 1.0, shape)


if __name__ == "__main__":
    _main(int(sys.argv[1]), sys.argv[2])
