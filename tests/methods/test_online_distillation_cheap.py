"""OD-cheap: its whole loss against numpy, who moves whom, the parameters of its training graph."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf import models, runs
from odtf.finetune.teacher import make_teacher
from odtf.methods.online_distillation_cheap import OnlineDistillationCheap
from odtf.training import cohorts, config_checks, strategy
from odtf.training.config import free, load_config
from tests.methods.conftest import NETWORK, make_method
from tests.methods.numpy_losses import cross_entropy, divergence, moved, random_outputs
from tests.methods.tiny import tiny


def log_softmax(z):
    z = z - z.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def numpy_loss(labels, teacher, students, temperature, element_mean):
    """The loss as the paper writes it, for one batch, in float64."""
    rows = np.arange(len(labels))
    total = -log_softmax(teacher)[rows, labels].mean()
    for student in students:
        p, q = log_softmax(teacher / temperature), log_softmax(student / temperature)
        kl = (np.exp(p) * (p - q)).sum(-1).mean()
        total += -log_softmax(student)[rows, labels].mean()
        total += temperature**2 * kl / (teacher.shape[-1] if element_mean else 1)
    return total


@pytest.mark.parametrize("kl_reduction", ["batchmean", "elementmean"])
@pytest.mark.parametrize("num_peers", [2, 4])
def test_whole_loss_against_numpy(kl_reduction, num_peers):
    rng = np.random.default_rng(num_peers)
    method = make_method("OnlineDistillationCheap", num_peers=num_peers, kl_reduction=kl_reduction, temperature=3.0)
    logits = rng.normal(0, 2, (num_peers + 1, 8, 10))
    labels = rng.integers(0, 10, 8)
    outputs = {name: {"logits": tf.constant(z, "float32")} for name, z in zip(method.peers, logits[1:], strict=True)}
    outputs["teacher"] = {"logits": tf.constant(logits[0], "float32")}
    loss = sum(float(tf.reduce_mean(term)) for term in method.loss_terms(labels, outputs).values())
    assert loss == pytest.approx(
        numpy_loss(labels, logits[0], logits[1:], 3.0, kl_reduction == "elementmean"), rel=1e-5
    )


def gradients(method, batch, term):
    """Returns the gradient of one term on the trainable variables of the peers and of the teacher's head."""
    parts = {**method.peers, "teacher": method.teacher_head}
    variables = {name: [v.value for v in part.trainable_variables] for name, part in parts.items()}
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(method.loss_terms(tf.constant(batch[1]), method(batch[0], training=True))[term])
    return tape.gradient(loss, variables)


def moves(gradient):
    return any(g is not None and np.abs(g.numpy()).max() > 1e-9 for g in gradient)


def test_learning_is_mutual(batch):
    """The divergence of peer_0 pulls peer_0, the teacher's head and, through the concatenation, every other peer."""
    found = gradients(make_method("OnlineDistillationCheap", num_peers=3), batch, "peer_0/distillation")
    assert {name: moves(g) for name, g in found.items()} == dict.fromkeys(found, True)


def test_detached_teacher_is_not_pulled(batch):
    method = make_method("OnlineDistillationCheap", num_peers=3, detach_teacher=True)
    found = gradients(method, batch, "peer_0/distillation")
    assert {name: moves(g) for name, g in found.items()} == {
        "peer_0": True,
        "peer_1": False,
        "peer_2": False,
        "teacher": False,
    }


def test_labels_of_the_teacher_train_all_peers_and_those_of_a_peer_itself_alone(batch):
    method = make_method("OnlineDistillationCheap", num_peers=2)
    found = gradients(method, batch, "teacher/supervised")
    assert all(moves(g) for g in found.values())
    # The classifiers of the peers have no part in the teacher.
    assert found["peer_0"][-1] is None
    found = gradients(method, batch, "peer_1/supervised")
    assert {name: moves(g) for name, g in found.items()} == {"peer_0": False, "peer_1": True, "teacher": False}


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({"conv": "shift"}, 411_506),
        ({"conv": "depthwise"}, 482_354),
        ({"conv": "group", "groups": 16}, 620_594),
        ({"conv": "group", "groups": 4}, 1_247_858),
    ],
)
def test_parameters_of_the_training_graph(options, count):
    """Of four students of depth 56: a block adds what it adds at any depth (tests/models/test_counts.py)."""

    def parameters(model):
        return sum(int(np.prod(v.shape)) for v in model.trainable_variables)

    network = functools.partial(models.od_cheap_resnet, (32, 32, 3), 10, **options)
    method = OnlineDistillationCheap(functools.partial(network, depth=8), num_peers=4)
    blocks = parameters(network(depth=14)) - parameters(method.peers["peer_0"])
    assert parameters(method) + 4 * blocks * (56 - 8) // 6 == count


