"""A process that has imported everything and forks a child for every command line: the imports are paid for once.

TensorFlow is imported there but not started, so that each child starts its own, with its own devices and seeds.
"""

import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import traceback

from odtf.quiet import quiet
from tests.processes import ROOT

# What the command lines import inside their functions.
_MODULES = (
    "odtf.workdir",
    "odtf.training.experiment",
    "odtf.training.strategy",
    "sklearn.datasets",
    "tensorflow_datasets",
    "PIL.Image",
)


class Zygote:
    """Starts the process; a context manager that ends it."""

    def __enter__(self):
        command = [sys.executable, "-m", "tests.zygote"]
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait()

    def run(self, *flags, program="odtf.train:main", environment=None, file_size=None, seconds=120):
        """Runs a console script; returns (exit status, standard output, standard error).

        Args:
            *flags: its arguments.
            program: "module:function".
            environment: variables to set.
            file_size: bytes that a file may have: the disk is full where one grows beyond.
            seconds: after which it is killed.
        """
        request = {"program": program, "flags": flags, "environment": environment or {}, "file_size": file_size}
        self._process.stdin.write(json.dumps({**request, "seconds": seconds}) + "\n")
        self._process.stdin.flush()
        return tuple(json.loads(self._process.stdout.readline()))


def _serve():
    with quiet():
        for module in _MODULES:
            importlib.import_module(module)
    for line in sys.stdin:
        request = json.loads(line)
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            pid = os.fork()
            if pid == 0:
                _child(request, out, err)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            out.seek(0)
            err.seek(0)
            print(json.dumps([status, out.read(), err.read()]), flush=True)


def _child(request, out, err):
    """Becomes the console script; never returns."""
    status = 1
    try:
        signal.alarm(request["seconds"])
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        os.environ.update(request["environment"])
        if request["file_size"]:
            resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_size"],) * 2)
        module, _, function = request["program"].partition(":")
        sys.argv = [{"odtf.train": "odtf-train"}.get(module, module), *request["flags"]]
        getattr(importlib.import_module(module), function)()
        status = 0
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve()
