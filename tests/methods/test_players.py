"""Players: a generator and a discriminator, trained in one step as a hand-written loop trains them."""

import collections

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from odtf.methods.base import Method
from odtf.methods.shared.players import Player
from odtf.metrics import MeanAbsoluteError
from odtf.tasks import Task
from odtf.training.checkpoints import Checkpoints
from tests import variable_order

STEPS = 6


class Images(Task):
    """Images to images of the same size."""

    name = "images"
    output = "image"

    def __init__(self):
        self.metrics = {"mae": MeanAbsoluteError()}


def generator(seed):
    image = keras.Input((4, 4, 1))
    initializers = [keras.initializers.GlorotNormal(seed=seed + i) for i in range(2)]
    x = layers.Conv2D(3, 3, padding="same", activation="tanh", kernel_initializer=initializers[0], name="a")(image)
    x = layers.Conv2D(1, 3, padding="same", kernel_initializer=initializers[1], dtype="float32", name="b")(x)
    return keras.Model(image, {"image": x}, name="peer_0")


def discriminator(seed):
    image = keras.Input((4, 4, 1))
    x = layers.Flatten()(layers.Conv2D(2, 3, kernel_initializer=keras.initializers.GlorotNormal(seed=seed))(image))
    score = layers.Dense(1, kernel_initializer=keras.initializers.GlorotNormal(seed=seed + 1), dtype="float32")(x)
    return keras.Model(image, score, name="discriminator")


class Adversarial(Method):
    """A generator against a discriminator, both by least squares; the pair's images count as well."""

    def __init__(self, every=1, when=None, counts=None, **common):
        super().__init__(**common)
        self.peers = {"peer_0": generator(self.seed)}
        self.discriminator = discriminator(self.seed + 10)
        self.every, self.when, self.counts = every, when, counts

    def players(self):
        return [
            Player(
                "discriminator",
                self.discriminator.trainable_variables,
                optimizer=keras.optimizers.Adam(0.05, beta_1=0.5),
                weight_decay=0.0,
                terms=("discriminator/",),
                every=self.every,
                when=self.when,
                counts=self.counts,
            )
        ]

    def loss_terms(self, targets, outputs):
        made = self.answer(outputs["peer_0"])
        scores = {
            "made": self.discriminator(made),
            "detached": self.discriminator(ops.stop_gradient(made)),
            "true": self.discriminator(targets),
        }
        return {
            "peer_0/adversarial": ops.mean(ops.square(scores["made"] - 1.0), axis=-1),
            "peer_0/pair": 3.0 * ops.mean(ops.abs(made - targets), axis=(1, 2, 3)),
            "discriminator/made": ops.mean(ops.square(scores["detached"]), axis=-1),
            "discriminator/true": ops.mean(ops.square(scores["true"] - 1.0), axis=-1),
        }


def pairs():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(2, 8, 4, 4, 1)).astype("float32") for _ in range(STEPS)]


def by_hand(steps_of_discriminator, decay):
    """The same as a loop of one's own; returns all variables after the last step, generator first."""
    g, d = generator(0), discriminator(10)
    optimizers = keras.optimizers.SGD(0.1, momentum=0.9), keras.optimizers.Adam(0.05, beta_1=0.5)
    for number, (images, targets) in enumerate(pairs(), start=1):
        with tf.GradientTape(persistent=True) as tape:
            made = g(images, training=True)["image"]
            loss = tf.reduce_mean((d(made) - 1.0) ** 2) + 3.0 * tf.reduce_mean(tf.abs(made - targets))
            other = tf.reduce_mean(d(tf.stop_gradient(made)) ** 2) + tf.reduce_mean((d(targets) - 1.0) ** 2)
        ours = tape.gradient(loss, [v.value for v in g.trainable_variables])
        theirs = tape.gradient(other, [v.value for v in d.trainable_variables])
        ours = [gradient + decay * v for gradient, v in zip(ours, g.trainable_variables, strict=True)]
        optimizers[0].apply(ours, g.trainable_variables)
        if number in steps_of_discriminator:
            optimizers[1].apply(theirs, d.trainable_variables)
    return [v.numpy() for v in (*g.variables, *d.variables)]


def cohort(strategy, **options):
    with strategy.scope():
        method = Adversarial(task=Images(), **options)
        method.compile(keras.optimizers.SGD(0.1, momentum=0.9), weight_decay=0.01)
    return method