def test_teacher_is_the_head_on_concatenated_maps(batch):
    """BN, ReLU, pooling, dense, recomputed by hand from the peers' maps."""
    method = make_method("OnlineDistillationCheap", num_peers=2)
    outputs = method(batch[0], training=True)
    maps = np.concatenate([outputs[name]["stage3"].numpy() for name in method.peers], axis=-1)
    mean, variance = maps.mean((0, 1, 2)), maps.var((0, 1, 2))
    head = {w.path.split("/")[-1]: w.numpy() for w in method.teacher_head.weights}
    normal = (maps - mean) / np.sqrt(variance + 1e-5) * head["gamma"] + head["beta"]
    expected = np.maximum(normal, 0).mean((1, 2)) @ head["kernel"] + head["bias"]
    np.testing.assert_allclose(outputs["teacher"]["logits"], expected, atol=1e-4)


def test_deployed_peer_is_the_peer_and_nothing_else(batch):
    method = make_method("OnlineDistillationCheap", num_peers=2)
    method.compile(keras.optimizers.SGD(0.1))
    method.step((tf.constant(batch[0]), tf.constant(batch[1])))
    deployed = models.deploy(method.peers["peer_1"])
    np.testing.assert_allclose(deployed(batch[0]), method(batch[0])["peer_1"]["logits"], atol=1e-5)
    assert not [layer.name for layer in deployed.layers if "teacher" in layer.name]
    alone = make_method("Solo")
    assert len(deployed.weights) == len(alone.peers["peer_0"].weights)


def test_elementmean_is_refused_when_misspelt():
    with pytest.raises(ValueError, match=r"'batchmean' or 'elementmean'.*'mean'"):
        make_method("OnlineDistillationCheap", kl_reduction="mean")


# The standard network ------------------------------------------------------------------------------------------------


