"""PKT: its loss against loops, whom it trains, and what it refuses."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf import methods
from odtf.tasks import Retrieval
from tests.losses.test_relations import contrastive, divergence
from tests.methods.test_baselines import cross_entropy
from tests.methods.test_online_distillation_cheap import moves
from tests.methods.tiny import tiny


def make(**options):
    teacher = tiny((6, 9), seed=5, name="teacher")
    return methods.PKT(tiny, teacher, **{"task": Retrieval(), **options})


def random_outputs(seed=0):
    """Taps of a teacher that is wider than the student."""
    rng = np.random.default_rng(seed)
    shapes = {"embedding": {"peer_0": (8, 6), "teacher": (8, 9)}, "stage1": {"peer_0": (8, 4, 4, 4)}}
    shapes["stage1"]["teacher"] = (8, 4, 4, 6)
    shapes["logits"] = {"peer_0": (8, 10), "teacher": (8, 10)}
    return {
        name: {tap: tf.constant(rng.normal(size=shape[name]), "float32") for tap, shape in shapes.items()}
        for name in ("peer_0", "teacher")
    }


def means(terms):
    return {name: float(tf.reduce_mean(term)) for name, term in terms.items()}


@pytest.mark.parametrize("tap", ["embedding", "stage1"])
def test_whole_loss_against_loops(tap):
    outputs, labels = random_outputs(), np.array([0, 0, 1, 1, 2, 2, 2, 3])
    terms = make(tap=tap, labels_weight=0.5).loss_terms(tf.constant(labels), outputs)
    expected = {
        "peer_0/pkt": divergence(outputs["teacher"][tap], outputs["peer_0"][tap]).mean(),
        "peer_0/supervised": 0.5 * contrastive(labels, outputs["peer_0"]["embedding"], 0.1).mean(),
    }
    assert means(terms) == pytest.approx(expected, rel=1e-4)
    if tap == "embedding":
        assert set(make().loss_terms(tf.constant(labels), outputs)) == {"peer_0/pkt"}


def test_labels_of_classification_train_its_answer():
    outputs, labels = random_outputs(), np.arange(8)
    terms = make(task=None, labels_weight=2.0).loss_terms(tf.constant(labels), outputs)
    assert means(terms)["peer_0/supervised"] == pytest.approx(
        2.0 * cross_entropy(labels, outputs["peer_0"]["logits"].numpy()), rel=1e-5
    )


def test_the_student_alone_learns_and_the_divergence_falls(batch):
    method = make()
    method.compile(keras.optimizers.Adam(0.01))
    teacher = [v.value for v in method.teacher.variables if v.dtype == "float32"]
    with tf.GradientTape() as tape:
        tape.watch(teacher)
        loss = sum(method.loss_terms(tf.constant(batch[1]), method(batch[0], training=True)).values())
    assert not moves(tape.gradient(loss, teacher))
    step, iterator = method.step_function, iter(tf.data.Dataset.from_tensors(batch).repeat())
    logs = [float(step(iterator)["peer_0/pkt"]) for _ in range(30)]
    assert logs[-1] < 0.5 * logs[0]


def test_two_replicas_compare_within_their_shares(batch, mirrored):
    """The gradient is the mean of those of the shares: a batch of both halves has other relations."""
    with mirrored.scope():
        method = make()
        method.compile(keras.optimizers.SGD(1.0))
    images, labels = batch
    kernel = next(layer for layer in method.peers["peer_0"].layers if layer.weights).kernel
    before, gradients = kernel.numpy(), []
    for half in (slice(8), slice(8, 16)):
        with tf.GradientTape() as tape:
            taps = method.peers["peer_0"](images[half], training=True)
            taught = method.teacher(images[half])
            terms = method.loss_terms(labels[half], {"peer_0": taps, "teacher": taught})
            loss = tf.reduce_mean(terms["peer_0/pkt"])
        gradients.append(tape.gradient(loss, kernel.value).numpy())
    dataset = tf.data.Dataset.from_tensor_slices(batch).batch(8).repeat()
    iterator = iter(mirrored.distribute_datasets_from_function(lambda _: dataset))
    method.step_function(iterator)
    np.testing.assert_allclose(before - kernel.numpy(), np.mean(gradients, axis=0), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels_weight": -1.0}, "must not be negative"),
        ({"tap": "stage9", "labels_weight": 1.0}, r"teacher has the taps .* tap='stage9'"),
        ({"task": None}, r"nothing trains the answer 'logits'.*task 'retrieval'.*task='classification'"),
        ({"tap": "stage1"}, r"nothing trains the answer 'embedding'"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)
