"""Commands on a workdir that another process writes to: what writes is refused, what reads waits for nothing."""

import json
import re

import pytest

from odtf import model_exports, run_exports, runs
from odtf.compare import pairing
from odtf.compare.plan import make_plan
from odtf.errors import UserError
from odtf.finetune.settings import Settings
from odtf.training import strategy
from odtf.training.config import default_config, to_json
from tests import processes
from tests.conftest import require
from tests.test_workdir_lock import HERE, hold  # noqa: F401 (a fixture)
from tests.training.test_processes import FLAGS


def finished(workdir):
    """A workdir as far as commands look at it before they write."""
    config = default_config()
    config.network.name = "resnet8"
    peer = {"name": "peer_0", "params": 1, "macs": 1, "network": {"name": "resnet8"}}
    peer |= {"val_top1": 0.5, "test_top1": 0.5}
    report = {
        "peers": [peer],
        "exports": [],
        "seconds": {"train": 1.0, "export": 0.0},
        "student": {**peer, "step": 1, "epoch": 1},
    }
    (workdir / "config.json").write_text(json.dumps(to_json(config)))
    (workdir / "report.json").write_text(json.dumps(report))
    return config


def test_all_that_writes_is_refused_and_what_reads_waits_for_nothing(hold, tmp_path):  # noqa: F811
    config = finished(tmp_path)
    hold(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    run = runs.Run(tmp_path)
    assert run.student == "peer_0"
    for write in (
        lambda: runs.train(config, tmp_path, strategy.Placement(strategy=None)),
        lambda: run_exports.export_workdir(tmp_path, "phone"),
        lambda: run_exports.export_everywhere(tmp_path),
        lambda: run.add_exports([], 0.0),
        lambda: pairing.run(make_plan(["configs/digits.py"], [], [0], "epochs"), tmp_path),
    ):
        with pytest.raises(UserError, match=HERE):
            write()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_two_trainings_of_a_workdir_are_one(zygote, tmp_path):
    first = zygote.start("odtf-train", *FLAGS, f"--workdir={tmp_path}")
    processes.wait_for(tmp_path / ".lock-owner.json", first)
    status, _, err = zygote.run("odtf-train", *FLAGS, f"--workdir={tmp_path}")
    assert status == 2 and err.count("\n") == 1
    assert re.search(rf"Another command is writing to {tmp_path}: .*process {first.pid} on ", err)
    _, err = first.communicate()
    assert first.returncode == 0, err
    logged = [json.loads(line)["kind"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert logged.count("validation") == 1


def test_a_fine_tuning_is_refused(hold, tmp_path):  # noqa: F811
    require("tensorflow_model_optimization")
    from odtf.finetune.finetuning import finetune

    finished(tmp_path)
    hold(tmp_path)
    with pytest.raises(UserError, match=HERE):
        finetune(tmp_path, Settings(mode="qat"))


def test_an_export_of_a_model_is_refused(hold, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr(model_exports.export, "read_model", lambda *given, **options: (None, None, None))
    hold(tmp_path)
    with pytest.raises(UserError, match=HERE):
        model_exports.export_model("any.keras", "digits", tmp_path)
