"""SwitOKD: who waits when, its losses and steps against a loop of one's own, resume, the mode of the global batch."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf import methods
from odtf.training.checkpoints import Checkpoints
from tests.methods.numpy_losses import cross_entropy, divergence, log_softmax, moved, random_outputs
from tests.methods.tiny import tiny

STEPS, NAMES = 8, ("peer_0", "teacher")
TEACHER = functools.partial(tiny, (8, 12))


def learns(labels, student, teacher):
    """Whether the teacher learns, from logits, as the paper writes it."""
    p_s, p_t, y = np.exp(log_softmax(student)), np.exp(log_softmax(teacher)), np.eye(student.shape[1])[labels]
    d_s, d_t, gap = (np.abs(a - b).sum(-1).mean() for a, b in ((p_s, y), (p_t, y), (p_s, p_t)))
    delta = d_s - np.exp(-d_t / (d_s + d_t)) * d_t
    return not (gap > delta and d_t < d_s)


def batches():
    """Batches of images whose labels the brightness of a corner tells."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(STEPS, 16, 8, 8, 1)).astype("float32")
    return list(zip(images, (images[:, :, 0, 0, 0] > 0).astype("int32"), strict=True))


def rate():
    return keras.optimizers.schedules.PiecewiseConstantDecay([2, 4], [0.2, 0.1, 0.02])


def sure(*, seed, name):
    """A student that is sure of something wrong when it starts: the teacher waits for it."""
    network = tiny(seed=seed, name=name)
    kernel = network.get_layer("logits").kernel
    kernel.assign(8.0 * kernel)
    return network


def make(seed=0, **options):
    method = methods.SwitOKD(sure, teacher_network=TEACHER, seed=seed, **options)
    method.compile(keras.optimizers.SGD(rate(), momentum=0.9), weight_decay=0.01, steps_per_epoch=2, run_eagerly=True)
    return method


def train(method, first=0, last=STEPS):
    for images, labels in batches()[first:last]:
        method.step((tf.constant(images), tf.constant(labels)))


def values(method):
    return [v.numpy() for v in (*method.peers["peer_0"].variables, *method.teacher.variables)]


def by_hand():
    """The same as a loop of one's own: all variables after the last step, and in which steps the teacher learned."""
    start = make()
    networks = {"peer_0": start.peers["peer_0"], "teacher": start.teacher}
    optimizers = {name: keras.optimizers.SGD(0.2, momentum=0.9) for name in NAMES}
    learned = []
    for number, (images, labels) in enumerate(batches()):
        gradients, logits = {}, {}
        with tf.GradientTape(persistent=True) as tape:
            for name in NAMES:
                logits[name] = networks[name](images, training=True)["logits"]
            log_p = {name: tf.nn.log_softmax(z) for name, z in logits.items()}
            losses = {}
            for name, other in (NAMES, NAMES[::-1]):
                target = tf.stop_gradient(log_p[other])
                losses[name] = tf.reduce_mean(tf.reduce_sum(tf.exp(target) * (target - log_p[name]), -1))
                losses[name] -= tf.reduce_mean(tf.gather(log_p[name], labels, batch_dims=1))
        for name in NAMES:
            variables = networks[name].trainable_variables
            found = tape.gradient(losses[name], [v.value for v in variables])
            gradients[name] = [g + 0.01 * v for g, v in zip(found, variables, strict=True)]
        learned.append(learns(labels, *(logits[name].numpy() for name in NAMES)))
        for name in NAMES if learned[-1] else NAMES[:1]:
            optimizers[name].learning_rate = float(rate()(number))
            optimizers[name].apply(gradients[name], networks[name].trainable_variables)
    return values(start), learned


def test_steps_are_those_of_a_hand_written_loop():
    expected, learned = by_hand()
    assert 0 < sum(learned) < STEPS
    method = make()
    train(method)
    for found, value in zip(values(method), expected, strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-4, atol=1e-5)
    assert int(method.update.optimizers[1].iterations.numpy()) == STEPS


@pytest.mark.parametrize("seed", range(12))
def test_the_mode_against_numpy(seed):
    """A teacher that knows more or less, and is surer or less sure."""
    method, rng = make(), np.random.default_rng(seed)
    labels = rng.integers(0, 10, 16)
    knowing = rng.choice([0.0, 2.0, 6.0], (2, 1, 1)) * np.eye(10)[labels]
    student, teacher = rng.normal(0, 1, (2, 16, 10)) + knowing
    outputs = {name: {"logits": tf.constant(z, "float32")} for name, z in zip(NAMES, (student, teacher), strict=True)}
    assert bool(method.teacher_learns(tf.constant(labels), outputs)) == learns(labels, student, teacher)


