"""Spirit Distillation with images of a further domain, through the real loop: a run stops in a stage, and goes on."""

import pytest

from odtf import stopping
from odtf.training import experiment
from odtf.training.config import free
from tests.training.test_experiment import assert_same_weights, last_weights, log_of, small, train
from tests.training.test_phases import _stopping

pytestmark = pytest.mark.usefixtures("eagerly")  # Few steps of each network.
CNN = {"name": "plain_cnn", "widths": (4, 6)}


def test_a_run_that_stops_in_any_stage_goes_on_bit_by_bit(tmp_path, monkeypatch, capsys):
    """Two steps of each stage: the teacher's, imitation, statistics, fine-tuning of a half, and of all."""
    config = small(epochs=5, batch_size=512, weight_decay=1e-3)
    config.network = free({**CNN, "cheap": {"conv": "depthwise", "where": ("stage2*",)}})
    stages = {"teacher_epochs": 1, "imitation_epochs": 1, "statistics_epochs": 1, "frozen_epochs": 1}
    config.method = free({"name": "SpiritDistillation", "teacher_network": CNN, "cut": "stage2", **stages})
    config.data.domains = ({"name": "digits", "images": 300, "epochs": (1, 2)},)
    whole = train(config, tmp_path / "whole")
    assert "300 images of digits with labels join in epochs 1 to 2" in capsys.readouterr().out
    for step in (3, 5, 7):
        with monkeypatch.context() as patch:
            patch.setattr(experiment.Window, "add", _stopping(experiment.Window.add, step))
            with pytest.raises(stopping.Stopped, match=f"stopped at step {step} of 10"):
                train(config, tmp_path / "parts")
    assert train(config, tmp_path / "parts")["peers"] == whole["peers"]
    assert_same_weights(last_weights(tmp_path / "parts"), last_weights(tmp_path / "whole"))
    logged = [line for line in log_of(tmp_path / "whole") if line["kind"] == "train" and line["step"] % 2 == 0]
    terms = [{key for key in line if "/" in key and not key.endswith("/top1")} for line in logged]
    assert terms == [{"teacher/supervised"}, {"peer_0/imitation"}, *[{"peer_0/supervised"}] * 3]
    # A network of its own, whose cost is what others are compared with.
    assert whole["teacher"]["macs"] > whole["student"]["macs"] and "test_top1" in whole["teacher"]
