"""A run from config to report, in one process: what it writes, how it stops and how it goes on."""

import json
import os
import signal

import numpy as np
import pytest

from odtf import data, runs, stopping
from odtf.errors import UserError
from odtf.methods.base import Method
from odtf.training import cohorts, config_data, experiment, strategy
from odtf.training.checkpoints import Checkpoints
from odtf.training.config import load_config as load
from odtf.training.config import to_json
from odtf.training.schedules import make_optimizer, make_schedule


def small(**values):
    """Two tiny peers on digits, a few dozen steps."""
    config = load("tests/training/two_peers.py", "epochs=2")
    config.deterministic = True
    config.batch_size = 128
    for key, value in values.items():
        config[key] = value
    return config


def train(config, workdir):
    return runs.train(config, workdir, strategy.make_placement())


def log_of(workdir):
    return [json.loads(line) for line in (workdir / "log.jsonl").read_text().splitlines()]


def last_weights(workdir):
    """The variables of the newest checkpoint, as TensorFlow's reader has them."""
    import tensorflow as tf

    newest = max((workdir / "checkpoints").iterdir(), key=lambda path: int(path.name.removeprefix("step-")))
    reader = tf.train.load_checkpoint(str(newest / "variables"))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in name}


def assert_same_weights(one, two):
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run without any interruption: (workdir, report)."""
    workdir = tmp_path_factory.mktemp("whole")
    return workdir, train(small(), workdir)


def test_report_has_the_documented_form(whole):
    workdir, report = whole
    assert runs.read_report(workdir) == report
    assert list(json.loads((workdir / "report.json").read_text())) == [*report, "digest"]
    assert list(report) == [
        *("config", "method", "task", "dataset", "normalization", "resize", "remarks", "seed"),
        *("peers", "teacher", "student", "exports", "seconds", "disagreement", "diversity"),
    ]
    assert list(report["disagreement"]) == ["peer_0-peer_1"]
    values = ("disagreement", "mean_top1", "chooser_top1")
    assert set(report["diversity"]) == {
        f"{when}{s}_{v}" for when in ("", "last_") for s in ("val", "test") for v in values
    }
    assert report["diversity"]["test_chooser_top1"] >= max(peer["test_top1"] for peer in report["peers"])
    assert [peer["name"] for peer in report["peers"]] == ["peer_0", "peer_1"]
    for peer in [*report["peers"], report["student"]]:
        assert {"name", "params", "macs", "val_top1", "test_top1", "last_val_top1", "last_test_top1"} <= set(peer)
        assert 0 <= peer["test_top1"] <= 1
    assert len(report["student"]["sha256"]) == 64
    assert report["student"]["val_top1"] == max(peer["val_top1"] for peer in report["peers"])
    assert report["config"] == to_json(small())
    assert report["teacher"]["test_top1"] >= 0


def test_log_has_every_term_and_every_peer(whole):
    workdir, _ = whole
    lines = log_of(workdir)
    train_line = next(line for line in lines if line["kind"] == "train")
    terms = {f"peer_{i}/{term}" for i in (0, 1) for term in ("supervised", "distillation", "top1")}
    assert terms | {"loss", "teacher/top1", "teacher/supervised", "learning_rate", "step"} <= set(train_line)
    validation = [line for line in lines if line["kind"] == "validation"]
    assert [line["epoch"] for line in validation] == [1, 2]
    assert all(
        {"diversity/disagreement", "diversity/mean_top1", "disagreement/peer_0-peer_1"} <= set(v) for v in validation
    )
    assert all({f"{name}/supervised" for name in ("peer_0", "peer_1", "teacher")} <= set(v) for v in validation)
    assert {path.name for path in (workdir / "tensorboard").iterdir()} == {"train", "validation"}


def test_chosen_weights_give_the_reported_accuracy(whole):
    workdir, report = whole
    run = runs.Run(workdir)
    dataset, name, network = run.dataset, run.student, run.network()
    split = dataset.splits["test"]
    images, labels = split.take(np.arange(len(split)))
    scaled = (np.asarray(images, "float32") / 255 - np.array(dataset.mean)) / np.array(dataset.std)
    top1 = (network(scaled.astype("float32"))["logits"].numpy().argmax(-1) == np.asarray(labels)).mean()
    assert name == report["student"]["name"]
    assert top1 == pytest.approx(report["student"]["test_top1"], abs=1e-6)


def test_stopped_by_sigterm_and_resumed_is_bit_equal(whole, tmp_path, monkeypatch):
    stop_at = 7
    add = experiment.Window.add

    def add_and_stop(window, step, values):
        if step == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        add(window, step, values)

    monkeypatch.setattr(experiment.Window, "add", add_and_stop)
    with pytest.raises(stopping.Stopped, match="step 7"):
        train(small(), tmp_path)
    assert not (tmp_path / "report.json").exists()
    monkeypatch.undo()
    report = train(small(), tmp_path)
    assert_same_weights(last_weights(tmp_path), last_weights(whole[0]))
    assert report["peers"] == whole[1]["peers"]
    assert report["student"] == whole[1]["student"]
    steps = [line["step"] for line in log_of(tmp_path)]
    assert steps == sorted(steps)


@pytest.fixture(scope="module")
def ranked(tmp_path_factory):
    """A run whose validation ranks its epochs 0, 1, 1, 0 and both peers alike: (workdir, report)."""
    workdir, epochs = tmp_path_factory.mktemp("ranked"), iter((0.0, 1.0, 1.0, 0.0))
    evaluate = experiment.Experiment._evaluate

    def ranks(run, split):
        rank = next(epochs, 0.0)
        return evaluate(run, split) | {f"peer_{i}/rank": rank for i in (0, 1)}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiment.Experiment, "_evaluate", ranks)
        patch.setattr(Method, "selection", "rank")
        return workdir, train(small(epochs=4), workdir)


def test_of_epochs_that_are_alike_the_last_is_chosen_and_of_peers_the_first(ranked):
    workdir, report = ranked
    third = [line["step"] for line in log_of(workdir) if line["kind"] == "validation"][2]
    chosen = {key: report["student"][key] for key in ("name", "epoch", "step")}
    assert chosen == {"name": "peer_0", "epoch": 3, "step": third}


def test_figures_are_those_of_the_chosen_and_of_the_last_epoch(ranked):
    workdir, report = ranked
    logged = {line["epoch"]: line for line in log_of(workdir) if line["kind"] == "validation"}
    config = small(epochs=4)
    dataset = config_data.load_dataset(config)
    method = cohorts.make_method(config, dataset.info, load_teacher=None)
    method.compile(make_optimizer(config.optimizer, make_schedule(config.schedule, 10, config.epochs)))
    Checkpoints(workdir, method).restore()
    test = method.measure(data.eval_dataset("test", dataset, batch_size=100))
    for row in [*report["peers"], {"name": "teacher", **report["teacher"]}]:
        assert row["val_top1"] == pytest.approx(logged[3][f"{row['name']}/top1"], abs=1e-6)
        assert row["last_val_top1"] == pytest.approx(logged[4][f"{row['name']}/top1"], abs=1e-6)
        assert row["last_test_top1"] == pytest.approx(test[f"{row['name']}/top1"], abs=1e-6)
    assert any(row["val_top1"] != row["last_val_top1"] for row in report["peers"])
    assert any(row["test_top1"] != row["last_test_top1"] for row in report["peers"])
    assert any(row["val_top1"] != row["test_top1"] for row in report["peers"])
    assert report["student"]["last_test_top1"] == report["peers"][0]["last_test_top1"]


def test_a_finished_run_is_not_trained_again(whole, monkeypatch):
    monkeypatch.setattr(experiment.Experiment, "_train", None)
    path = whole[0] / "report.json"
    row = {"path": "export/phone/student_int8.tflite", "target": "phone", "quantization": "int8", "bytes": 1}
    row |= {"test_top1": 0.5, "agreement": None, "latency_us_p50": 1.0}
    made = {"exports": [row], "finetuned": [{"mode": "qat"}]}
    report = runs.read_report(whole[0])
    path.write_text(json.dumps({**report, **made}))
    again = train(small(), whole[0])
    assert again["peers"] == whole[1]["peers"]
    assert {key: again[key] for key in made} == made  # What was made of the student stays in the report.
    path.write_text(json.dumps({**report, **made, "student": {**report["student"], "step": 1}}))
    assert train(small(), whole[0])["exports"] == []


def test_other_config_on_the_workdir_is_refused_with_what_differs(whole):
    before = (whole[0] / "config.json").read_text()
    with pytest.raises(UserError, match=r"belongs to another config.*seed: 0 -> 5; weight_decay: 0.0002 -> 0.1"):
        train(small(seed=5, weight_decay=0.1), whole[0])
    assert (whole[0] / "config.json").read_text() == before


def test_another_seed_gives_another_network(whole, tmp_path):
    train(small(seed=5), tmp_path)
    one, two = last_weights(whole[0]), last_weights(tmp_path)
    kernels = [name for name in one if one[name].ndim == 4 and name.startswith("method")]
    assert all(np.abs(one[name] - two[name]).max() > 1e-3 for name in kernels)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    config = small()
    config.schedule.learning_rate, config.weight_decay = 1000.0, 1.0  # Each step multiplies the weights by -999.
    config.schedule.warmup_epochs = 0.0
    config.checkpoint.every_steps = 1
    with pytest.raises(UserError, match=r"stopped being finite at step \d+, in \S+/\S+; .*checkpoint"):
        train(config, tmp_path)
    assert not (tmp_path / "report.json").exists()


def test_log_lines_after_the_resumed_step_are_cut(whole, tmp_path):
    from odtf.training.logs import Log

    lines = [{"step": step, "kind": "train"} for step in (1, 2, 3)]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"step": 2, "ki')
    log = Log(tmp_path)
    log.start(2, 5)
    log.values(3, "train", {"loss": 1.0})
    log.close()
    assert [line["step"] for line in log_of(tmp_path)] == [1, 2, 3]
    assert log_of(tmp_path)[-1]["loss"] == 1.0


def test_a_corrupt_image_met_while_streaming_is_named(tmp_path):
    from PIL import Image

    for label in ("cat", "dog"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(40):
            noise = np.random.default_rng(number).integers(0, 255, (8, 8, 3), "uint8")
            Image.fromarray(noise).save(tmp_path / "photos" / label / f"{number:02d}.png")
    damaged = sorted((tmp_path / "photos" / "cat").iterdir())
    for path in damaged:
        path.write_bytes(path.read_bytes()[:90])  # The header still tells the size.
    config = small(batch_size=8)
    config.data.name = f"folder:{tmp_path / 'photos'}"
    config.data.memory_budget_mb = 0
    config.data.mean, config.data.std = (0.5, 0.5, 0.5), (0.2, 0.2, 0.2)
    with pytest.raises(UserError, match=r"cat/\d\d\.png"):
        train(config, tmp_path / "run")