def test_both_modes_by_hand():
    """A teacher that is right waits for a student that is sure of another class, and not for one that guesses.

    Of a guess the gap is d_s - d_t, just below the threshold d_s - exp(-d_t / (d_s + d_t)) d_t.
    """
    method, labels = make(), np.arange(10)
    right, wrong, guess = 3.0 * np.eye(10), 8.0 * np.eye(10)[(labels + 1) % 10], np.zeros((10, 10))

    def mode(student, teacher):
        outputs = {"peer_0": {"logits": tf.constant(student)}, "teacher": {"logits": tf.constant(teacher)}}
        return bool(method.teacher_learns(tf.constant(labels), outputs))

    assert not mode(wrong, right)
    assert mode(right, wrong)
    assert mode(right, right)
    assert mode(guess, right)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_whole_loss_against_numpy(temperature):
    method = make(temperature=temperature)
    labels, z, outputs = random_outputs(method, NAMES)
    terms = {name: float(tf.reduce_mean(t)) for name, t in method.loss_terms(tf.constant(labels), outputs).items()}
    expected = {}
    for name, other in (NAMES, NAMES[::-1]):
        expected[f"{name}/supervised"] = cross_entropy(labels, z[name])
        expected[f"{name}/distillation"] = divergence(z[other], z[name], temperature)
    assert terms == pytest.approx(expected, rel=1e-5)


def test_each_is_a_constant_for_the_other(batch):
    method = make()
    parts = {"peer_0": method.peers["peer_0"], "teacher": method.teacher}
    for name in NAMES:
        assert moved(method, batch, f"{name}/distillation", parts) == {other: other == name for other in NAMES}


def test_a_run_goes_on_bit_by_bit(tmp_path):
    whole = make()
    train(whole)
    part = make()
    train(part, 0, 3)
    Checkpoints(tmp_path, part).save({"step": 3, "chosen": None})
    resumed = make(seed=5)
    assert Checkpoints(tmp_path, resumed).restore()["step"] == 3
    train(resumed, 3)
    for found, value in zip(values(resumed), values(whole), strict=True):
        np.testing.assert_array_equal(found, value)


def test_the_mode_is_that_of_the_global_batch(mirrored):
    """Of two halves one of which, by itself, would have the teacher wait."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(16, 8, 8, 1)).astype("float32")
    alone, halves = make(), (slice(0, 8), slice(8, 16))
    outputs = [alone(images[half], training=True) for half in halves]
    student, teacher = (np.concatenate([each[name]["logits"] for each in outputs]) for name in NAMES)
    for _ in range(1000):
        # Some of them are what the student says.
        labels = np.where(rng.random(16) < rng.random(), student.argmax(-1), rng.integers(0, 10, 16))
        modes = [learns(labels[half], student[half], teacher[half]) for half in halves]
        if learns(labels, student, teacher) and sum(modes) == 1:
            break
    else:
        pytest.fail("no such labels")
    with mirrored.scope():
        method = methods.SwitOKD(sure, teacher_network=TEACHER)
        method.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    before = [v.numpy() for v in method.teacher.trainable_variables]

    def dataset(context):
        return tf.data.Dataset.from_tensor_slices((images, labels.astype("int32"))).batch(8)

    method.step_function(iter(mirrored.distribute_datasets_from_function(dataset)))
    changes = [np.abs(v.numpy() - w).max() for v, w in zip(method.teacher.trainable_variables, before, strict=True)]
    assert max(changes) > 1e-4


def test_what_it_is_compared_with_and_what_is_deployed():
    method = make()
    assert method.students == ("peer_0",)
    assert list(method.peers) == ["peer_0"]
    spans = methods.SwitOKD.epochs_of({"teacher_network": {}}, {"peer_0": {}}, 30)
    assert spans == {"peer_0": (0, 30), "teacher": (0, 30)}
    with pytest.raises(ValueError, match=r"one shape.*\(7,\) of teacher"):
        methods.SwitOKD(tiny, teacher_network=functools.partial(tiny, classes=7))
