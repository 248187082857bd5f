"""A run in a process of its own: whose workdir it is, and the one line that a failure is."""

import json

import pytest

from odtf import sealed
from odtf.compare import child_runs
from odtf.errors import UserError
from odtf.training import config as config_lib

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
