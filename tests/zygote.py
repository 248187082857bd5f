"""A process that has imported everything and forks a child for every command line: the imports are paid for once.

TensorFlow is imported there but not started, so that each child starts its own, with its own devices and seeds.
"""

import atexit
import configparser
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
    "odtf.run_exports",
    "odtf.evaluation.evaluator",
    "odtf.training.experiment",
    "odtf.training.strategy",
    "sklearn.datasets",
    "tensorflow_datasets",
    "PIL.Image",
)


class Zygote:
    """Starts the process; a context manager that ends it."""

    def __enter__(self):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.zygote"],
            cwd=ROOT,
            # The banners of TensorFlow are silenced as `odtf.quiet.import_tensorflow` does it, but before the fork.
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait()

    def run(self, program, *arguments, environment=None, file_size=None, seconds=120):
        """Runs a console script; returns (exit status, standard output, standard error).

        Args:
            program: its name in setup.cfg.
            *arguments: its arguments.
            environment: variables to set.
            file_size: bytes that a file may have: whoever writes more meets an error, as on a full disk.
            seconds: after which it is killed.
        """
        request = {
            "program": program,
            "arguments": arguments,
            "environment": environment or {},
            "file_size": file_size,
            "seconds": seconds,
        }
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return tuple(json.loads(self._process.stdout.readline()))


def _scripts():
    """Returns the console scripts: name -> "module:function"."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options.entry_points"]["console_scripts"].split("\n")
    return dict((part.strip() for part in line.split("=")) for line in lines if line.strip())


def _serve():
    scripts = _scripts()
    with quiet():
        for module in _MODULES:
            importlib.import_module(module)
    for line in sys.stdin:
        request = json.loads(line)
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            pid = os.fork()
            if pid == 0:
                _child(scripts[request["program"]], request, out, err)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            out.seek(0)
            err.seek(0)
            print(json.dumps([status, out.read(), err.read()]), flush=True)


def _child(script, request, out, err):
    """Becomes the console script; never returns."""
    status = 1
    try:
        signal.alarm(request["seconds"])
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        os.environ.update(request["environment"])
        tempfile.tempdir = None  # TMPDIR may be another now.
        if request["file_size"]:
            resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_size"],) * 2)
        sys.argv = [f"/usr/bin/{request['program']}", *request["arguments"]]
        module, _, function = script.partition(":")
        getattr(importlib.import_module(module), function)()
        status = 0
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve()
