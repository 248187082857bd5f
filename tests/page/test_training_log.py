"""log.jsonl as curves."""

import json

from odtf.page import curves, training_log

ROWS = [
    {"step": 5, "kind": "train", "loss": 2.0, "peer_0/supervised": 1.5, "peer_0/top1": 0.25, "learning_rate": 0.1},
    {"step": 10, "kind": "train", "loss": 1.0, "peer_0/supervised": float("nan"), "peer_0/top1": 0.5},
    {"step": 10, "kind": "validation", "epoch": 1, "peer_0/top1": 0.75, "teacher/top1": 0.5, "disagreement/a-b": 0.1},
    {"step": 20, "kind": "validation", "epoch": 2, "peer_0/top1": 1.0, "teacher/top1": 0.5},
]


def test_curves_are_over_epochs(tmp_path):
    lines = [json.dumps(row) for row in ROWS]
    (tmp_path / "log.jsonl").write_text("\n".join([*lines, '{"step": 30, "kind": "tra', "", "[]"]))
    log = training_log.read(tmp_path, ["peer_0", "teacher"])
    assert log.validation == {"top1": {"peer_0": {1.0: 0.75, 2.0: 1.0}, "teacher": {1.0: 0.5, 2.0: 0.5}}}
    assert log.training == {"supervised": {"peer_0": {0.5: 1.5}}, "top1": {"peer_0": {0.5: 0.25, 1.0: 0.5}}}
    assert log.totals == {"loss": {0.5: 2.0, 1.0: 1.0}, "learning_rate": {0.5: 0.1}}


def test_epochs_are_whole_numbers():
    from matplotlib import pyplot

    figure, axes = curves._axes(pyplot, "quality")
    axes.plot([1.0, 2.0, 3.0], [0.1, 0.2, 0.3])
    assert all(tick == int(tick) for tick in axes.get_xticks())
    pyplot.close(figure)


def test_networks_are_what_a_metric_is_told_of(tmp_path):
    (tmp_path / "log.jsonl").write_text("\n".join(json.dumps(row) for row in ROWS))
    assert training_log.networks(tmp_path, "top1") == ("peer_0", "teacher")


def test_a_run_without_a_log_has_no_curves(tmp_path):
    log = training_log.read(tmp_path, ["peer_0"])
    assert (log.validation, log.training, log.totals) == ({}, {}, {})
    assert training_log.networks(tmp_path, "top1") == ()
