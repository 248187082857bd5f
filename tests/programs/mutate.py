"""Puts small faults into the code, one at a time, and counts how many the tests notice.

    python tests/programs/mutate.py --faults=60 --seed=0 --output=faults.json
    python tests/programs/mutate.py --output=faults.json --show

Draws a seeded sample of faults (tests/programs/faults.py: a comparison flipped, an argument dropped, a constant
changed, ...) in odtf/, every kind alike, and puts each into a copy of the checkout. There it runs the tests that are
named after the module, then those that import it, nearest first, until one fails. One process has TensorFlow imported
and forks for every fault. At the end each test that noticed something runs once without any fault: it must pass.

OUTPUT is written after every fault, and the same command goes on where it stopped. Faults that change nothing are
listed with the reason in tests/programs/equivalent.txt and count as such. The exit status is 1 if one went unnoticed.
"""

import argparse
import contextlib
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.programs.faults import faults  # noqa: E402
from tests.programs.nearest import nearest_tests  # noqa: E402

EQUIVALENT = pathlib.Path(__file__).with_name("equivalent.txt")
# What takes seconds to import and is no part of the checkout.
_PRELOADED = ("tensorflow", "keras", "pytest", "sklearn.datasets", "tensorflow_datasets", "ai_edge_litert.interpreter")


def sample(root, count, seed):
    """Draws faults of the modules below root/odtf: first a kind, then one of it, so that constants are not most.

    Returns:
        list of `Fault`, as many as `count`; the first ones are the same for a larger count.
    """
    by_kind = {}
    for path in sorted(root.glob("odtf/**/*.py")):
        for fault in faults(str(path.relative_to(root)), path.read_bytes()):
            by_kind.setdefault(fault.kind, []).append(fault)
    draw, drawn = random.Random(seed), []
    while len(drawn) < count and any(by_kind.values()):
        kind = by_kind[draw.choice(sorted(kind for kind in by_kind if by_kind[kind]))]
        fault = kind.pop(draw.randrange(len(kind)))
        if _compiles(fault, root):
            drawn.append(fault)
    return drawn


def _compiles(fault, root):
    try:
        compile(fault.applied((root / fault.path).read_bytes()), fault.path, "exec")
    except SyntaxError:
        return False
    return True


