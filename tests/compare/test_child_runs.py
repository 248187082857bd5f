"""A run in a process of its own: whose workdir it is, and the one line that a failure is."""

import json

import pytest

from odtf.compare import child_runs
from odtf.errors import UserError
from odtf.training import config as config_lib


def test_a_finished_run_of_another_config_is_not_taken_for_ours(tmp_path):
    config = config_lib.load_config("configs/digits.py")
    (tmp_path / "config.json").write_text(json.dumps({**config_lib.to_json(config), "epochs": 1}))
    (tmp_path / "report.json").write_text(json.dumps(dict.fromkeys(("student", "peers", "exports", "seconds"))))
    with pytest.raises(UserError, match="epochs: 1 -> 40"):
        child_runs.train(config, tmp_path)


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