def with_network(**options):
    """Two peers and a wider network that teaches them."""
    return make_method("OnlineDistillationCheap", num_peers=2, teacher_network=functools.partial(NETWORK, 6), **options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"share": 0.9, "target": "mean"},
        {"share": 0.3, "mutual": 0.05, "temperature": 2.0},
        {"share": 1.0, "target": "mean", "mutual": 0.2, "kl_reduction": "elementmean"},
    ],
)
def test_whole_loss_with_the_standard_network_against_numpy(options):
    method = with_network(**options)
    labels, z, outputs = random_outputs(method, ("peer_0", "peer_1", "head", "teacher"))
    temperature, share = options.get("temperature", 4.0), options.get("share")
    weight = 0.1 if options.get("kl_reduction") == "elementmean" else 1.0
    hard, soft = (1.0, 1.0) if share is None else (1.0 - share, share)
    target = (z["head"] + z["teacher"]) / 2 if options.get("target") == "mean" else z["teacher"]
    expected = {f"{name}/supervised": cross_entropy(labels, z[name]) for name in ("head", "teacher")}
    for name in ("peer_0", "peer_1"):
        expected[f"{name}/supervised"] = hard * cross_entropy(labels, z[name])
        expected[f"{name}/distillation"] = soft * weight * divergence(target, z[name], temperature)
    if "mutual" in options:
        ensemble = (z["peer_0"] + z["peer_1"]) / 2
        back = weight * divergence(ensemble, z["teacher"], temperature)
        expected["teacher/mutual"] = options["mutual"] * back
    terms = {name: float(tf.reduce_mean(t)) for name, t in method.loss_terms(tf.constant(labels), outputs).items()}
    assert terms == pytest.approx(expected, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize(
    ("options", "pulled"),
    [
        ({"detach_teacher": True}, {"peer_0"}),
        ({}, {"peer_0", "teacher"}),
        ({"target": "mean"}, {"peer_0", "peer_1", "head", "teacher"}),
    ],
)
def test_whom_the_divergence_of_a_peer_moves(options, pulled, batch):
    method = with_network(mutual=0.5, **options)
    parts = {**method.peers, "head": method.teacher_head, "teacher": method.teacher}
    found = moved(method, batch, "peer_0/distillation", parts)
    assert {name for name, moves in found.items() if moves} == pulled
    found = moved(method, batch, "teacher/mutual", parts)
    assert {name for name, moves in found.items() if moves} == {"teacher"}


def test_the_standard_network_is_no_student(batch):
    method = with_network()
    assert method.students == tuple(method.peers) == ("peer_0", "peer_1")
    outputs = method(batch[0])
    np.testing.assert_array_equal(outputs["teacher"]["logits"], method.teacher(batch[0])["logits"])
    assert outputs["head"]["logits"].shape == (16, 10)
    spans = OnlineDistillationCheap.epochs_of({"teacher_network": {"name": "x"}}, {"peer_0": {}}, 7)
    assert spans == {"peer_0": (0, 7), "teacher": (0, 7)}
    assert OnlineDistillationCheap.epochs_of({}, {"peer_0": {}}, 7) == {"peer_0": (0, 7)}
    # What a fine-tuning may take for its teacher: the standard network, or the mean of the students.
    name, teach = make_teacher("cohort", method)
    assert name == "online teacher"
    np.testing.assert_array_equal(teach(batch[0]), outputs["teacher"]["logits"])
    name, teach = make_teacher("ensemble", method)
    assert name == "ensemble of 2"
    mean = (outputs["peer_0"]["logits"] + outputs["peer_1"]["logits"]) / 2
    np.testing.assert_allclose(teach(batch[0]), mean, rtol=1e-5, atol=1e-6)


def test_a_run_reports_the_standard_network_as_its_teacher(tmp_path):
    config = load_config("tests/training/two_peers.py", "epochs=1")
    config.batch_size = 512
    config.export.targets = ()
    network = {"name": "plain_cnn", "widths": (8, 12)}
    config.method = free(
        {"name": "OnlineDistillationCheap", "num_peers": 2, "share": 0.9, "teacher_network": network, "mutual": 0.05}
    )
    report = runs.train(config, tmp_path, strategy.make_placement())
    assert [peer["name"] for peer in report["peers"]] == ["peer_0", "peer_1"]
    assert report["student"]["name"].startswith("peer_")
    assert report["teacher"]["params"] > report["student"]["params"]
    assert 0 <= report["teacher"]["test_top1"] <= 1
    run = runs.Run(tmp_path)
    assert run.peers == ("peer_0", "peer_1")
    cohort = run.cohort()
    assert cohort.teacher.count_params() > run.network().count_params()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mutual": 0.1}, r"are of a teacher_network. Received: mutual=0.1, target='network', no network"),
        ({"target": "mean"}, r"are of a teacher_network. Received: mutual=0.0, target='mean', no network"),
        ({"target": "both"}, r"'network' or 'mean'. Received: 'both'"),
        ({"teacher_network": NETWORK, "mutual": -1.0}, r"must not be negative.*mutual=-1.0"),
        ({"share": 1.5}, r"lie in \[0, 1\].*1.5"),
        ({"teacher_network": functools.partial(tiny, classes=7)}, r"one shape.*\(7,\) of teacher"),
    ],
)
def test_bad_arguments_of_the_standard_network(options, message):
    with pytest.raises(ValueError, match=message):
        make_method("OnlineDistillationCheap", num_peers=2, **options)


@pytest.mark.parametrize(
    ("arg", "method", "networks"),
    [
        ("data=cifar100", "OnlineDistillationCheap", ("od_cheap_resnet", None)),
        ("data=stl10,teacher=network", "OnlineDistillationCheap", ("od_cheap_resnet", "cifar_resnet")),
        ("data=folder:photos,teacher=mean", "OnlineDistillationCheap", ("od_cheap_resnet", "cifar_resnet")),
        ("method=cheap", "Solo", ("od_cheap_resnet", None)),
        ("method=standard", "Solo", ("cifar_resnet", None)),
        ("method=kd", "OfflineDistillation", ("od_cheap_resnet", "cifar_resnet")),
    ],
)
def test_the_config_has_other_data_and_its_baselines_by_name(arg, method, networks):
    config = load_config("configs/cifar10_od.py", f"{arg},depth=14")
    config_checks.check(config)
    cohorts.rehearse(config, load_teacher=None)
    teacher = config.method.get("teacher_network")
    assert config.method.name == method
    assert (config.network.name, teacher and teacher["name"]) == networks
    assert config.network.depth == 14
    assert teacher is None or teacher["depth"] == 14
    assert config.data.name == dict(part.split("=") for part in arg.split(",")).get("data", "cifar10")
    assert (config.data.mean is None) == (config.data.name not in ("cifar10", "cifar100"))
    assert (config.epochs, tuple(config.schedule.restarts)) == ((600, (300,)) if "kd" in arg else (300, ()))
