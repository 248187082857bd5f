"""The same network alone beside a run: what odtf-train shows where a config asks for it."""

import types

import pytest

from odtf import runs
from odtf.compare import beside
from odtf.errors import UserError
from odtf.training.config import load_config
from tests.training.test_experiment import small

_CONFIG = """
from odtf.training.config import load_config


def get_config():
    config = load_config("tests/training/two_peers.py", "epochs=1")
    config.batch_size = 128
    config.export.targets, config.export.quantization = ("phone",), "float16"
    config.compare.alone, config.compare.recorded = True, "Over 5 seeds: +1.00."
    return config
"""


def test_both_are_trained_and_their_difference_is_shown(tmp_path, zygote):
    path = tmp_path / "config.py"
    path.write_text(_CONFIG)
    tmp_path = tmp_path / "run"
    status, shown, err = zygote.run("odtf-train", f"--config={path}", f"--workdir={tmp_path}", "--noreport")
    assert status == 0, err
    run, alone = runs.Run(tmp_path), runs.Run(tmp_path / "alone")
    assert (alone.report["method"], alone.config.epochs, alone.config.seed) == ("Solo", 1, run.config.seed)
    assert alone.network_of("peer_0") == run.network_of(run.student)
    values = [one.report["student"]["test_top1"] for one in (run, alone)]
    gain = values[0] - values[1]
    assert f"alone, in this one run: {gain:+.2%}." in shown
    assert shown.rstrip().endswith("Over 5 seeds: +1.00.")
    for one, value in zip((run, alone), values, strict=True):
        (row,) = one.report["exports"]
        line = next(line for line in shown.splitlines() if line.endswith(str(one.workdir / row["path"])))
        assert f"{value:.2%}" in line and f"{row['test_top1']:.2%}" in line
        assert (one.workdir / row["path"]).exists()


def test_what_cannot_be_compared_is_refused():
    config = small()
    config.compare.alone = True
    with pytest.raises(UserError, match=r"compare\.alone must be False where several workers train"):
        beside.check(config, types.SimpleNamespace(num_workers=2))


def test_configs_that_ask_for_it():
    assert load_config("configs/gain.py").compare.alone
    assert load_config("configs/folder.py", "path=x,compare=True").compare.alone
    assert not load_config("configs/folder.py", "path=x").compare.alone
