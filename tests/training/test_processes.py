"""Runs as users start them: killed and resumed, on two replicas, on two workers.

The first is a process from its very beginning; the others are forked from one that has imported TensorFlow.
"""

import json
import pathlib
import signal

import numpy as np
import pytest

from tests import processes
from tests.shared_store import SCHEME as SHARED
from tests.training.test_experiment import assert_same_weights, last_weights

FLAGS = (
    # Ten steps: later, the rounding of another order of summation has grown past any tolerance worth the name.
    "--config=tests/training/two_peers.py",
    "--config.deterministic=True",
    "--config.batch_size=128",
    "--config.checkpoint.every_steps=3",
    "--config.export.targets=()",
    "--noreport",
)


def logged(workdir):
    return [json.loads(line) for line in (workdir / "log.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def one_device(tmp_path_factory):
    """The same training in one process on one device."""
    workdir = tmp_path_factory.mktemp("one")
    status, out, err = processes.run(*FLAGS, "--report", f"--workdir={workdir}")
    assert status == 0, err
    return workdir, out, err


def test_terminal_shows_the_result_and_nothing_else(one_device):
    workdir, out, err = one_device
    assert f"To look at: {workdir / 'report.html'}\n" in out
    page = (workdir / "report.html").read_text()
    assert "odtf-train --config=tests/training/two_peers.py" in page and "Which class is taken for which" in page
    assert "peer_1" in out
    assert "Chosen on validation" in out
    assert err == ""


@pytest.mark.parametrize("kill_at", ["step-3", "step-9"])
def test_killed_and_resumed_is_bit_equal(one_device, zygote, tmp_path, kill_at):
    process = zygote.start("odtf-train", *FLAGS, f"--workdir={tmp_path}")
    processes.wait_for(tmp_path / "checkpoints" / kill_at, process)
    processes.kill(process)
    assert not (tmp_path / "report.json").exists()
    status, out, err = zygote.run("odtf-train", *FLAGS, f"--workdir={tmp_path}")
    assert status == 0, err
    assert "resumed at step" in out
    assert_same_weights(last_weights(tmp_path), last_weights(one_device[0]))


@pytest.mark.parametrize(("how", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_saves_and_exits_cleanly(how, status, zygote, tmp_path):
    process = zygote.start("odtf-train", *FLAGS, f"--workdir={tmp_path}")
    processes.wait_for(tmp_path / "checkpoints" / "step-3", process)
    out, err = processes.kill(process, how)
    assert process.returncode == status, err
    assert "the same command goes on from there" in out
    assert err == ""


def compare_logs(one, two, tolerance):
    """Weights and every logged value but the speed agree."""
    expected, found = last_weights(one), last_weights(two)
    assert expected.keys() == found.keys()
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], atol=tolerance, rtol=tolerance, err_msg=name)
    for line, other in zip(logged(one), logged(two), strict=True):
        assert line.keys() == other.keys()
        for key in line.keys() - {"images_per_second", "kind"}:
            assert other[key] == pytest.approx(line[key], abs=tolerance, rel=tolerance), (line["step"], key)


def test_two_replicas_are_one(one_device, zygote, tmp_path):
    flags = *FLAGS, f"--workdir={tmp_path}", "--strategy=mirrored", "--devices=CPU:0,CPU:1"
    status, out, err = zygote.run("odtf-train", *flags)
    assert status == 0, err
    assert "replicas 2" in out
    compare_logs(one_device[0], tmp_path, 1e-4)


def start_workers(zygote, program, workdir):
    flags = *FLAGS, f"--workdir={workdir}", "--strategy=multiworker"
    return [zygote.start(program, *flags, environment=environment, seconds=300) for environment in processes.cluster(2)]


@pytest.mark.parametrize(
    ("program", "scheme"), [("odtf-train", ""), ("tests.shared_store:train", SHARED)], ids=["disk", "store"]
)
def test_two_workers_are_one_also_after_one_is_lost(program, scheme, one_device, zygote, tmp_path):
    workers = start_workers(zygote, program, f"{scheme}{tmp_path}")
    processes.wait_for(tmp_path / "checkpoints" / "step-3", workers[0], seconds=200)
    owner = json.loads((tmp_path / ".lock-owner.json").read_text())
    assert owner["process"] == workers[0].pid, "the chief alone holds the workdir"
    processes.kill(workers[1])
    _, err = workers[0].communicate(timeout=60)
    assert workers[0].returncode == 2, err
    assert "lost another worker and stops; the same command on all of them goes on" in err
    assert "Traceback" not in err

    workers = start_workers(zygote, program, f"{scheme}{tmp_path}")
    results = [worker.communicate(timeout=300) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], results
    assert "resumed at step" in results[0][0]
    assert results[1][0] == "", "only the chief speaks"
    compare_logs(one_device[0], tmp_path, 1e-4)
    assert pathlib.Path(tmp_path, "report.json").exists()
