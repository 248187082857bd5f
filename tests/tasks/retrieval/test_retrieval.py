"""Retrieval as a task: what it is made of, and from a config to an exported and evaluated file."""

import functools
import json
import os
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf import methods, run_exports, runs, stopping
from odtf.data import Info
from odtf.errors import UserError
from odtf.evaluation import evaluator, presentation
from odtf.evaluation.image_file import ImageFile
from odtf.export import proofs
from odtf.metrics import MeanAveragePrecision, PrecisionAtK
from odtf.models import heads
from odtf.targets import TARGETS
from odtf.tasks import Retrieval
from odtf.tflite.runner import Runner
from odtf.training import experiment, strategy
from odtf.training.config import free, load_config
from tests.conftest import eager
from tests.losses.test_relations import contrastive, divergence
from tests.methods.conftest import few_peers, make_batch, make_method
from tests.methods.tiny import least, tiny

GENERIC = [name for name in methods.available() if not getattr(methods, name).only]


def test_its_terms_compare_the_examples_of_a_batch():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(8, 5)).astype("float32"), rng.normal(size=(8, 3)).astype("float32")
    labels = np.array([0, 0, 1, 1, 2, 2, 2, 3])
    task = Retrieval(temperature=0.3)
    np.testing.assert_allclose(task.supervised(labels, one), contrastive(labels, one, 0.3), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(task.distil(one, other), divergence(one, other), rtol=1e-4, atol=1e-6)


def test_its_metrics_are_called_by_their_arguments():
    task = Retrieval(precision_at=10, recall_at=4, database_examples=50)
    kinds = [f"{kind}_{by}" for by in ("cosine", "euclidean") for kind in ("map", "precision_10", "recall_4")]
    assert list(task.metrics) == kinds and task.choice == "map_cosine"
    assert {(metric.reference, metric.reference_examples) for metric in task.metrics.values()} == {("train", 50)}
    assert task.allowed_loss("map_cosine", 100, 0.02) == 0.005 and task.allowed_loss("map_cosine", 100, 0.0) == 0.0


@pytest.mark.parametrize("options", [{"units": 0}, {"units": True}, {"database_examples": 0.5}, {"temperature": 0}])
def test_bad_arguments(options):
    with pytest.raises(ValueError, match=r"must be (None or an integer|a positive number)"):
        Retrieval(**options)


def test_an_embedding_is_a_vector():
    with pytest.raises(UserError, match=r"is a vector.*\[None, 4, 4, 2\]"):
        Retrieval().check(Info("x", (8, 8, 1), ("a", "b")), (None, 4, 4, 2))


@pytest.mark.parametrize("name", GENERIC)
def test_every_generic_method_trains_embeddings(name):
    """Of a width of their own for the students, where the teacher comes from elsewhere; no answer is left out."""
    options = {"network": functools.partial(least, head=heads.Embedding(3)), "task": Retrieval(), **few_peers(name)}
    if name == "InDistill":
        options |= {"main": "pkt", "layer_epochs": ()}
    if name == "Pacemaker":
        options["teacher_network"] = options["network"]
    if name == "SpiritDistillation":  # Whose networks are equal behind the cut.
        options["teacher"] = options["network"](seed=99, name="teacher")
    method = make_method(name, **options)
    method.compile(keras.optimizers.SGD(0.02), steps_per_epoch=1)
    images, labels = make_batch()
    labels = labels % 3
    step, iterator = method.step_function, iter(tf.data.Dataset.from_tensors((images, labels)).repeat())
    method.begin_epoch(0)
    logs = [{key: float(value) for key, value in step(iterator).items()} for _ in range(15)]
    assert logs[-1]["loss"] < logs[0]["loss"]
    method.check_reached(0, 1)
    # The metrics are the task's: traced for one method, they are the same for all.
    method.run_eagerly = name != "DeepMutualLearning"
    data = tf.data.Dataset.from_tensors((images, labels, np.ones(16, "float32")))
    assert {name.partition("/")[0] for name in method.measure(data)} <= {"disagreement", "diversity"}
    found = method.measure(data, references={"train": data})
    assert {f"{peer}/{metric}" for peer in method.peers for metric in method.task.metrics} <= set(found)
    assert found["peer_0/recall_1_cosine"] == 1.0  # Every query finds itself.


@pytest.mark.parametrize("pacemaker", [None, functools.partial(least, head=heads.Embedding(4))])
def test_answers_that_are_averaged_have_one_width(pacemaker):
    network, wider = (functools.partial(least, head=heads.Embedding(units)) for units in (3, 5))
    options = {"teacher_network": wider, "pacemaker_network": pacemaker, "guidance": "ensemble"}
    with pytest.raises(ValueError, match=r"one shape.*Received: .*5,"):
        make_method("Pacemaker", network=network, task=Retrieval(), **options)


# From a config to a file ------------------------------------------------------------------------------------------


def config_of(method, **values):
    config = load_config("configs/retrieval.py", f"method={method},smoke")
    config.network = free({"name": "plain_cnn", "widths": (8, 16), "embedding": 0})
    config.method.teacher_network = free({"name": "plain_cnn", "widths": (12, 24), "embedding": 0})
    config.task.database_examples = 500
    config.data.max_train_examples = 640
    config.deterministic = True
    config.update(values)
    return config


def train(config, workdir, placement=None):
    return runs.train(config, workdir, placement or strategy.make_placement())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of PKT with exports for the firmware of a chip and for a phone."""
    workdir = tmp_path_factory.mktemp("pkt")
    train(config_of("pkt"), workdir)
    for target in ("soc", "phone"):
        run_exports.export_workdir(workdir, target)
    return runs.Run(workdir)


def embeddings(run, split, count=None):
    dataset = run.dataset
    rows = dataset.splits[split].part(count)
    images, labels = rows.take(np.arange(len(rows)))
    x = (images / np.float32(255) - np.float32(dataset.mean)) / np.float32(dataset.std)
    return {"embedding": np.asarray(run.network()(x)["embedding"]), "label": labels}


def test_the_report_has_the_metrics_of_the_chosen_student(run):
    report = run.report
    assert report["task"] == {
        **{"name": "retrieval", "metric": "map_cosine", "title": "mAP cosine", "better": "max", "share": True},
        "agreement": {"share": False},
    }
    database, queries = embeddings(run, "train", 500), embeddings(run, "test")
    assert len(database["label"]) == 500 < len(run.dataset.splits["train"])
    student = report["student"]
    expected = MeanAveragePrecision("cosine").result(queries, database)
    assert student["test_map_cosine"] == pytest.approx(expected, abs=2e-4)
    expected = PrecisionAtK(100, "euclidean").result(queries, database)
    assert student["test_precision_100_euclidean"] == pytest.approx(expected, abs=2e-4)
    assert {"test_map_euclidean", "val_recall_1_cosine", "last_val_map_cosine"} <= set(report["teacher"])
    assert run.network().output["embedding"].shape[-1] == 16  # The teacher's has 32.


@pytest.mark.parametrize("target", ["soc", "phone"])
def test_files_end_in_the_embedding_and_find_as_well(run, target):
    (row,) = (row for row in run.report["exports"] if row["target"] == target)
    assert abs(row["test_map_cosine"] - row["student_test_map_cosine"]) < 0.005
    assert row["agreement"] > 0.99
    folder = run.workdir / "export" / target
    checks = {check["check"]: check for check in json.loads((folder / "verification.json").read_text())["checks"]}
    assert checks["accuracy"]["allowed_drop"] == 0.005
    kernels = checks["micro" if target == "soc" else "kernels"]
    assert kernels["passed"] and "map_cosine" not in kernels
    output = Runner(folder / "student_int8.tflite").output
    assert output["name"] == "embedding" and list(output["shape"]) == [1, 16]
    assert not (folder / "labels.txt").exists()
    card = (folder / "MODEL_CARD.md").read_text()
    assert "is an image embedder as a" in card and f"| test | mAP cosine | {row['examples']} |" in card
    assert ("ImageEmbedder.createFromOptions" in card) == (target == "phone")
    assert ("ARENA_BYTES" in card) == (target == "soc")


def test_kernels_are_proven_without_a_metric_of_one_split(run):
    content = (run.workdir / "export/soc/student_int8.tflite").read_bytes()
    circumstances = proofs.Circumstances(Retrieval(), TARGETS["soc"], run.dataset, "test", 16, 0.02)
    figures = proofs.kernels(content, circumstances)
    assert figures["passed"] and figures["examples"] == 16 and figures["agreement"] > 0.9


def test_an_exported_file_is_evaluated_with_pictures(run, tmp_path):
    file = ImageFile(run.workdir / "export/soc/student_int8.tflite")
    task = Retrieval(database_examples=500)
    options = {"seed": 0, "max_train_examples": 640}
    result, study = evaluator.evaluate(file, "digits", task, **options)
    (row,) = (row for row in run.report["exports"] if row["target"] == "soc")
    assert result["map_cosine"] == pytest.approx(row["test_map_cosine"], abs=1e-4)
    assert result["file"]["features"] == 16
    text = presentation.render(result, study)
    assert "\nmAP cosine " in text and "recall at 1 euclidean" in text
    line = presentation.write(result, study, tmp_path / "found.json")
    assert line == f"All of it: {', '.join(str(tmp_path / f'found.{suffix}') for suffix in ('json', 'csv', 'png'))}"
    rows = [line.split(",") for line in (tmp_path / "found.csv").read_text().splitlines()[1:]]
    assert len(rows) == 64
    database, queries = (run.dataset.splits["train"].part(500), run.dataset.splits["test"])
    for query, name, _, found, other, right in rows:
        assert str(queries.targets[int(query)]) == name and str(database.targets[int(found)]) == other
        assert int(right) == (name == other)
    images = study.pictures("train", np.array([int(row[3]) for row in rows]))
    np.testing.assert_array_equal(images[5], database.images[int(rows[5][3])])
    with pytest.raises(UserError, match="compares with the train split itself"):
        evaluator.evaluate(file, "digits", task, split="train")


def test_a_file_that_gives_a_map_is_no_embedder(run):
    file = ImageFile(run.workdir / "export/soc/student_int8.tflite")
    file.output = {**file.output, "shape": np.array([1, 4, 4, 2])}
    with pytest.raises(UserError, match=r"gives one vector.*\[1, 4, 4, 2\]"):
        Retrieval().reader(file, run.dataset.info)


@pytest.mark.needs(package="mediapipe")
def test_mediapipe_gives_the_vector_that_litert_gives(run):
    content = (run.workdir / "export/phone/student_int8.tflite").read_bytes()
    images, labels = run.dataset.splits["test"].take(np.arange(8))
    client = Retrieval.client
    found = client.prove(content, images, labels, run.dataset.info)
    assert found["cosine_of_two"] == pytest.approx(found["cosine_by_litert"], abs=1e-3)
    vectors, _ = client.embed(content, images)
    np.testing.assert_allclose(vectors, Runner(content).predict(images), atol=found["max_difference"] + 1e-6)
    assert np.ptp(vectors) > 0.1


# The loop -----------------------------------------------------------------------------------------------------------


def test_a_run_that_was_stopped_goes_on_bit_by_bit(tmp_path, monkeypatch):
    config = config_of("indistill", epochs=2)
    config.data.max_train_examples, config.task.database_examples = 128, 100
    config.method.teacher_epochs, config.method.layers, config.method.layer_epochs = 1, ("stage1",), (0,)

    def add(window, step, values, add=experiment.Window.add):
        if step == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        add(window, step, values)

    with eager():
        whole = train(config, tmp_path / "whole")
        with monkeypatch.context() as patch:
            patch.setattr(experiment.Window, "add", add)
            with pytest.raises(stopping.Stopped, match="step 3 of 4"):
                train(config, tmp_path / "parts")
        assert train(config, tmp_path / "parts")["peers"] == whole["peers"]


def test_one_replica_is_two(mirrored, run):
    """The same weights find the same on two replicas, whose shares of the last batch are padded."""
    images, labels = run.dataset.splits["test"].take(np.arange(37))
    x = ((images / 255.0 - run.dataset.mean[0]) / run.dataset.std[0]).astype("float32")
    others = (x[:25] + 0.1, labels[:25], np.ones(25, "float32"))
    task, found = Retrieval(), []
    for placement in (strategy.Placement(tf.distribute.get_strategy()), strategy.Placement(mirrored)):
        count = placement.num_replicas
        with placement.strategy.scope():
            method = methods.Solo(lambda seed, name: tiny(seed=0, name=name), task=task)
            method.compile(keras.optimizers.SGD(0.1))

        def batches(x, labels, weights, count=count, placement=placement):
            pad = -len(x) % 10
            arrays = [np.concatenate([a, np.zeros((pad, *a.shape[1:]), a.dtype)]) for a in (x, labels, weights)]
            dataset = tf.data.Dataset.from_tensor_slices(tuple(arrays)).batch(10 // count)
            return placement.distribute(lambda replicas, total: dataset)

        queries = batches(x, labels, np.ones(37, "float32"))
        found.append(method.measure(queries, references={"train": batches(*others)}))
    assert found[0] == pytest.approx(found[1], rel=1e-6)
    taps = method.peers["peer_0"]
    sums = [{"embedding": np.asarray(taps(a)["embedding"]), "label": b} for a, b in ((x, labels), others[:2])]
    assert found[0]["peer_0/map_euclidean"] == pytest.approx(MeanAveragePrecision("euclidean").result(*sums), rel=1e-5)
