"""A finished run that goes on: bit-equal to a longer one, or refused with the reason."""

import json

import pytest

from odtf import methods, runs
from odtf.errors import UserError
from odtf.training import growth
from odtf.training.config import default_config, free, from_json, to_json
from tests.conftest import eager
from tests.training.test_experiment import assert_same_weights, last_weights, small, train


def constant(epochs):
    """Two tiny peers whose rate rises once and falls once, at epochs of their own."""
    config = small(epochs=epochs, batch_size=512)
    config.schedule.name, config.schedule.milestones, config.schedule.warmup_epochs = "piecewise", (2,), 0.5
    return config


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """(workdir, report) of a run of one epoch that went on to three."""
    workdir = tmp_path_factory.mktemp("grown")
    with eager():  # Two steps of each epoch.
        train(constant(1), workdir)
        return workdir, train(constant(3), workdir)


def test_it_is_bit_equal_to_a_run_that_never_ended_between(grown, tmp_path):
    with eager():
        report = train(constant(3), tmp_path)
    assert_same_weights(last_weights(grown[0]), last_weights(tmp_path))
    for key in ("peers", "student", "teacher", "config"):
        assert grown[1][key] == report[key]
    assert json.loads((grown[0] / "config.json").read_text())["epochs"] == 3


def test_a_run_that_has_begun_to_grow_is_no_finished_run(grown, tmp_path):
    config = constant(2)
    runs.claim(tmp_path, config)
    (tmp_path / "report.json").write_text("{}")
    runs.claim(tmp_path, constant(3))
    assert not (tmp_path / "report.json").exists()
    assert runs.read_config(tmp_path).epochs == 3


def test_it_does_not_shrink_nor_change_otherwise(grown):
    with pytest.raises(UserError, match=r"another config.*Received: epochs: 3 -> 2"):
        train(constant(2), grown[0])
    other = constant(4)
    other.seed = 7
    with pytest.raises(UserError, match=r"another config; a new .*right\. Received: epochs: 3 -> 4; seed: 0 -> 7"):
        train(other, grown[0])
    assert runs.read_config(grown[0]).epochs == 3


class HalfWay(methods.Solo):
    """Its second half is another phase: it depends on where the end is."""

    @classmethod
    def epochs_of(cls, options, networks, epochs):
        return {"peer_0": (epochs // 2, epochs)}


CHAIN = {"name": "TAKD", "teacher_network": {}, "assistant_networks": [{}], "step_epochs": [4, 4, 4]}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"schedule.name": "constant"}, None),
        ({"schedule.name": "constant", "schedule.restarts": [4, 12]}, None),
        ({"schedule.name": "piecewise", "schedule.milestones": [5, 15]}, None),
        ({"schedule.name": "cosine"}, "a cosine schedule falls over all epochs"),
        ({"schedule.name": "one_cycle"}, "a one_cycle schedule falls over all epochs"),
        ({"schedule.name": "cosine", "schedule.restarts": [4]}, "a cosine schedule falls over all epochs"),
        ({"schedule.name": "cosine", "schedule.restarts": [4, 12]}, "a cosine schedule falls over all epochs"),
        ({"schedule.name": "cosine", "schedule.restarts": [4, 10]}, None),
        ({"schedule.name": "linear", "schedule.milestones": [5]}, "a linear schedule falls over all epochs"),
        ({"quantization.aware": True}, "counts its from the end"),
        ({"quantization.aware": True, "quantization.delay_epochs": 3}, "counts its from the end"),
        (
            {"quantization.aware": True, "quantization.delay_epochs": 3, "quantization.freeze_batch_norm_epochs": 0},
            None,
        ),
        ({"method": CHAIN}, None),
        ({"method": {"name": "tests/training/test_growth.py:HalfWay"}}, "HalfWay, what learns in which epoch"),
    ],
)
def test_the_past_must_be_what_it_would_have_been(changes, reason):
    old = default_config()
    old.epochs = 10
    for key, value in changes.items():
        *parts, last = key.split(".")
        part = old
        for name in parts:
            part = part[name]
        part[last] = free(value) if isinstance(value, dict) else value
    new = from_json({**to_json(old), "epochs": 20})
    found = growth.refusal(old, new)
    assert found is None if reason is None else reason in found


def test_the_reason_is_in_the_line(tmp_path):
    runs.claim(tmp_path, small(epochs=1))
    before = (tmp_path / "config.json").read_text()
    with pytest.raises(
        UserError, match=r"another config.*a cosine schedule falls over all.*Received: epochs: 1 -> 2\.$"
    ):
        runs.check_claim(tmp_path, small(epochs=2))
    assert (tmp_path / "config.json").read_text() == before
