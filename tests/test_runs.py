"""A finished run as an object: its records, and its networks, each built alone where that is possible."""

import json

import numpy as np
import pytest

from odtf import runs
from odtf.errors import UserError
from odtf.training import cohorts, strategy
from odtf.training.config import free, to_json
from tests.training.test_experiment import small

pytestmark = pytest.mark.usefixtures("eagerly")  # Few steps of each network.
CNN = {"name": "plain_cnn", "widths": (4, 6)}
NARROW = {**CNN, "widths": (4, 4)}
# Of each run: the method, and what its peers are built from.
CASES = {
    "independent": ({"name": "DeepMutualLearning", "networks": [CNN, NARROW]}, {"peer_0": CNN, "peer_1": NARROW}),
    "shared": (
        {"name": "OnlineEnsemble", "networks": [CNN, NARROW], "cut": "stage1_conv1"},
        {"peer_0": CNN, "peer_1": NARROW},
    ),
    "ensemble": ({"name": "ONE", "num_peers": 2}, {"peer_0": CNN, "peer_1": CNN, "ensemble": [CNN] * 2}),
    "branches": (
        {"name": "Pacemaker", "teacher_network": CNN, "step_epochs": (), "cut": "stage1_conv1"},
        {"teacher": CNN, "pacemaker": [CNN] * 2, "peer_0": CNN},
    ),
}


def config_of(name):
    config = small(epochs=1, batch_size=512)
    config.network, config.method = free(CNN), free(CASES[name][0])
    return config


@pytest.fixture(scope="module", params=CASES)
def case(request, tmp_path_factory):
    """(name, workdir) of a run of one epoch."""
    workdir = tmp_path_factory.mktemp(request.param)
    runs.train(config_of(request.param), workdir, strategy.make_placement())
    return request.param, workdir


def test_every_peer_says_what_it_was_built_from(case):
    name, workdir = case
    run = runs.Run(workdir)
    assert {peer: run.network_of(peer) for peer in run.peers} == json.loads(json.dumps(CASES[name][1]))


def test_a_peer_is_built_alone_as_it_is_in_its_cohort(case, monkeypatch):
    name, workdir = case
    run = runs.Run(workdir)
    images = np.random.default_rng(0).normal(size=(4, *run.dataset.image_shape)).astype("float32")
    cohort = run.cohort()
    composed = [peer for peer, network in CASES[name][1].items() if isinstance(network, list)]
    for peer in composed:
        np.testing.assert_array_equal(run.network(peer)(images)["logits"], cohort.peers[peer](images)["logits"])
    monkeypatch.setattr(cohorts, "make_method", None)
    for peer in set(run.peers) - set(composed):
        alone = run.network(peer)
        assert alone.name == peer
        np.testing.assert_array_equal(alone(images)["logits"], cohort.peers[peer](images)["logits"])


def test_the_teacher_is_a_network_where_peers_make_it(case):
    name, workdir = case
    run = runs.Run(workdir)
    if name == "branches":
        assert run.network("teacher").name == "teacher"  # A peer of this method.
    elif name == "shared":
        images = np.random.default_rng(0).normal(size=(4, *run.dataset.image_shape)).astype("float32")
        expected = run.cohort()(images, training=False)["teacher"]["logits"]
        np.testing.assert_allclose(run.network("teacher")(images)["logits"], expected, rtol=1e-4, atol=1e-5)
        assert run.network_of("teacher") == json.loads(json.dumps([CNN, NARROW]))
    else:
        with pytest.raises(UserError, match="Received: 'teacher'"):
            run.network("teacher")


def test_other_commands_rows_are_kept(case):
    about = {"target": "soc", "quantization": "int8", "agreement": 1.0, "test_top1": 0.5, "latency_us_p50": 1.0}
    first, second, third = ({"path": path, "bytes": size, **about} for path, size in (("a", 1), ("b", 2), ("b", 3)))
    run, other = runs.Run(case[1]), runs.Run(case[1])
    run.add_exports([first, second], 1.5)
    other.add_exports([third], 0.5)
    other.add_finetuned({"file": {"path": "c"}})
    report = runs.read_report(case[1])
    assert report == other.report
    assert report["exports"] == [first, third]
    assert report["finetuned"] == [{"file": {"path": "c"}}]
    assert report["seconds"]["export"] == 2.0


def test_an_unknown_peer_is_named_beside_the_known_ones(case):
    with pytest.raises(UserError, match=r"has the peers .*peer_0.*Received: 'peer_9'"):
        runs.Run(case[1]).network("peer_9")


def test_a_config_from_before_tasks_is_read(tmp_path):
    old = to_json(config_of("shared"))
    del old["task"]
    (tmp_path / "config.json").write_text(json.dumps({**old, "label_smoothing": 0.25}))
    config = runs.read_config(tmp_path)
    assert config.task.to_dict() == {"name": "classification", "label_smoothing": 0.25}
    assert cohorts.make_task(config).label_smoothing == 0.25