def copied(root, folder):
    """Copies what git knows, or would, to a folder; returns it."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    for name in subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.split("\0"):
        if name and (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, folder / name)
    return folder


class _First:
    """A plugin of pytest that notes the first test, or file of tests, that fails, and ends when the time is over."""

    def __init__(self, path, seconds):
        self._path, self._seconds = path, seconds

    def pytest_runtest_logreport(self, report):
        self._note(report)

    def pytest_runtest_teardown(self, item):
        if time.process_time() > self._seconds:
            item.session.shouldstop = "time is over"

    def pytest_collectreport(self, report):
        self._note(report)

    def _note(self, report):
        if report.failed and not self._path.exists():
            self._path.write_text(report.nodeid)


def run_tests(root, tests, seconds):
    """Runs tests in a forked process, with the odtf of a checkout, up to the first that fails.

    Args:
        root: folder of the checkout.
        tests: list of paths or node ids, in order.
        seconds: of processor time, after which no further test begins. A test that goes on for as long again does not
            end: "timeout".

    Returns:
        "survived", "caught" or "timeout", and the test that failed, or "".
    """
    if not tests:
        return "survived", ""
    with tempfile.TemporaryDirectory() as folder:
        noted = pathlib.Path(folder, "test")
        pid = os.fork()
        if pid == 0:
            _child(root, tests, seconds, noted)
        status = _wait(pid, 20 * seconds)
        if noted.exists():
            return "caught", noted.read_text()
        if status < 0:
            return "timeout" if status in (-signal.SIGXCPU, -signal.SIGKILL) else "caught", "the process"
        return "survived", ""


def _child(root, tests, seconds, noted):
    """Runs pytest; never returns."""
    os.setsid()
    used = int(time.process_time())
    resource.setrlimit(resource.RLIMIT_CPU, (used + 2 * seconds, used + 2 * seconds + 10))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    os.chdir(root)
    os.environ["PYTHONPATH"] = str(root)
    sys.path[:] = [str(root), *(path for path in sys.path if path != str(ROOT))]
    for name in [name for name in sys.modules if name.partition(".")[0] in ("odtf", "tests")]:
        del sys.modules[name]
    import pytest

    status, plugin = 3, _First(noted, used + seconds)
    try:
        status = pytest.main(["-q", "-x", "-n", "0", "-p", "no:cacheprovider", *tests], plugins=[plugin])
    finally:
        os._exit(int(status))


def _wait(pid, seconds):
    """Waits for a process; returns its exit status, negative for a signal. Whatever it started ends with it."""
    end = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done or time.monotonic() > end:
            break
        time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    if not done:
        status = os.waitpid(pid, 0)[1]
    return os.waitstatus_to_exitcode(status)


def equivalent(path=EQUIVALENT):
    """Returns the faults that a file says change nothing: name -> reason."""
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return dict(line.rsplit("  # ", 1) for line in lines if line and not line.startswith("#"))


def examine(root, chosen, output, seconds):
    """Runs the tests for every fault that `output` does not know yet; returns its content."""
    results = json.loads(output.read_text("utf-8")) if output.exists() else {}
    for number, fault in enumerate(chosen, 1):
        if fault.name not in results:
            path = root / fault.path
            source, tests, started = path.read_bytes(), nearest_tests(root, fault.path), time.monotonic()
            path.write_bytes(fault.applied(source))
            try:
                result, test = run_tests(root, tests, seconds)
            finally:
                path.write_bytes(source)
            results[fault.name] = {
                **{"line": fault.line, "kind": fault.kind, "result": result, "test": test},
                "seconds": round(time.monotonic() - started, 1),
            }
            output.write_text(json.dumps(results, indent=2) + "\n", "utf-8")
        print(f"{number}/{len(chosen)}  {results[fault.name]['result']:9} {fault.name}", flush=True)
    return results


def passes_without_fault(root, results, seconds):
    """Whether every test that noticed a fault passes without one; prints the first that does not."""
    tests = sorted({row["test"] for row in results.values() if "::" in row["test"]})
    result, test = run_tests(root, tests, 10 * seconds) if tests else ("survived", "")
    if result != "survived":
        print(f"{test} fails without a fault: what it noticed proves nothing.")
    return result == "survived"


def show(results):
    """Prints the table; returns how many faults went unnoticed."""
    known = equivalent()
    counts = Counter("equivalent" if name in known else row["result"] for name, row in results.items())
    for name, row in results.items():
        if row["result"] == "survived" and name not in known:
            print(f"unnoticed  line {row['line']}, {row['kind']}: {name}")
    print(", ".join(f"{counts[what]} {what}" for what in sorted(counts)), f"of {len(results)}.")
    return counts["survived"]


def main():
    """Runs the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=pathlib.Path, required=True, help="JSON file of the results.")
    parser.add_argument("--faults", type=int, default=60, help="Size of the sample.")
    parser.add_argument("--seed", type=int, default=0, help="Of the sample.")
    parser.add_argument("--seconds", type=int, default=180, help="Processor time for one fault.")
    parser.add_argument("--show", action="store_true", help="Only print what the file says.")
    arguments = parser.parse_args()
    if arguments.show:
        sys.exit(bool(show(json.loads(arguments.output.read_text("utf-8")))))
    output, sys.dont_write_bytecode = arguments.output.resolve(), True
    os.environ |= {"PYTHONDONTWRITEBYTECODE": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
    # Nothing lies beside the copy: a test that wants it is skipped there, where CI would make it fail.
    os.environ.pop("CI", None)
    for module in _PRELOADED:
        __import__(module)
    with tempfile.TemporaryDirectory() as folder:
        root = copied(ROOT, pathlib.Path(folder).resolve())
        results = examine(root, sample(root, arguments.faults, arguments.seed), output, arguments.seconds)
        sound = passes_without_fault(root, results, arguments.seconds)
    sys.exit(bool(show(results)) or not sound)


if __name__ == "__main__":
    main()
