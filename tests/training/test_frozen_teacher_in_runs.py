"""A teacher that was trained before is measured once for each split of a run, whatever the run has of epochs."""

import os
import signal

import pytest

from odtf import stopping
from odtf.methods.shared.held_out import Evaluation
from odtf.training import experiment
from odtf.training.config import free
from tests.training.test_experiment import assert_same_weights, last_weights, log_of, small, train

CNN = {"name": "plain_cnn", "widths": (4, 6)}


def taught(teacher, name="OfflineDistillation", **options):
    config = small(epochs=3, batch_size=512)
    config.network, config.method = free(CNN), free({"name": name, "teacher_workdir": str(teacher), **options})
    return config


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """The workdir of a network trained alone."""
    workdir = tmp_path_factory.mktemp("teacher")
    config = small(epochs=1, batch_size=512)
    config.network, config.method = free({**CNN, "widths": (6, 8)}), free({"name": "Solo"})
    train(config, workdir)
    return workdir


@pytest.fixture
def measured(monkeypatch):
    """Whether a measurement was of what is frozen, one after another."""
    calls, measure = [], Evaluation.measure

    def counted(*args, frozen=None, **options):
        calls.append(frozen)
        return measure(*args, frozen=frozen, **options)

    monkeypatch.setattr(Evaluation, "measure", counted)
    return calls


def rows(workdir):
    """Lines of validation, without what is not of the networks."""
    lines = [line for line in log_of(workdir) if line["kind"] == "validation"]
    return [{key: value for key, value in line.items() if "/" in key or key == "epoch"} for line in lines]


def test_a_frozen_teacher_is_measured_once_for_each_split_and_a_resumed_run_says_the_same(
    teacher, measured, tmp_path, monkeypatch
):
    config = taught(teacher)
    whole = train(config, tmp_path / "whole")
    # Three validations, then two splits with the last weights, and with the chosen ones where those are others.
    assert measured.count(False) == 3 + 2 * (1 if whole["student"]["epoch"] == 3 else 2)
    assert measured.count(True) == 2 and None not in measured
    lines = rows(tmp_path / "whole")
    assert len({line["teacher/top1"] for line in lines}) == 1
    assert whole["teacher"]["val_top1"] == whole["teacher"]["last_val_top1"] == round(lines[0]["teacher/top1"], 6)
    assert whole["teacher"]["val_top1"] > 0.15  # Of ten classes: it has learned something.

    steps = whole["student"]["step"] // whole["student"]["epoch"]
    add = experiment.Window.add

    def stopping_add(window, step, values):
        if step == steps + 1:
            os.kill(os.getpid(), signal.SIGTERM)
        add(window, step, values)

    with monkeypatch.context() as patch:
        patch.setattr(experiment.Window, "add", stopping_add)
        with pytest.raises(stopping.Stopped, match=f"stopped at step {steps + 1} of"):
            train(config, tmp_path / "parts")
    parts = train(config, tmp_path / "parts")
    assert rows(tmp_path / "parts") == lines
    assert {key: parts[key] for key in ("peers", "teacher")} == {key: whole[key] for key in ("peers", "teacher")}
    assert_same_weights(last_weights(tmp_path / "parts"), last_weights(tmp_path / "whole"))


def test_what_a_method_itself_says_of_a_frozen_teacher_is_said_once_too(teacher, measured, tmp_path):
    report = train(taught(teacher, "InDistill", layer_epochs=(), retrieval_examples=200), tmp_path)
    assert measured.count(True) == 2
    first, *others = rows(tmp_path)
    assert {"teacher/map_cosine", "peer_0/map_cosine"} <= first.keys()
    assert all(line["teacher/map_cosine"] == first["teacher/map_cosine"] for line in others)
    assert report["teacher"]["test_map_cosine"] > 0.1 and report["peers"][0]["test_map_cosine"] > 0.1


def test_a_teacher_that_learns_is_measured_in_every_epoch(measured, tmp_path):
    config = small(epochs=3, batch_size=512)
    learning = {"teacher_network": {**CNN, "widths": (6, 8)}, "teacher_epochs": 2}
    config.network, config.method = free(CNN), free({"name": "OfflineDistillation", **learning})
    train(config, tmp_path)
    assert set(measured) == {None}
    one, two, three = (line["teacher/top1"] for line in rows(tmp_path))
    assert one != two == three
