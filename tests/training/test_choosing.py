"""The choice of an epoch where the student waits for its teacher: none before it has begun to learn."""

import os
import signal
import types

import pytest

from odtf import stopping
from odtf.training import experiment
from odtf.training.choosing import improved
from odtf.training.config import free
from tests.training.test_experiment import small, train

CNN = {"name": "plain_cnn", "widths": (4, 6)}


def test_a_student_that_waits_is_none_to_choose():
    begun = set()
    task = types.SimpleNamespace(metrics={}, choice="top1", choices=("top1",))
    method = types.SimpleNamespace(task=task, students=("a", "b"), selection="top1", has_begun=begun.__contains__)
    progress = {"chosen": None}
    assert improved(method, {"a/top1": 0.9, "b/top1": 0.8}, progress) is None
    begun.add("b")
    assert improved(method, {"a/top1": 0.9, "b/top1": 0.5}, progress)["peer"] == "b"
    begun.add("a")
    assert improved(method, {"a/top1": 0.4, "b/top1": 0.4}, progress) is None


@pytest.mark.parametrize("stop", [False, True])
def test_of_a_run_in_stages_an_epoch_of_the_student_is_chosen(stop, tmp_path, monkeypatch):
    """Although it validates best as it was initialised; also in a run that goes on."""
    evaluate, ranks = experiment.Experiment._evaluate, iter((0.9, 0.2, 0.3, 0.25))

    def ranked(run, split):
        values = evaluate(run, split)
        if split == "validation":
            values["peer_0/top1"] = next(ranks, 0.0)
        return values

    monkeypatch.setattr(experiment.Experiment, "_evaluate", ranked)
    config = small(epochs=4, batch_size=512)
    teacher = {"teacher_network": {"name": "plain_cnn", "widths": (6, 8)}, "teacher_epochs": 1}
    config.network = free(CNN)
    config.method = free({"name": "FitNets", **teacher, "hint_epochs": 1, "hint": "stage2", "alpha": 0.5})
    if stop:
        _stop_after_the_teacher(config, tmp_path, monkeypatch)
    assert train(config, tmp_path)["student"]["epoch"] == 3


def _stop_after_the_teacher(config, workdir, monkeypatch):
    validate = experiment.Experiment._validate

    def validate_and_stop(run, progress):
        validate(run, progress)
        assert progress["chosen"] is None
        os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(experiment.Experiment, "_validate", validate_and_stop)
        with pytest.raises(stopping.Stopped):
            train(config, workdir)