def train(method, strategy, first=0, last=STEPS, known=False):
    """Takes the steps from `first` to `last`, as a loop does that knows their numbers or not; returns what they log."""
    replicas = strategy.num_replicas_in_sync
    data = np.stack(pairs()[first:last])
    shards = data.reshape(len(data), 2, replicas, -1, 4, 4, 1).swapaxes(1, 2).reshape(-1, 2, 8 // replicas, 4, 4, 1)

    def dataset(context=None):
        return tf.data.Dataset.from_tensor_slices((shards[:, 0], shards[:, 1]))

    iterator, logs = iter(strategy.distribute_datasets_from_function(dataset) if replicas > 1 else dataset()), []
    for number in range(first, last):
        step = method.step_function_at(number + 1) if known else method.step_function
        logs.append({name: float(value) for name, value in step(iterator).items()})
    return logs


def values(method):
    return [v.numpy() for v in (*method.peers["peer_0"].variables, *method.discriminator.variables)]


def far(targets, outputs, terms):
    """A condition that is computed in the step: the images are far from their pairs."""
    return terms["peer_0/pair"] > 3.0


@pytest.fixture(scope="module")
def one():
    return tf.distribute.get_strategy()


@pytest.mark.parametrize(
    ("every", "when", "known"),
    [(1, None, False), (2, None, False), (1, far, False), (2, far, False), (2, None, True), (2, far, True)],
)
def test_updates_are_those_of_a_hand_written_loop(every, when, known, one):
    method = cohort(one, every=every, when=when)
    logs = train(method, one, known=known)
    wished = {number for number, log in enumerate(logs, start=1) if when is None or log["peer_0/pair"] > 3.0}
    assert when is None or 0 < len(wished) < STEPS
    expected = by_hand({number for number in wished if number % every == 0}, decay=0.01)
    for found, value in zip(values(method), expected, strict=True):
        np.testing.assert_allclose(found, value, rtol=2e-5, atol=2e-6)
    assert int(method.update.optimizers[1].iterations.numpy()) == len([n for n in wished if n % every == 0])


@pytest.mark.parametrize(("when", "counts"), [(None, None), (None, "all"), (far, "own")])
def test_a_step_whose_number_is_known_is_the_same_bit_by_bit(when, counts, one):
    methods = [cohort(one, every=3, when=when, counts=counts) for _ in range(2)]
    logs = [train(method, one, known=known) for method, known in zip(methods, (False, True), strict=True)]
    assert logs[0] == logs[1]
    for a, b in zip(*([*m.variables, *m.update.optimizers[1].variables] for m in methods), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)


def test_no_gradient_is_computed_of_a_player_that_rests(one):
    """Nor is anything of it changed and taken back: the step has fewer operations of both kinds."""
    method, (images, targets) = cohort(one, every=2), pairs()[0]

    def operations(resting):
        step = tf.function(lambda data: method._step_with(data, resting), autograph=False)
        graph = step.get_concrete_function((images, targets)).graph
        counts = collections.Counter(op.type for op in graph.get_operations())
        return counts["Conv2DBackpropFilter"], counts["AssignVariableOp"], counts["SelectV2"]

    assert method.update.resting(1) == {"discriminator"} and method.update.resting(2) == frozenset()
    rests, steps, unknown = (operations(each) for each in ({"discriminator"}, frozenset(), None))
    assert rests[0] < steps[0] == unknown[0] and rests[1] < steps[1] < unknown[1]
    assert rests[2] == steps[2] < unknown[2]
    assert cohort(one).update.resting(1) is None


def test_no_player_moves_another(one):
    """The adversarial term has a gradient in the discriminator, and a rate of zero must keep it where it is."""
    method = cohort(one)
    before = [v.numpy() for v in method.discriminator.variables]
    method.update.optimizers[1].learning_rate = 0.0
    train(method, one, 0, 1)
    for found, value in zip(method.discriminator.variables, before, strict=True):
        np.testing.assert_array_equal(found.numpy(), value)


@pytest.mark.parametrize(("every", "when", "known"), [(2, None, False), (2, None, True), (1, far, False)])
def test_one_replica_is_two(every, when, known, one, mirrored):
    methods = cohort(one, every=every, when=when), cohort(mirrored, every=every, when=when)
    with variable_order.executed_graphs() as graphs:
        logs = train(methods[0], one, known=known), train(methods[1], mirrored, known=known)
    assert variable_order.unordered(graphs) == []
    if when is None:  # The halves of a batch may be on two sides of a condition.
        for found, value in zip(values(methods[1]), values(methods[0]), strict=True):
            np.testing.assert_allclose(found, value, rtol=1e-4, atol=1e-5)
        for a, b in zip(*logs, strict=True):
            assert a == pytest.approx(b, rel=1e-4)
    else:
        copies = [v.value.values for v in methods[1].discriminator.variables]
        for first, second in copies:
            np.testing.assert_array_equal(first.numpy(), second.numpy())


def test_a_run_goes_on_bit_by_bit(one, tmp_path):
    whole = cohort(one, every=2, when=far)
    train(whole, one)
    part = cohort(one, every=2, when=far)
    train(part, one, 0, 3)
    Checkpoints(tmp_path, part).save({"step": 3, "chosen": None})
    resumed = cohort(one, every=2, when=far, seed=5)
    assert Checkpoints(tmp_path, resumed).restore()["step"] == 3
    train(resumed, one, 3)
    for found, value in zip(values(resumed), values(whole), strict=True):
        np.testing.assert_array_equal(found, value)


def test_in_bfloat16_it_stays_close(one):
    expected = cohort(one, every=2)
    train(expected, one)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        method = cohort(one, every=2)
        assert method.discriminator.layers[1].compute_dtype == "bfloat16"
        train(method, one)
    finally:
        keras.config.set_dtype_policy(policy)
    for found, value in zip(values(method), values(expected), strict=True):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, value, atol=0.05)


def test_a_player_that_pauses_without_an_optimizer_is_refused():
    with pytest.raises(ValueError, match=r"needs an optimizer of its own. Received: critic"):
        Player("critic", [], every=2)
    with pytest.raises(ValueError, match=r"n at least 1. Received: every=0"):
        Player("critic", [], every=0)
