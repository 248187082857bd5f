"""Runs whose networks start from trained weights: from a config to a report, stopped and gone on with, on replicas."""

import json
import os
import signal

import numpy as np
import pytest

from odtf import data, models, runs, stopping
from odtf.errors import UserError
from odtf.training import experiment
from odtf.training.config import free
from tests.training.test_experiment import assert_same_weights, last_weights, log_of, small, train

pytestmark = pytest.mark.usefixtures("eagerly")  # A step or two of each network.
CNN = {"name": "plain_cnn", "widths": (4, 6)}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A finished run of two peers on digits."""
    workdir = tmp_path_factory.mktemp("source")
    config = small(epochs=1, batch_size=512)
    config.network, config.method = free(CNN), free({"name": "DeepMutualLearning"})
    train(config, workdir)
    return workdir


def started(init, method="Solo", **values):
    config = small(**{"epochs": 2, "batch_size": 512, **values})
    config.network, config.method = free({**CNN, "init": init}), free({"name": method})
    return config


def test_a_run_says_what_it_started_from(source, tmp_path, capsys):
    config = started({"source": f"{source}:peer_1", "head": False}, "DeepMutualLearning")
    report = train(config, tmp_path / "run")
    for row in report["peers"]:
        assert row["start"]["source"] == f"{source}:peer_1" and list(row["start"]["new"]) == ["hidden", "logits"]
        whole = models.build(CNN, (8, 8, 1), 10, seed=0).count_params()
        assert sum(row["start"]["taken"].values()) == whole - sum(row["start"]["new"].values())
    assert "peer_1 starts from" in capsys.readouterr().out
    assert 0 < report["disagreement"]["peer_0-peer_1"] < 1
    validated = next(line for line in log_of(tmp_path / "run") if line["kind"] == "validation")
    assert "disagreement/peer_0-peer_1" in validated
    # Its workdir names no code that is not odtf's; it is read, and its peers are built, without what it started from.
    run = runs.Run(tmp_path / "run")
    assert run.network("peer_1").name == "peer_1" and run.cohort().peers


def test_a_head_is_demanded_where_the_classes_are_not_ten(tmp_path):
    """The networks are tried with ten classes before data are read."""

    images, labels = data.load("digits").splits["train"].take(range(600))
    three = (images, labels % 3)
    name = data.from_arrays(three, test=three)

    def config(**init):
        made = small(epochs=1, batch_size=512)
        made.data.name, made.network = name, free({**CNN, **init})
        return made

    train(config(), tmp_path / "run")
    row = train(config(init={"source": str(tmp_path / "run"), "head": True}), tmp_path / "begun")["peers"][0]
    assert not row["start"]["new"]


def test_a_start_is_of_the_network_before_it_is_made_narrow_or_behind_it(source, tmp_path):
    """A run of a narrow network is a start for that network, and none for the one that it was made from."""
    narrow, config = {**CNN, "fraction": 0.5}, small(epochs=1, batch_size=512)
    config.network = free(narrow)
    train(config, tmp_path / "narrow")
    begun = started({"source": str(tmp_path / "narrow"), "changed": True}, epochs=1)
    begun.network.fraction = 0.5
    row = train(begun, tmp_path / "begun")["peers"][0]["start"]
    assert not row["new"] and sum(row["taken"].values()) == runs.Run(tmp_path / "narrow").network().count_params()
    before = started(str(source), epochs=1)
    before.network.fraction = 0.5
    assert not train(before, tmp_path / "before")["peers"][0]["start"]["new"]
    begun.network.init = {"source": str(source), "changed": True}
    with pytest.raises(UserError, match=r"config\.network: The layers before the head .*Received: the shape"):
        train(begun, tmp_path / "other")
    begun.network.init = {"source": str(source), "changed": 1}
    with pytest.raises(UserError, match=r"'changed' \(True where the source already is .*Received: .*'changed': 1"):
        train(begun, tmp_path / "other")


def test_weights_of_a_workdir_are_those_that_validation_chose(source):
    run = runs.Run(source)
    for name in run.peers:
        network = run.network(name)
        assert {v.path: v.numpy().tolist() for v in network.weights} == {
            path: value.tolist() for path, value in runs.load_start(f"{source}:{name}").items()
        }
    assert list(run.weights()) == list(runs.load_start(str(source)))


@pytest.mark.parametrize("rate", [1.0, 0.5])
def test_a_run_that_stops_while_layers_wait_and_after_it_goes_on_bit_by_bit(source, tmp_path, monkeypatch, rate):
    config = started(str(source), epochs=3)
    config.init.frozen_epochs, config.init.body_rate = 1, rate
    whole = train(config, tmp_path / "whole")
    steps = whole["student"]["step"] // whole["student"]["epoch"]
    add = experiment.Window.add
    for stop in (1, steps, 2 * steps - 1):
        with monkeypatch.context() as patch:

            def add_and_stop(window, step, values, at=stop):
                if step == at:
                    os.kill(os.getpid(), signal.SIGTERM)
                add(window, step, values)

            patch.setattr(experiment.Window, "add", add_and_stop)
            with pytest.raises(stopping.Stopped, match=f"stopped at step {stop} of"):
                train(config, tmp_path / "parts")
    assert train(config, tmp_path / "parts")["peers"] == whole["peers"]
    assert_same_weights(last_weights(tmp_path / "parts"), last_weights(tmp_path / "whole"))


def test_a_waiting_body_is_that_of_the_start(source, tmp_path):
    config = started(str(source), epochs=1)
    config.init.frozen_epochs = 1
    train(config, tmp_path / "run")
    before, after = runs.load_start(str(source)), runs.Run(tmp_path / "run").weights()
    for path, value in after.items():
        assert np.array_equal(value, before[path]) == (not path.startswith(("hidden/", "logits/"))), path


@pytest.mark.parametrize(
    "init, method, message",
    [
        ("nowhere", "Solo", r"config.network: A start is zoo:NAME.*'nowhere'|A start is zoo:NAME"),
        ({"from": "x"}, "Solo", r"config.network: init is what to start from.*'from'"),
        ({"source": "zoo:x", "head": "no"}, "Solo", r"config.network: init is what to start from"),
        ("$source:peer_7", "Solo", r"has the peers peer_0, peer_1. Received: .*peer_7"),
        ("$source", "DeepMutualLearning", r"peer_0 and peer_1 start with equal weights and see the same images"),
    ],
)
def test_a_start_that_is_none_is_refused(source, tmp_path, init, method, message):
    init = init.replace("$source", str(source)) if isinstance(init, str) else init
    with pytest.raises(UserError, match=message):
        train(started(init, method), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_another_network_than_the_start_is_refused_with_the_layers_name(source, tmp_path):
    config = started(str(source))
    config.network.widths = (4, 8)
    with pytest.raises(UserError, match=r"config.network: The layers before the head .*stage2"):
        train(config, tmp_path / "run")


def test_how_a_start_learns_is_about_networks_that_have_one(tmp_path):
    config = small()
    config.init.frozen_epochs = 1
    with pytest.raises(UserError, match=r"config.init is about networks that start from trained weights"):
        train(config, tmp_path / "run")


def test_a_record_from_before_has_the_defaults(source):
    data = json.loads((source / "config.json").read_text())
    del data["init"], data["digest"]
    from odtf.training.config import from_json

    assert from_json(data).init.to_dict() == {"frozen_epochs": 0, "body_rate": 1.0}
