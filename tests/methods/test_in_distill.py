"""InDistill: which channels are kept, the loss of every phase against numpy, the curriculum and its resume."""

import functools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf import models, runs
from odtf.losses import probabilistic_knowledge_transfer
from odtf.methods.in_distill import InDistill, channel_norms
from odtf.quantization import Schedule, quantization_aware
from odtf.tasks import Retrieval
from odtf.training import strategy
from odtf.training.config import load_config
from tests.methods.test_baselines import cross_entropy, divergence
from tests.methods.test_online_distillation_cheap import moves
from tests.methods.tiny import tiny

pytestmark = pytest.mark.usefixtures("eagerly")  # Few steps of each network.
WIDE = functools.partial(tiny, (8, 10))
LAYERS = {"layers": ("stage1", "stage2"), "layer_epochs": (2, 1)}


def make(teacher="given", weight_decay=0.0, **options):
    if options.get("main") == "pkt" and not options.get("labels_weight"):
        options["task"] = Retrieval()
    if teacher == "given":
        options["teacher"] = WIDE(seed=5, name="teacher")
    else:
        options |= {"teacher_network": WIDE, "teacher_epochs": teacher}
    method = InDistill(tiny, **{**LAYERS, **options})
    method.compile(keras.optimizers.SGD(0.1), weight_decay=weight_decay, steps_per_epoch=1)
    return method


def kept_by_hand(teacher):
    """The four and six filters of the largest L1 norms, in the order of the channels."""
    kernels = {"stage1": teacher.get_layer("stem").kernel, "stage2": teacher.get_layer("stage2_conv").kernel}
    norms = {layer: np.abs(kernel.numpy()).sum((0, 1, 2)) for layer, kernel in kernels.items()}
    return {layer: sorted(np.argsort(norms[layer])[-count:]) for layer, count in (("stage1", 4), ("stage2", 6))}


def random_outputs(method, seed=0):
    rng = np.random.default_rng(seed)
    networks = {"peer_0": method.peers["peer_0"], "teacher": method.teacher}
    return {
        name: {tap: tf.constant(rng.normal(0, 2, (6, *t.shape[1:])), "float32") for tap, t in network.output.items()}
        for name, network in networks.items()
    }


def terms_at(method, epoch, outputs, labels):
    method.begin_epoch(epoch)
    return {name: float(tf.reduce_mean(term)) for name, term in method.loss_terms(labels, outputs).items()}


def test_the_largest_filters_are_kept():
    method = make()
    expected = kept_by_hand(method.teacher)
    for layer, kept in method.kept.items():
        np.testing.assert_array_equal(kept.numpy(), expected[layer])
    assert list(method.kept["stage1"].numpy()) != [0, 1, 2, 3]


def test_whole_loss_of_every_phase_against_numpy():
    method, labels = make(temperature=3.0, alpha=0.6), np.arange(6)
    outputs, kept = random_outputs(method), kept_by_hand(method.teacher)
    student, teacher = ({k: v.numpy() for k, v in outputs[n].items()} for n in ("peer_0", "teacher"))
    for epoch, layer in ((0, "stage1"), (1, "stage1"), (2, "stage2")):
        expected = ((teacher[layer][..., kept[layer]] - student[layer]) ** 2).mean()
        assert terms_at(method, epoch, outputs, labels) == pytest.approx({f"peer_0/{layer}": expected}, rel=1e-5)
    expected = {
        "peer_0/supervised": 0.4 * cross_entropy(labels, student["logits"]),
        "peer_0/distillation": 0.6 * divergence(teacher["logits"], student["logits"], 3.0),
    }
    for epoch in (3, 7):
        assert terms_at(method, epoch, outputs, labels) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("labels_weight", [0.0, 2.0])
def test_main_loss_of_relations(labels_weight):
    method, labels = make(main="pkt", labels_weight=labels_weight, layer_epochs=()), np.arange(6)
    outputs = random_outputs(method)
    pkt = probabilistic_knowledge_transfer(outputs["teacher"]["embedding"], outputs["peer_0"]["embedding"])
    expected = {"peer_0/pkt": float(tf.reduce_mean(pkt))}
    if labels_weight:
        expected["peer_0/supervised"] = 2.0 * cross_entropy(labels, outputs["peer_0"]["logits"].numpy())
    assert terms_at(method, 0, outputs, labels) == pytest.approx(expected, rel=1e-5)
    assert method.selection == ("top1" if labels_weight else "map_cosine")
    assert (method.retrieval_examples > 0) == (labels_weight > 0)


