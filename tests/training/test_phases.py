"""Methods that train in phases, through the real loop: a run that stops where a phase ends, and goes on."""

import os
import signal

import pytest

from odtf import stopping
from odtf.methods.in_distill import InDistill
from odtf.training import experiment
from odtf.training.config import free
from tests.conftest import eager
from tests.training.test_experiment import assert_same_weights, last_weights, log_of, small, train

CNN = {"name": "plain_cnn", "widths": (4, 6)}
TEACHER = {"teacher_network": {"name": "plain_cnn", "widths": (6, 8)}}
# The terms of the loss in each epoch: every epoch is a phase.
CASES = {
    "InDistill": (
        {**TEACHER, "teacher_epochs": 1, "layers": ("stage1",), "layer_epochs": (1,)},
        ({"teacher/supervised"}, {"peer_0/stage1"}, {"peer_0/supervised", "peer_0/distillation"}),
    ),
    "FitNets": (
        {**TEACHER, "teacher_epochs": 1, "hint_epochs": 1, "hint": "stage2", "alpha": 0.5},
        ({"teacher/supervised"}, {"peer_0/hint"}, {"peer_0/supervised", "peer_0/distillation"}),
    ),
    "TAKD": (
        {**TEACHER, "assistant_networks": (CNN,), "step_epochs": (1,)},
        (
            {"teacher/supervised"},
            {"assistant_1/supervised", "assistant_1/distillation"},
            {"peer_0/supervised", "peer_0/distillation"},
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_run_that_stops_between_two_phases_goes_on_bit_by_bit(name, tmp_path, monkeypatch):
    options, terms = CASES[name]
    config = small(epochs=3, batch_size=512)
    config.network, config.method = free(CNN), free({"name": name, **options})
    if name == "InDistill":
        monkeypatch.setattr(InDistill, "enter_phase", _marked(InDistill.enter_phase))
    # One as users have it; of the others, which have as few steps, tracing would be most of the time.
    with eager(name != "FitNets"):
        whole = train(config, tmp_path / "whole")
        steps = whole["student"]["step"] // whole["student"]["epoch"]
        for epoch in (1, 2):
            with monkeypatch.context() as patch:
                patch.setattr(experiment.Window, "add", _stopping(experiment.Window.add, epoch * steps))
                with pytest.raises(stopping.Stopped, match=f"stopped at step {epoch * steps} of {3 * steps}"):
                    train(config, tmp_path / "parts")
        assert train(config, tmp_path / "parts")["peers"] == whole["peers"]
    assert_same_weights(last_weights(tmp_path / "parts"), last_weights(tmp_path / "whole"))
    for workdir in (tmp_path / "whole", tmp_path / "parts"):
        logged = [line for line in log_of(workdir) if line["kind"] == "train" and line["step"] % steps == 0]
        assert [{key for key in line if "/" in key and not key.endswith("/top1")} for line in logged] == list(terms)


def _marked(enter_phase):
    """Entering a phase leaves a trace in the weights: twice is another than once."""

    def enter(method, phase):
        enter_phase(method, phase)
        method.teacher.weights[0].assign_add(0.01 + 0.0 * method.teacher.weights[0])

    return enter


def _stopping(add, at):
    """`Window.add`, during which the process is asked to stop at a step."""

    def add_and_stop(window, step, values):
        if step == at:
            os.kill(os.getpid(), signal.SIGTERM)
        add(window, step, values)

    return add_and_stop
