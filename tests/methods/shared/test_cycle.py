"""Multi-granularity without pairs: the steps of both turns against a loop written by hand, in its order."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf.errors import UserError
from odtf.methods import OnlineMultiGranularity
from odtf.methods.shared.peers import peer_seed
from odtf.methods.shared.turns import IMITATION, TEACHERS
from odtf.tasks import Translation
from odtf.training.checkpoints import Checkpoints
from odtf.training.schedules import LinearByEpoch
from tests import variable_order
from tests.methods.shared.test_image_pool import by_hand as drawn_by_hand
from tests.methods.test_online_multi_granularity import (
    BATCH,
    BETAS,
    EPSILON,
    RATE,
    SIZE,
    WEIGHTS,
    channels,
    few_maps,
    generator,
    imitation,
    mean_distance,
    values,
)

POOL = 4
# The epochs, of one step each, whose turn is whose.
TURNS = {"teacher_epochs": 3, "turn_epochs": 2, "teachers_every": 1}
WHOSE = [TEACHERS, TEACHERS, IMITATION, IMITATION, TEACHERS, IMITATION, IMITATION]
# The rate of each: constant for one epoch of the teacher's, then down in three; the student has the teacher's last.
RATES = [RATE, RATE * 2 / 3, RATE * 2 / 3, RATE * 2 / 3, RATE / 3, RATE / 3, RATE / 3]


def few_numbers(pixels):
    """Grey levels of four places."""
    return keras.ops.reshape(keras.ops.mean(pixels[:, 6::12, 6::12], axis=-1), (-1, 4)) / 255.0


def make(norm="instance", synchronized=False, *, compiled=True, **options):
    network = functools.partial(generator, norm=norm, synchronized=synchronized)
    task = Translation(paired=False, features=f"{__file__}:few_numbers")
    given = {"wide_network": functools.partial(network, 4), "features": few_maps, "discriminator_width": 3, **WEIGHTS}
    given |= {"discriminator_norm": norm, "pool_size": POOL, **TURNS, **options}
    method = OnlineMultiGranularity(network, task=task, synchronized=synchronized, **given)
    if compiled:
        optimizer = keras.optimizers.Adam(LinearByEpoch(RATE, 1, 1, 3), *BETAS, epsilon=EPSILON)
        method.compile(optimizer, steps_per_epoch=1, run_eagerly=True)
    return method


@functools.cache
def batches(count=7):
    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (count, BATCH, SIZE, SIZE, 3)).astype("float32")
    return images, random.integers(0, 256, images.shape).astype("uint8"), np.ones((count, BATCH, 2), "float32")


def train(method, first, last, judged=True):
    """An epoch of a step each, with what validation finds after it; returns what the steps log."""
    logs = []
    for number in range(first, last):
        images, pictures, counted = (part[number : number + 1] for part in batches())
        data = tf.data.Dataset.from_tensor_slices((images, {"picture": pictures, "counted": counted}))
        method.begin_epoch(number)
        logs.append({name: float(value) for name, value in method.step_function(iter(data)).items()})
        if judged:  # At the end of the second turn the other direction alone is better.
            there, back = {1: (3.0, 5.0), 4: (4.0, 4.5)}.get(number, (0.0, 0.0))
            method.after_validation({"wide/frechet_few_numbers": there, "back/frechet_few_numbers": back})
    return logs


class ByHand:
    """The released loop of addendum A.5 on the networks of a method that is made alike: generators first, then both
    discriminators, with pools of lists; the student after them, with the teacher that was stored."""

    def __init__(self, norm):
        self.nets = make(norm, compiled=False)
        self.g, self.f, self.student = self.nets.peers["wide"], self.nets.back, self.nets.peers["peer_0"]
        self.d, self.e = self.nets.wide_discriminator, self.nets.back_discriminator
        adapted = [v for adapter in self.nets.adapters.values() for v in adapter.trainable_variables]
        self.groups = {
            "generators": [*self.g.trainable_variables, *self.f.trainable_variables],
            "discriminators": [*self.d.trainable_variables, *self.e.trainable_variables],
            "student": [*self.student.trainable_variables, *adapted],
        }
        self.moments = {id(v): [0.0, 0.0, 0] for group in self.groups.values() for v in group}
        self.pools = {"wide": [], "back": []}

    def query(self, name, index, made, step):
        seeds = tf.random.split(tf.constant([peer_seed(0, index), step], tf.int64), 2)
        luck = tf.random.stateless_uniform((BATCH,), seeds[0]).numpy()
        places = tf.random.stateless_uniform((BATCH,), seeds[1], maxval=POOL, dtype=tf.int32).numpy()
        return tf.constant(drawn_by_hand(self.pools[name], made.numpy(), luck, places))

    def teachers(self, step, x, y):
        g, f = (lambda z, net=net: net(z, training=True)["image"] for net in (self.g, self.f))
        d, e = (lambda z, net=net: net(z, training=True)["patches"] for net in (self.d, self.e))
        losses = {}
        with tf.GradientTape() as tape:
            fake_y = g(x)
            cycled_x = f(fake_y)
            fake_x = f(y)
            cycled_y = g(fake_x)
            losses["wide"] = tf.reduce_mean((d(fake_y) - 1) ** 2) + 10 * mean_distance(cycled_x, x)
            losses["wide"] += 5 * mean_distance(g(y), y)
            losses["back"] = tf.reduce_mean((e(fake_x) - 1) ** 2) + 10 * mean_distance(cycled_y, y)
            losses["back"] += 5 * mean_distance(f(x), x)
            both = losses["wide"] + losses["back"]
        gradients = {"generators": tape.gradient(both, self.values("generators"))}
        self.adam("generators", gradients["generators"], RATES[step])
        with tf.GradientTape() as tape:
            seen_y, seen_x = self.query("wide", 7, fake_y, step), self.query("back", 8, fake_x, step)
            losses["discriminators"] = sum(
                0.5 * (tf.reduce_mean((judge(real) - 1) ** 2) + tf.reduce_mean(judge(seen) ** 2))
                for judge, real, seen in ((d, y, seen_y), (e, x, seen_x))
            )
        gradients["discriminators"] = tape.gradient(losses["discriminators"], self.values("discriminators"))
        self.adam("discriminators", gradients["discriminators"], RATES[step])
        return gradients, losses

    def learn(self, step, x):
        with tf.GradientTape() as tape:
            taught, taps = (net(x, training=True) for net in (self.nets.teacher, self.student))
            loss = imitation(taps["image"], taught["image"]) + channels(self.nets.adapters, taps, taught)
        gradients = tape.gradient(loss, self.values("student"))
        self.adam("student", gradients, RATES[step])
        return {"student": gradients}, {"peer_0": loss}

    def values(self, name):
        return [v.value for v in self.groups[name]]

    def adam(self, name, gradients, rate):
        for v, gradient in zip(self.groups[name], gradients, strict=True):
            first, second, count = self.moments[id(v)]
            count += 1
            first = BETAS[0] * first + (1 - BETAS[0]) * gradient.numpy().astype("float64")
            second = BETAS[1] * second + (1 - BETAS[1]) * gradient.numpy().astype("float64") ** 2
            self.moments[id(v)] = [first, second, count]
            # Keras puts the epsilon beside the uncorrected second moment.
            step = rate * np.sqrt(1 - BETAS[1] ** count) / (1 - BETAS[0] ** count)
            v.assign(v.numpy() - step * first / (np.sqrt(second) + EPSILON))


@pytest.mark.parametrize(("norm", "steps"), [("instance", 7), ("batch", 3)])
def test_whole_steps_of_all_turns_are_those_of_a_loop_by_hand(norm, steps, monkeypatch):
    """All gradients, losses, updates, rates and pools; each step from the same weights."""
    method, oracle, recorded = make(norm), ByHand(norm), []
    apply = method.update.apply

    def recording(gradients, *args, **kwargs):
        recorded.append([None if g is None else g.numpy() for g in gradients])
        return apply(gradients, *args, **kwargs)

    monkeypatch.setattr(method.update, "apply", recording)
    ours, theirs = method.trainable_variables, oracle.nets.trainable_variables
    pools = {"wide": ("wide_pool", "wide_pool_count"), "back": ("back_pool", "back_pool_count")}
    for step in range(steps):
        images, pictures, _ = (part[step] for part in batches())
        x, y = tf.constant(images), tf.constant(pictures.astype("float32") / 127.5 - 1.0)
        method.begin_epoch(step)
        assert method.phase == WHOSE[step] and method.current_rate == pytest.approx(RATES[step])
        log = train(method, step, step + 1)[0]
        gradients, losses = oracle.teachers(step, x, y) if WHOSE[step] == TEACHERS else oracle.learn(step, x)
        for name, loss in losses.items():
            found = sum(value for key, value in log.items() if key.startswith(f"{name}/"))
            assert found == pytest.approx(float(loss), rel=1e-4), name
        wanted = {id(v): g for name in gradients for v, g in zip(oracle.groups[name], gradients[name], strict=True)}
        for v, w, found in zip(ours, theirs, recorded[-1], strict=True):
            assert (found is None) == (id(w) not in wanted), v.path
            if found is not None:
                expected = wanted[id(w)].numpy()
                scale = max(np.abs(expected).max(), 1e-2)  # Before instance norm a bias has none.
                np.testing.assert_allclose(found / scale, expected / scale, atol=2e-3, err_msg=f"{step} {v.path}")
        for v, w in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(v.numpy(), w.numpy(), atol=2e-4, err_msg=f"{step} {v.path}")
        for name, (pool, count) in pools.items():
            held = {v.name: v.numpy() for v in method.variables if v.name in (pool, count)}
            assert held[count] == len(oracle.pools[name]) <= POOL
            if held[count]:
                np.testing.assert_allclose(held[pool][: held[count]], np.stack(oracle.pools[name]), atol=1e-4)
            oracle.pools[name] = list(held[pool][: held[count]])
        # Rounding grows from step to step; and what was stored is judged below.
        for v, w in zip(method.variables, oracle.nets.variables, strict=True):
            w.assign(v)
    iterations = [int(optimizer.iterations) for optimizer in method.update.optimizers]
    teachers = WHOSE[:steps].count(TEACHERS)
    assert iterations == [steps, teachers, teachers, steps - teachers]


@pytest.mark.parametrize("best", ["either_direction", "own_direction"])
def test_the_teacher_is_what_was_stored_at_its_best(best):
    method = make(best_teacher=best, features=None, style_weight=0.0, feature_weight=0.0)

    def same():
        pairs = zip(method.teacher.variables, method.peers["wide"].variables, strict=True)
        return all(np.array_equal(a.numpy(), b.numpy()) for a, b in pairs)

    assert same()
    train(method, 0, 1)
    assert not same()  # It is judged at the end of a turn.
    train(method, 1, 2)
    assert same()
    stored = [v.numpy() for v in method.teacher.variables]
    train(method, 2, 4)
    assert same()
    train(method, 4, 5)
    assert same() == (best == "either_direction")  # The other direction alone is better.
    if best == "own_direction":
        for v, before in zip(method.teacher.variables, stored, strict=True):
            np.testing.assert_array_equal(v.numpy(), before)
    assert not method.teacher.trainable_variables


def test_the_other_direction_is_judged_by_images_for_pictures():
    method = make(features=None, style_weight=0.0, feature_weight=0.0)
    images, pictures, counted = (part[0] for part in batches())
    examples = [
        (tf.constant(images), {"picture": tf.constant(pictures), "counted": tf.constant(counted)}, tf.ones(BATCH))
    ]
    method.begin_epoch(0)
    method.optimizer.iterations.assign(1)
    assert method.extra_values("validation", lambda split: examples) == {}
    method.optimizer.iterations.assign(2)
    found = method.extra_values("validation", lambda split: examples)
    swapped = np.float32(pictures) / 127.5 - 1.0, np.rint(127.5 * (images + 1.0)).astype("uint8")
    method.peers["wide"].set_weights(method.back.get_weights())
    expected = method.measure([(swapped[0], {"picture": swapped[1], "counted": counted[:, ::-1]}, np.ones(BATCH))])
    assert found == {"back/frechet_few_numbers": pytest.approx(expected["wide/frechet_few_numbers"], rel=1e-4)}


def test_a_student_does_not_learn_from_what_no_validation_has_seen():
    method = make()
    train(method, 0, 2, judged=False)
    with pytest.raises(UserError, match="fit needs validation_data"):
        method.begin_epoch(2)
    with pytest.raises(UserError, match=r"best_teacher='own_direction' would do there. Received: no back/frechet"):
        method.after_validation({"wide/frechet_few_numbers": 1.0})


def test_steps_of_a_run_that_goes_on_are_bit_by_bit_the_same(tmp_path):
    """In either turn."""
    options = {"features": None, "style_weight": 0.0, "feature_weight": 0.0}
    whole = make(**options)
    train(whole, 0, 7)
    expected = values(whole)
    for stop in (2, 3, 5):
        part = make(**options)
        train(part, 0, stop)
        Checkpoints(tmp_path / str(stop), part).save({"step": stop, "chosen": None})
        resumed = make(seed=0, **options)
        assert Checkpoints(tmp_path / str(stop), resumed).restore()["step"] == stop
        train(resumed, stop, 7)
        for name, found in values(resumed).items():
            np.testing.assert_array_equal(found, expected[name], err_msg=f"{stop} {name}")


def test_one_replica_is_two(mirrored):
    """Each sees half of the images; the pools, and the moments of batch norms, are those of the whole batch."""
    results = []
    for strategy in (tf.distribute.get_strategy(), mirrored):
        replicas = strategy.num_replicas_in_sync
        with strategy.scope():
            method = make("batch", synchronized=replicas > 1, pool_size=3)
        logs = []
        for number in range(3):
            shards = [part[number].reshape(replicas, BATCH // replicas, *part.shape[2:]) for part in batches()]
            data = tf.data.Dataset.from_tensor_slices((shards[0], {"picture": shards[1], "counted": shards[2]}))
            method.begin_epoch(number)
            each = strategy.distribute_datasets_from_function(lambda context, data=data: data) if replicas > 1 else data
            logs.append({name: float(value) for name, value in method.step_function(iter(each)).items()})
            method.after_validation({"wide/frechet_few_numbers": 1.0, "back/frechet_few_numbers": 1.0})
        results.append((logs, values(method)))
    for one, two in zip(results[0][0], results[1][0], strict=True):
        assert one == pytest.approx(two, rel=1e-3, abs=1e-3)
    assert results[0][1].keys() == results[1][1].keys()
    for name, value in results[0][1].items():
        np.testing.assert_allclose(results[1][1][name], value, atol=2e-3, rtol=1e-2, err_msg=name)


def test_nothing_in_the_graph_of_a_step_is_unordered():
    method = make(features=None, style_weight=0.0, feature_weight=0.0)
    method.run_eagerly = False
    with variable_order.executed_graphs() as graphs:
        train(method, 0, 3)
    assert graphs and variable_order.unordered(graphs) == []


def test_held_out_examples_have_a_loss_in_either_turn():
    method = make()
    images, pictures, counted = (part[0] for part in batches())
    train(method, 0, 2)
    # The adapters' moving statistics, which nothing reads, move whenever they are called.
    unread = {id(v) for adapter in method.adapters.values() for v in adapter.variables}
    kept = [v for v in method.variables if id(v) not in unread]
    state = [v.numpy() for v in kept]
    for epoch, begins in ((1, ("wide/", "back/", "discriminators/")), (2, ("peer_0/",))):
        method.begin_epoch(epoch)
        found = method.test_on_batch(images, {"picture": pictures, "counted": counted}, return_dict=True)
        terms = {k: v for k, v in found.items() if "/" in k and "frechet" not in k}
        assert all(any(key.startswith(each) for key in terms) for each in begins) and found["loss"] > 0
        assert found["loss"] == pytest.approx(sum(terms.values()), rel=1e-5)
    for v, before in zip(kept, state, strict=True):
        np.testing.assert_array_equal(v.numpy(), before, err_msg=v.path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"deep_network": generator}, "the wide_network alone, without a deep_network.*Received: wide and deep"),
        ({"alone": True, "wide_network": None}, "not alone. Received: neither, alone=True"),
        ({"wide_network": None}, r"Without pairs \(paired=False\) the student learns from the wide_network"),
        ({"teacher_epochs": 0, "turn_epochs": None}, "teacher_epochs must be 1 or more"),
        ({"turn_epochs": 0}, "turn_epochs must be an integer of at least 1. Received: 0"),
        ({"pool_size": 0}, "pool_size must be an integer of at least 1. Received: 0"),
        ({"best_teacher": "both"}, "best_teacher is either_direction or own_direction. Received: 'both'"),
        ({"cycle_weight": -1.0}, "must not be negative. Received: cycle_weight=-1.0"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make(compiled=False, **options)


def test_turns_are_refused_where_there_are_pairs():
    with pytest.raises(ValueError, match=r"Turns are for images without pairs.*Received: turn_epochs=2"):
        OnlineMultiGranularity(generator, task=Translation(), wide_network=generator, teacher_epochs=3, turn_epochs=2)


def test_a_schedule_needs_to_know_an_epoch():
    method = make(compiled=False)
    with pytest.raises(ValueError, match="steps_per_epoch=N"):
        method.compile(keras.optimizers.Adam(LinearByEpoch(RATE, 1, 1, 3)))
    method.compile(keras.optimizers.Adam(RATE))
