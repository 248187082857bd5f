"""Runs the command lines as a user would: in processes of their own."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def start(*flags, program="train", environment=None, **kwargs):
    """Starts `odtf-PROGRAM` with flags; returns the `subprocess.Popen`, its output piped as text."""
    command = [sys.executable, "-m", f"odtf.commands.{program}", *flags]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **kwargs}
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, **(environment or {})}, **pipes)


def at_a_terminal():
    """Lets a process hear Ctrl-C, which is ignored where the tests run in a shell's background; for `preexec_fn`."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run(*flags, **kwargs):
    """Runs `odtf-PROGRAM` to its end; returns (exit status, standard output, standard error)."""
    process = start(*flags, **kwargs)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def wait_for(path, process, seconds=120):
    """Waits until a file exists; fails if the process ends first or the time is over."""
    end = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.05)


def kill(process, how=signal.SIGKILL):
    """Kills a process and waits for its end."""
    process.send_signal(how)
    return process.communicate(timeout=120)


def free_ports(count):
    """Returns ports of 127.0.0.1 that nothing listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def cluster(count):
    """Returns the environment of each of `count` workers on this machine."""
    workers = [f"127.0.0.1:{port}" for port in free_ports(count)]
    return [
        {"TF_CONFIG": json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}})}
        for index in range(count)
    ]