def test_main_losses_of_maps():
    """The hint of FitNets, regressed by a convolution, and the attention of both stages."""
    labels = np.arange(6)
    method = make(main="fitnets", hint_weight=3.0)
    outputs = random_outputs(method)
    outputs["peer_0"]["regressed"] = 2.0 * outputs["teacher"]["stage2"]
    student = outputs["peer_0"]["logits"].numpy()
    expected = {
        "peer_0/supervised": cross_entropy(labels, student),
        "peer_0/hint": 3.0 * float((outputs["teacher"]["stage2"].numpy() ** 2).mean()),
    }
    assert terms_at(method, 3, outputs, labels) == pytest.approx(expected, rel=1e-5)
    method = make(main="at", beta=7.0)
    outputs = random_outputs(method)

    def attention(maps):
        rows = (maps.numpy() ** 2).mean(-1).reshape(6, -1)
        return rows / np.linalg.norm(rows, axis=-1, keepdims=True)

    expected = {"peer_0/supervised": cross_entropy(labels, outputs["peer_0"]["logits"].numpy())}
    for level in ("stage1", "stage2"):
        difference = attention(outputs["teacher"][level]) - attention(outputs["peer_0"][level])
        expected[f"peer_0/attention_{level}"] = 7.0 * (difference**2).mean()
    assert terms_at(method, 3, outputs, labels) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("main", ["kd", "pkt", "fitnets", "at"])
def test_every_phase_moves_the_student_alone_and_as_far_as_its_layer(batch, main):
    method = make(main=main)
    student = [v.value for v in method.peers["peer_0"].trainable_variables]
    teacher = [v.value for v in method.teacher.variables if v.dtype == "float32"]
    for epoch in (0, 2, 3):
        method.begin_epoch(epoch)
        with tf.GradientTape() as tape:
            tape.watch(teacher)
            terms = method.loss_terms(tf.constant(batch[1]), method(batch[0], training=True))
            loss = tf.reduce_sum(sum(terms.values()))
        found, of_teacher = tape.gradient(loss, (student, teacher))
        assert moves(found) and not moves(of_teacher)
        # Stem and first normalisation, then the second stage's, then the classifier unless embeddings are all.
        reached = sum(g is not None for g in found)
        assert reached == {0: 4, 2: 8, 3: 8 if main == "pkt" else 10}[epoch]


def fit(method, batch, epochs, start=0):
    iterator = iter(tf.data.Dataset.from_tensors(batch).repeat())
    for epoch in range(start, start + epochs):
        method.begin_epoch(epoch)
        logs = method.step_function(iterator)
    return logs


def test_the_teacher_comes_first_and_is_pruned_when_it_is_done(batch):
    method = make(teacher=2, weight_decay=0.1)
    assert [method.phase_at(epoch) for epoch in range(7)] == [0, 0, 1, 1, 2, 3, 3]
    student = [v.numpy() for v in method.peers["peer_0"].variables]
    # A teacher whose largest filters are others than they were at the start.
    logs = fit(method, batch, 2)
    assert {"teacher/supervised", "teacher/top1"} <= set(logs) and "peer_0/top1" not in logs
    for old, new in zip(student, method.peers["peer_0"].variables, strict=True):
        np.testing.assert_array_equal(old, new.numpy())
    kernel = method.teacher.get_layer("stem").kernel
    kernel.assign(kernel.numpy()[..., ::-1])
    expected = kept_by_hand(method.teacher)
    trained = [v.numpy() for v in method.teacher.variables]
    fit(method, batch, 4, start=2)
    np.testing.assert_array_equal(method.kept["stage1"].numpy(), expected["stage1"])
    for old, new in zip(trained, method.teacher.variables, strict=True):
        np.testing.assert_array_equal(old, new.numpy())


def test_the_curriculum_survives_a_resume(batch):
    whole, first, second = (make(teacher=1, layer_epochs=(1, 1), seed=seed) for seed in (3, 3, 9))
    fit(whole, batch, 4)
    fit(first, batch, 2)
    for old, new in zip(first.variables, second.variables, strict=True):
        new.assign(old)
    for old, new in zip(first.optimizer.variables, second.optimizer.variables, strict=True):
        new.assign(old)
    fit(second, batch, 2, start=2)
    for a, b in zip(whole.variables, second.variables, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-6, err_msg=a.path)


def test_norms_of_a_residual_stage_are_those_of_all_that_write_to_it():
    network = models.cifar_resnet((8, 8, 1), 10, depth=14, width=4, seed=0)
    layers = ("stage2_block1_conv2", "stage2_block1_shortcut", "stage2_block2_conv2")
    expected = sum(np.abs(network.get_layer(name).kernel.numpy()).sum((0, 1, 2)) for name in layers)
    np.testing.assert_allclose(channel_norms(network, "stage2"), expected, rtol=1e-6)
    # The first stage has no projection: what the stem writes goes on through it.
    layers = ("stem", "stage1_block1_conv2", "stage1_block2_conv2")
    expected = sum(np.abs(network.get_layer(name).kernel.numpy()).sum((0, 1, 2)) for name in layers)
    np.testing.assert_allclose(channel_norms(network, "stage1"), expected, rtol=1e-6)


