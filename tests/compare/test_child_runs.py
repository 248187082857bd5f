"""A run in a process of its own: whose workdir it is, and the one line that a failure is."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from odtf import sealed, stopping
from odtf.commands import cli
from odtf.compare import child_runs
from odtf.errors import UserError
from odtf.training import config as config_lib
from tests import processes

REPORT = {
    "peers": [{"name": "peer_0"}],
    "student": {"name": "peer_0", "step": 1, "epoch": 1},
    "exports": [],
    "seconds": {"train": 1.0, "export": 0.0},
}


def test_a_finished_run_of_another_config_is_not_taken_for_ours(tmp_path):
    config = config_lib.load_config("configs/digits.py")
    (tmp_path / "config.json").write_text(json.dumps({**config_lib.to_json(config), "epochs": 1}))
    (tmp_path / "report.json").write_text(json.dumps(REPORT))
    with pytest.raises(UserError, match="epochs: 1 -> 40"):
        child_runs.train(config, tmp_path)


@pytest.mark.parametrize("damage", ['{"stu', json.dumps({**REPORT, "digest": "0" * 64})])
def test_a_run_whose_report_is_damaged_is_reported_anew(damage, tmp_path, monkeypatch):
    config, asked = config_lib.load_config("configs/digits.py"), []

    def reports(config, workdir, allow_code):
        asked.append(workdir)
        sealed.write(tmp_path / "report.json", REPORT)

    monkeypatch.setattr(child_runs, "_in_a_process", reports)
    sealed.write(tmp_path / "config.json", config_lib.to_json(config))
    (tmp_path / "report.json").write_text(damage)
    assert child_runs.train(config, tmp_path).report == REPORT
    assert child_runs.train(config, tmp_path).report == REPORT
    assert asked == [tmp_path]


def test_what_is_wrong_with_the_input_is_said_once(tmp_path, capfd):
    """A real process, which finds that the workdir is another config's."""
    config = config_lib.load_config("configs/digits.py")
    (tmp_path / "config.json").write_text(json.dumps({**config_lib.to_json(config), "epochs": 1}))
    with pytest.raises(UserError, match=r"failed; the same command tries it again.*another config.*epochs: 1 -> 40"):
        child_runs.train(config, tmp_path)
    assert capfd.readouterr() == ("", "")


def _dies(*_):
    raise SystemExit(3)


def test_a_process_that_ends_without_a_word_is_named_by_its_status(tmp_path, monkeypatch):
    monkeypatch.setattr(child_runs, "_train_here", _dies)
    with pytest.raises(UserError, match="status 3"):
        child_runs.train(config_lib.load_config("configs/digits.py"), tmp_path)


def _saves_when_asked(config, workdir, allow_code):
    """In place of a training."""
    with stopping.Requests() as requests:
        pathlib.Path(workdir, "process").write_text(str(os.getpid()))
        while not requests.asked:
            time.sleep(0.01)
        print("a line that nobody may read", flush=True)
        pathlib.Path(workdir, "saved").touch()
        requests.heed("")


def _train_here(*arguments):
    """What the child does, with that training."""
    child_runs._train = _saves_when_asked
    child_runs._train_here(*arguments)


def command(workdir):
    """A command that trains in a child; what `running` runs."""
    child, child_runs._train_here = child_runs._train_here, _train_here
    assert child is not _train_here
    config = config_lib.load_config("configs/digits.py")
    cli.run(lambda argv: child_runs.train(config, workdir), "")


@pytest.fixture
def running(tmp_path):
    """A command whose child is in the middle of its training, in a process group of its own as at a terminal."""
    code = f"from tests.compare import test_child_runs; test_child_runs.command({str(tmp_path)!r})"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    options = {"start_new_session": True, "preexec_fn": processes.at_a_terminal, **pipes}
    process = subprocess.Popen([sys.executable, "-c", code], cwd=processes.ROOT, **options)
    processes.wait_for(tmp_path / "process", process)
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def assert_gone(workdir):
    """The child ends soon, and has saved."""
    child, end = int((workdir / "process").read_text()), time.monotonic() + 20
    while pathlib.Path(f"/proc/{child}").exists():
        assert time.monotonic() < end, "the child lives on"
        time.sleep(0.05)
    assert (workdir / "saved").exists()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
@pytest.mark.parametrize("send", [os.kill, os.killpg])
def test_the_child_saves_and_ends_as_its_parent_does(number, status, send, running, tmp_path):
    send(running.pid, number)
    out, err = running.communicate(timeout=60)
    assert running.returncode == status, err
    assert out.splitlines()[-1] == f"stopped in {tmp_path}; the same command goes on from there"
    assert err == ""
    assert_gone(tmp_path)


def test_the_child_saves_and_ends_when_its_parent_is_killed(running, tmp_path):
    running.kill()
    running.stdout.close()  # Nor is there a reader of its lines.
    assert_gone(tmp_path)
