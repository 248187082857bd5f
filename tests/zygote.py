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

    def run(self, program, *arguments, **options):
        """Runs a console script, as `start` does; returns (exit status, standard output, standard error)."""
        child = self.start(program, *arguments, **options)
        out, err = child.communicate()
        return child.returncode, out, err

    def start(self, program, *arguments, environment=None, file_size=None, memory=None, seconds=120):
        """Starts a console script; returns the `Child`.

        Args:
            program: its name in setup.cfg, or "module:function".
            *arguments: its arguments.
            environment: variables to set.
            file_size: bytes that a file may have: whoever writes more meets an error, as on a full disk.
            memory: bytes of address space that it may take beyond what it begins with.
            seconds: after which it is killed.
        """
        request = {
            "program": program,
            "arguments": arguments,
            "environment": environment or {},
            "file_size": file_size,
            "memory": memory,
            "seconds": seconds,
        }
        return Child(self, self.ask({"start": request}))

    def ask(self, request):
        """Sends a request and returns the answer to it."""
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


class Child:
    """A console script that was started; what `tests.processes` does with a `subprocess.Popen` it does with this.

    Attributes:
        pid: int.
        returncode: its exit status, negative where a signal ended it; None as long as nobody has asked.
    """

    def __init__(self, zygote, pid):
        self._zygote = zygote
        self.pid = pid
        self.returncode = None

    def poll(self):
        """Returns its exit status, None while it runs."""
        if self.returncode is None:
            self.returncode = self._zygote.ask({"poll": self.pid})
        return self.returncode

    def send_signal(self, how):
        """Sends a signal; nobody else has its number before it has been waited for."""
        if self.poll() is None:
            os.kill(self.pid, how)

    def communicate(self, timeout=None):
        """Waits for its end; returns (standard output, standard error). `seconds` of `start` are its time."""
        self.returncode, *written = self._zygote.ask({"wait": self.pid})
        return tuple(written)


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
    children = _Children(scripts)
    for line in sys.stdin:
        ((what, argument),) = json.loads(line).items()
        print(json.dumps(getattr(children, what)(argument)), flush=True)


class _Children:
    """What runs, by its process number; every method answers one kind of request."""

    def __init__(self, scripts):
        self._scripts = scripts
        self._written = {}
        self._statuses = {}

    def start(self, request):
        out, err = (tempfile.TemporaryFile("w+") for _ in range(2))  # noqa: SIM115 -- read and closed by `wait`.
        pid = os.fork()
        if pid == 0:
            _child(self._scripts.get(request["program"], request["program"]), request, out, err)
        self._written[pid] = out, err
        self._statuses.pop(pid, None)  # Of an earlier child: the system counts through its numbers and begins again.
        return pid

    def poll(self, pid, options=os.WNOHANG):
        if pid not in self._statuses:
            ended, status = os.waitpid(pid, options)
            if not ended:
                return None
            self._statuses[pid] = os.waitstatus_to_exitcode(status)
        return self._statuses[pid]

    def wait(self, pid):
        status = self.poll(pid, options=0)
        texts = []
        for file in self._written.pop(pid):
            with file:
                file.seek(0)
                texts.append(file.read())
        return [status, *texts]


def _child(script, request, out, err):
    """Becomes the console script; never returns."""
    status = 1
    try:
        signal.alarm(request["seconds"])
        # As at a terminal, though the tests may run in a shell's background.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        os.environ.update(request["environment"])
        tempfile.tempdir = None  # TMPDIR may be another now.
        if request["file_size"]:
            resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_size"],) * 2)
        if request["memory"]:
            _limit_memory(request["memory"])
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


def _limit_memory(more):
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more,) * 2)


if __name__ == "__main__":
    _serve()