def test_norms_of_a_teacher_that_trained_quantised_are_those_of_its_convolutions():
    plain, network = (models.resnet8((8, 8, 1), 10, width=(4, 4, 4), seed=0) for _ in range(2))
    quantised = quantization_aware(network, Schedule())
    np.testing.assert_array_equal(channel_norms(quantised, "stage2"), channel_norms(plain, "stage2"))


def test_published_sizes():
    """The released student and auxiliary teacher, and the maps of one prune to those of the other."""
    student = models.plain_cnn((32, 32, 3), 10, seed=0)
    auxiliary = models.plain_cnn((32, 32, 3), 10, widths=(16, 32, 64), embedding=128, seed=0)
    assert [sum(int(np.prod(v.shape)) for v in n.trainable_variables) for n in (auxiliary, student)] == [57_994, 15_050]
    method = InDistill(functools.partial(models.plain_cnn, (32, 32, 3), 10), teacher=auxiliary)
    assert [kept.shape[0] for kept in method.kept.values()] == [8, 16, 32]


def test_retrieval_is_reported_beside_accuracy(batch):
    rng = np.random.default_rng(0)

    def examples(split):
        count = {"train": 40, "validation": 20}[split]
        images = rng.normal(size=(count, 8, 8, 1)).astype("float32")
        labels = np.arange(count, dtype="int32") % 3
        images += labels[:, None, None, None]
        weights = np.ones(count, "float32")
        weights[-2:] = 0.0
        return tf.data.Dataset.from_tensor_slices((images, labels, weights)).batch(8)

    method = make(retrieval_examples=30)
    values = method.extra_values("validation", examples)
    assert not any(name.startswith("teacher") for name in values)
    values |= method.frozen_values("validation", examples)
    metrics = {f"{metric}_{by}" for metric in ("map", "precision_100") for by in ("cosine", "euclidean")}
    assert set(values) == {f"{name}/{metric}" for name in ("peer_0", "teacher") for metric in metrics}
    assert all(0 < value <= 1 for value in values.values())
    features, labels = method.collect(method.peers["peer_0"], "embedding", examples("validation"))
    assert features.shape == (18, 6) and list(labels) == [i % 3 for i in range(18)]
    assert len(method.collect(method.teacher, "embedding", examples("train"), limit=30)[0]) == 30
    assert make(retrieval_examples=0).extra_values("validation", examples) == {}


def test_deployed_student_is_the_peer(batch):
    method = make()
    deployed = models.deploy(method.peers["peer_0"])
    np.testing.assert_allclose(deployed(batch[0]), method(batch[0])["peer_0"]["logits"], atol=1e-5)
    assert len(deployed.weights) == len(tiny(seed=0, name="alone").weights)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer_epochs": (1,)}, "Every layer has its epochs"),
        ({"main": "ce"}, r"'kd', 'pkt', 'fitnets' or 'at'. Received: 'ce'"),
        ({"beta": -1.0}, r"No weight may be negative.*beta=-1.0"),
        ({"main": "fitnets", "hint": "stage9"}, "student has the maps"),
        ({"main": "pkt"}, r"nothing trains the answer 'logits'.*the task 'retrieval'"),
        ({"layers": ("stage1", "stage9")}, "student has the maps"),
        ({"teacher": tiny((3, 6), seed=0, name="narrow")}, "at least its channels"),
        ({"alpha": 2.0}, r"lie in \[0, 1\]"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        InDistill(tiny, **{"teacher": WIDE(seed=5, name="teacher"), **LAYERS, **options})


def test_a_run_from_config_to_report(tmp_path):
    """Through all phases, as retrieval: validation chooses by mAP."""
    config = load_config("configs/indistill.py", "smoke")
    config.network.width, config.method.teacher_network.width = 4, 6
    config.method.layers, config.method.layer_epochs, config.epochs = ("stage1", "stage3"), (1, 1), 4
    config.data.max_train_examples = 192
    config.log_every_steps = 1
    report = runs.train(config, tmp_path, strategy.make_placement())
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    terms = [
        {key for key in line if key.partition("/")[2] in ("supervised", "stage1", "stage3", "pkt")}
        for line in log
        if line["kind"] == "train"
    ]
    phases = [term for i, term in enumerate(terms) if not i or term != terms[i - 1]]
    expected = ["teacher/supervised", "peer_0/stage1", "peer_0/stage3", "peer_0/pkt"]
    assert phases == [{term} for term in expected]
    validated = [line["peer_0/map_cosine"] for line in log if line["kind"] == "validation"]
    assert report["student"]["val_map_cosine"] == pytest.approx(max(validated), abs=1e-6)
    assert {"test_map_euclidean", "last_test_map_cosine", "val_precision_100_cosine"} <= set(report["teacher"])
    assert [peer["name"] for peer in report["peers"]] == ["peer_0"]
