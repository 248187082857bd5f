"""Online multi-granularity distillation: its steps against a loop written by hand, with losses of its own."""

import functools
import inspect
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf.methods import OnlineMultiGranularity
from odtf.methods.shared.turns import Turns
from odtf.models import heads
from odtf.models.backbones.unet_generator import unet_generator
from odtf.tasks import Translation
from odtf.training.checkpoints import Checkpoints
from tests import variable_order

SIZE, BATCH, EVERY = 24, 2, 2
WEIGHTS = {"channel_weight": 50.0, "style_weight": 300.0, "variation_weight": 1e-3}
# Adam whose steps are not signs of rounding where a gradient is zero, as of biases before instance norm.
RATE, BETAS, EPSILON = 0.01, (0.5, 0.999), 1e-3


def few_maps(images):
    """Two maps of fixed convolutions."""
    maps, random = [(images + 1.0) / 2.0], np.random.default_rng(7)
    for filters in (4, 5):
        kernel = random.normal(0, 0.3, (3, 3, maps[-1].shape[-1], filters)).astype("float32")
        maps.append(tf.nn.relu(tf.nn.conv2d(maps[-1], kernel, 2, "SAME")))
    return maps[1:]


def generator(width=2, deep=False, norm="batch", synchronized=False, *, seed, name):
    options = {"levels": 3, "width": width, "deep": deep, "norm": norm, "synchronized": synchronized}
    return unet_generator((SIZE, SIZE, 3), heads.Image(3), seed=seed, name=name, **options)


def make(norm="batch", synchronized=False, *, compiled=True, schedule=RATE, **options):
    network = functools.partial(generator, norm=norm, synchronized=synchronized)
    given = {
        "wide_network": functools.partial(network, 4),
        "deep_network": functools.partial(network, deep=True),
        "features": few_maps,
        "teachers_every": EVERY,
        "discriminator_norm": norm,
        "discriminator_width": 3,
        "shared_blocks": 3,
        **WEIGHTS,
        **options,
    }
    if options.get("alone"):
        given |= {"wide_network": None, "deep_network": None}
    method = OnlineMultiGranularity(network, task=Translation(), synchronized=synchronized, **given)
    if compiled:
        optimizer = keras.optimizers.Adam(schedule, *BETAS, epsilon=EPSILON)
        method.compile(optimizer, steps_per_epoch=2, run_eagerly=True)
    return method


@functools.cache
def batches(count=6):
    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (count, BATCH, SIZE, SIZE, 3)).astype("float32")
    return images, random.integers(0, 256, images.shape).astype("uint8")


def train(method, first=0, last=4):
    """Takes steps; returns what they log."""
    images, pictures = batches()
    iterator = iter(tf.data.Dataset.from_tensor_slices((images[first:last], pictures[first:last])))
    step = method.step_function
    return [{name: float(value) for name, value in step(iterator).items()} for _ in range(first, last)]


def values(method):
    """All that a run has: variables of networks and adapters, and the state of every optimizer."""
    found = {f"{i} {v.path}": v.numpy() for i, v in enumerate(method.variables)}
    for number, optimizer in enumerate(method.update.optimizers):
        found |= {f"optimizer {number}, {i}": v.numpy() for i, v in enumerate(optimizer.variables)}
    return found


# The loop by hand ---------------------------------------------------------------------------------------------------


def ssim(x, y):
    position = np.arange(11) - 5
    window = np.exp(-(position**2) / (2 * 1.5**2))
    window = (window / window.sum()).astype("float32")
    kernel = np.tile(np.outer(window, window)[:, :, None, None], (1, 1, 3, 1))

    def blur(z):
        return tf.nn.depthwise_conv2d(tf.pad(z, ((0, 0), (5, 5), (5, 5), (0, 0))), kernel, (1, 1, 1, 1), "VALID")

    a, b = blur(x), blur(y)
    variances, covariance = blur(x * x) - a * a + blur(y * y) - b * b, blur(x * y) - a * b
    return tf.reduce_mean((2 * a * b + 1e-4) / (a * a + b * b + 1e-4) * (2 * covariance + 9e-4) / (variances + 9e-4))


def gram(x):
    return tf.einsum("bhwc,bhwd->bcd", x, x) / float(np.prod(x.shape[1:]))


def mean_distance(x, y):
    return tf.reduce_mean(tf.abs(x - y))


def imitation(s, t):
    """L_KD of a student's images from constants, with the weights of this file."""
    t = tf.constant(t.numpy())
    ours, theirs = few_maps(s), few_maps(t)
    variation = tf.reduce_sum(tf.abs(s[:, 1:] - s[:, :-1])) + tf.reduce_sum(tf.abs(s[:, :, 1:] - s[:, :, :-1]))
    return (
        10 * (1 - ssim(s, t))
        + 300 * sum(mean_distance(gram(a), gram(b)) for a, b in zip(ours, theirs, strict=True))
        + 10 * mean_distance(ours[1], theirs[1])
        + 1e-3 * variation
    )


def channels(adapters, taps, teacher):
    """L_CD: a sum over the taps of the mean over batch and channels."""
    terms = []
    for tap, adapter in adapters.items():
        means = tf.reduce_mean(adapter(taps[tap], training=True), (1, 2))
        terms.append(tf.reduce_mean((means - tf.reduce_mean(tf.constant(teacher[tap].numpy()), (1, 2))) ** 2))
    return 50 * sum(terms)


class ByHand:
    """The step of addendum A.5, in its order, on the networks of a method that is made alike.

    Every network is differentiated under a tape of its own, and the discriminator is asked once for itself and once
    for each generator.
    """

    def __init__(self, norm):
        self.nets = make(norm, compiled=False)
        self.student, self.wide, self.deep = self.nets.peers.values()
        self.adapters, self.d = self.nets.adapters, self.nets.discriminator
        adapted = [v for adapter in self.adapters.values() for v in adapter.trainable_variables]
        self.groups = {
            "student": [*self.student.trainable_variables, *adapted],
            "discriminator": self.d.trainable_variables,
            "wide": self.wide.trainable_variables,
            "deep": self.deep.trainable_variables,
        }
        self.moments = {id(v): [0.0, 0.0, 0] for group in self.groups.values() for v in group}

    def judge(self, x, y, route):
        return self.d(tf.concat([x, y], -1), training=True)[route]

    def step(self, number, x, picture):
        """Returns the gradients of every group and the losses of the step with this number, from 1."""
        y = tf.constant(picture.astype("float32") / 127.5 - 1.0)
        x, gradients, losses = tf.constant(x), {}, {}
        with tf.GradientTape(persistent=True) as tape:
            taps = {name: getattr(self, name)(x, training=True) for name in ("student", "wide", "deep")}
            made = {name: taps[name]["image"] for name in ("wide", "deep")}
            for name in made:
                against_d = -tf.reduce_mean(self.judge(x, made[name], name))
                losses[name] = against_d + 100 * mean_distance(made[name], y)
            losses["student"] = sum(imitation(taps["student"]["image"], t) for t in made.values())
            losses["student"] += channels(self.adapters, taps["student"], taps["wide"])
        with tf.GradientTape() as own:
            parts = []
            for name in made:
                fake = self.judge(x, tf.constant(made[name].numpy()), name)
                true = self.judge(x, y, name)
                parts.append(-tf.reduce_mean(tf.minimum(0.0, -fake - 1)) - tf.reduce_mean(tf.minimum(0.0, true - 1)))
            losses["discriminator"] = 0.5 * sum(parts)
        gradients["discriminator"] = own.gradient(losses["discriminator"], self.values("discriminator"))
        for name in ("wide", "deep", "student"):
            gradients[name] = tape.gradient(losses[name], self.values(name))
        if number % EVERY == 0:
            for name in ("discriminator", "wide", "deep"):
                self.adam(name, gradients[name])
        self.adam("student", gradients["student"])
        return gradients, losses

    def values(self, name):
        return [v.value for v in self.groups[name]]

    def adam(self, name, gradients):
        for v, gradient in zip(self.groups[name], gradients, strict=True):
            first, second, count = self.moments[id(v)]
            count += 1
            first = BETAS[0] * first + (1 - BETAS[0]) * gradient.numpy().astype("float64")
            second = BETAS[1] * second + (1 - BETAS[1]) * gradient.numpy().astype("float64") ** 2
            self.moments[id(v)] = [first, second, count]
            # Keras puts the epsilon beside the uncorrected second moment.
            rate = RATE * np.sqrt(1 - BETAS[1] ** count) / (1 - BETAS[0] ** count)
            v.assign(v.numpy() - rate * first / (np.sqrt(second) + EPSILON))


@pytest.mark.parametrize(("norm", "steps"), [("batch", 3), ("instance", 2)])
def test_whole_steps_are_those_of_a_loop_by_hand(norm, steps, monkeypatch):
    """All gradients, losses and updates, and the moving statistics of the generators; each from the same weights."""
    method, oracle, recorded = make(norm), ByHand(norm), []
    apply = method.update.apply

    def recording(gradients, *args, **kwargs):
        recorded.append([g.numpy() for g in gradients])
        return apply(gradients, *args, **kwargs)

    monkeypatch.setattr(method.update, "apply", recording)
    ours, theirs = method.trainable_variables, oracle.nets.trainable_variables
    before = [v.numpy() for v in ours]
    for number in range(1, steps + 1):
        log = train(method, number - 1, number)[0]
        gradients, losses = oracle.step(number, *(part[number - 1] for part in batches()))
        named = {"student": "peer_0/", "wide": "wide/", "deep": "deep/", "discriminator": "discriminator/"}
        for name, prefix in named.items():
            found = sum(v for key, v in log.items() if key.startswith(prefix) and not key.endswith("psnr"))
            assert found == pytest.approx(float(losses[name]), rel=1e-4), name
        wanted = {id(v): g for name in oracle.groups for v, g in zip(oracle.groups[name], gradients[name], strict=True)}
        assert len(wanted) == len(theirs)
        for v, w, found in zip(ours, theirs, recorded[-1], strict=True):
            expected = wanted[id(w)].numpy()
            scale = max(np.abs(expected).max(), 1e-2)  # Before instance norm a bias has none.
            np.testing.assert_allclose(found / scale, expected / scale, atol=2e-3, err_msg=f"{number} {v.path}")
        for name in method.peers:
            pairs = zip(method.peers[name].variables, oracle.nets.peers[name].variables, strict=True)
            for v, w in pairs:
                np.testing.assert_allclose(v.numpy(), w.numpy(), atol=2e-4, err_msg=f"{number} {name} {v.path}")
        for v, w in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(v.numpy(), w.numpy(), atol=2e-4, err_msg=f"{number} {v.path}")
        if number == 1:  # The teachers' part begins with step 2.
            still = {id(v) for name in ("wide", "deep", "discriminator") for v in oracle.groups[name]}
            for v, w, start in zip(ours, theirs, before, strict=True):
                assert np.array_equal(v.numpy(), start) == (id(w) in still), v.path
        # Rounding grows from step to step: a ReLU that turns moves a gradient.
        for v, w in zip(method.variables, oracle.nets.variables, strict=True):
            w.assign(v)


# Forms of the method ------------------------------------------------------------------------------------------------


def moved(method, step):
    """Names of the networks, "adapters" and "discriminator", that a step trains."""
    networks = {**method.peers, "discriminator": method.discriminator}
    networks |= {"adapters": next(iter(method.adapters.values()))} if method.adapters else {}
    before = {name: [v.numpy() for v in network.trainable_variables] for name, network in networks.items()}
    train(method, step, step + 1)
    return {
        name
        for name, network in networks.items()
        if any((v.numpy() != old).any() for v, old in zip(network.trainable_variables, before[name], strict=True))
    }


PUPIL = {"peer_0", "adapters"}


@pytest.mark.parametrize(
    ("options", "trained", "terms"),
    [
        ({"deep_network": None}, PUPIL | {"wide", "discriminator"}, {"wide"}),
        ({"wide_network": None}, {"peer_0", "deep", "discriminator"}, {"deep"}),
        ({"channel_weight": 0.0, "deep_network": None}, {"peer_0", "wide", "discriminator"}, {"wide"}),
        ({"alone": True}, {"peer_0", "discriminator"}, set()),
    ],
)
def test_ablations(options, trained, terms):
    method = make("instance", teachers_every=1, **options)
    assert moved(method, 0) == trained
    log = train(method, 1, 2)[0]
    own = {name.removeprefix("peer_0/") for name in log if name.startswith("peer_0/")} - {"psnr"}
    kinds = {f"{name}_{kind}" for name in terms for kind in ("structure", "style", "features", "variation")}
    kinds |= {"wide_channels"} if "adapters" in trained else set()
    assert own == (kinds or {"supervised", "adversarial"})
    assert len(method.update.optimizers) == len(trained - {"adapters"})
    assert method.students == ("peer_0",)
    assert set(method.measure(*(part[0] for part in batches()))) == {
        f"{name}/{metric}" for name in method.peers for metric in ("psnr", "ssim")
    }


def test_two_stages_train_the_teachers_first_and_then_leave_them_alone():
    method = make(teacher_epochs=1, deep_network=None)
    statistics = [v.numpy() for v in method.peers["peer_0"].non_trainable_variables]
    method.begin_epoch(0)
    assert moved(method, 0) == {"wide", "discriminator"}
    for v, before in zip(method.peers["peer_0"].non_trainable_variables, statistics, strict=True):
        np.testing.assert_array_equal(v.numpy(), before)
    method.begin_epoch(1)
    assert moved(method, 1) == PUPIL
    spans = OnlineMultiGranularity.epochs_of({"teacher_epochs": 1, "wide_network": {}}, {}, 3)
    assert spans == {"wide": (0, 1), "peer_0": (1, 3)}


def test_rates_of_all_are_those_of_the_step():
    """The teachers' optimizers count their own steps alone: of three, the first takes place in step 3."""
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([1, 4], [0.1, 0.01, 0.001])
    method = make("instance", schedule=schedule, teachers_every=3)
    rates = [float(optimizer.learning_rate) for optimizer in method.update.optimizers]
    assert rates == pytest.approx([0.1, 0.01, 0.01, 0.01])
    for optimizer in method.update.optimizers[1:]:
        optimizer.iterations.assign(1)
    rates = [float(optimizer.learning_rate) for optimizer in method.update.optimizers[1:]]
    assert rates == pytest.approx([0.001] * 3)


def test_a_run_goes_on_bit_by_bit(tmp_path):
    whole = make(deep_network=None)
    train(whole)
    part = make(deep_network=None)
    train(part, 0, 3)
    Checkpoints(tmp_path, part).save({"step": 3, "chosen": None})
    resumed = make(deep_network=None, seed=5)
    assert Checkpoints(tmp_path, resumed).restore()["step"] == 3
    train(resumed, 3, 4)
    expected = values(whole)
    for name, found in values(resumed).items():
        np.testing.assert_array_equal(found, expected[name], err_msg=name)


def test_one_replica_is_two(mirrored):
    """With normalisation over all replicas; that a pause is the same on all, tests/methods/test_players.py shows."""
    results = []
    for strategy in (tf.distribute.get_strategy(), mirrored):
        replicas = strategy.num_replicas_in_sync
        with strategy.scope():
            method = make(synchronized=replicas > 1, deep_network=None, teachers_every=1)

        def dataset(context=None, replicas=replicas):
            shards = [part.reshape(-1, BATCH // replicas, *part.shape[2:]) for part in batches()]
            return tf.data.Dataset.from_tensor_slices(tuple(shards))

        iterator = iter(strategy.distribute_datasets_from_function(dataset) if replicas > 1 else dataset())
        log = {name: float(value) for name, value in method.step_function(iterator).items()}
        results.append((log, values(method)))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-4, abs=1e-4)
    assert results[0][1].keys() == results[1][1].keys()
    for name, value in results[0][1].items():
        np.testing.assert_allclose(results[1][1][name], value, atol=3e-4, rtol=1e-3, err_msg=name)


def test_nothing_in_the_graph_of_a_step_is_unordered():
    method = make("instance", deep_network=None, features=None, style_weight=0.0, feature_weight=0.0)
    method.run_eagerly = False
    with variable_order.executed_graphs() as graphs:
        train(method, 0, 2)
    assert graphs and variable_order.unordered(graphs) == []


def test_held_out_examples_have_a_loss():
    method = make("instance", deep_network=None)
    images, pictures = (part[0] for part in batches())
    found = method.test_on_batch(images, pictures, return_dict=True)
    assert found["loss"] == pytest.approx(sum(v for k, v in found.items() if k.count("/") and not _is_metric(k)))
    assert method.predict_on_batch(images).shape == images.shape


def test_in_bfloat16_a_step_stays_close():
    logs = []
    for policy in ("float32", "mixed_bfloat16"):
        keras.config.set_dtype_policy(policy)
        try:
            method = make("instance", deep_network=None, teachers_every=1)
            logs.append(train(method, 0, 1)[0])
        finally:
            keras.config.set_dtype_policy("float32")
        assert all(v.dtype == "float32" for v in method.variables if v.name != "seed_generator_state")
    assert logs[0] == pytest.approx(logs[1], rel=0.1, abs=0.1)


def test_a_cohort_in_a_file_goes_on_the_same(tmp_path):
    image = heads.Image(3)
    network = functools.partial(unet_generator, (SIZE, SIZE, 3), image, levels=3, width=2)
    method = OnlineMultiGranularity(
        network,
        wide_network=functools.partial(network, width=4),
        style_weight=0.0,
        feature_weight=0.0,
        channel_weight=1.0,
        discriminator_width=2,
        task=Translation(),
    )
    method.compile(keras.optimizers.Adam(RATE, *BETAS), run_eagerly=True)
    images, pictures = (part[0] for part in batches())
    method.train_on_batch(images, pictures)
    method.save(tmp_path / "cohort.keras")
    loaded = keras.models.load_model(tmp_path / "cohort.keras")
    before, after = (each.train_on_batch(images, pictures, return_dict=True) for each in (method, loaded))
    assert before == pytest.approx(after, rel=1e-6)
    for a, b in zip(method.variables, loaded.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)


def test_weights_are_those_of_the_released_scripts():
    parameters = inspect.signature(OnlineMultiGranularity).parameters
    released = {"reconstruction": 100.0, "adversarial": 1.0, "structure": 10.0, "style": 1e4, "feature": 10.0}
    released |= {"variation": 1e-5, "channel": 0.0}
    assert {name: parameters[f"{name}_weight"].default for name in released} == released


def _is_metric(name):
    return name.endswith(("/psnr", "/ssim", "/loss"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": None}, "features must name one, or style_weight and feature_weight be 0. Received"),
        ({"wide_network": None, "deep_network": None}, "alone=False the method takes a wide_network.*neither"),
        ({"teachers_every": 0}, r"teachers_every must be an integer of at least 1. Received: 0"),
        ({"reference_means": {"style": 1.0}}, "has the keys style and feature. Received: style"),
        ({"style_weight": -1.0}, r"must not be negative. Received: style_weight=-1.0"),
        ({"alone": True, "teacher_epochs": 2}, "Alone there are no teachers. Received: teacher_epochs=2"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make(compiled=False, **options)


def test_weights_are_fitted_to_the_features_in_use_before_the_first_step():
    """The weighted terms at the start are those of the reference: here the same maps, ten times as large."""
    images, _ = batches()
    plain = make("batch", deep_network=None, compiled=False)
    made = [plain.answer(taps) for taps in plain(images[0], training=True).values() if "image" in taps]
    reference = {
        "style": 100 * float(sum(mean_distance(gram(a), gram(b)) for a, b in zip(*map(few_maps, made), strict=True))),
        "feature": 10 * float(mean_distance(*(few_maps(each)[1] for each in made))),
    }
    method = make("batch", deep_network=None, reference_means=reference)
    before = [v.numpy() for peer in method.peers.values() for v in peer.variables]
    method.before_training(lambda step: (images[0], None))
    for v, value in zip([v for peer in method.peers.values() for v in peer.variables], before, strict=True):
        np.testing.assert_array_equal(v.numpy(), value)
    weights = {v.name: float(v) for v in method.variables if v.name.endswith("_weight")}
    assert weights == pytest.approx({"style_weight": 100 * 300.0, "feature_weight": 10 * 10.0}, rel=1e-3)
    log = train(method, 0, 1)[0]
    assert log["peer_0/wide_style"] == pytest.approx(300.0 * reference["style"], rel=1e-3)
    assert log["peer_0/wide_features"] == pytest.approx(10.0 * reference["feature"], rel=1e-3)


@pytest.mark.parametrize(("turns", "wanted"), [(None, 30), (Turns(4, None, 1), 30), (Turns(4, 2, 1), 4)])
def test_in_turns_the_schedule_is_that_of_the_teacher_s_epochs(turns, wanted):
    """Else the one of the run: with pairs, and where the student's one turn comes after the teacher's."""
    method = types.SimpleNamespace(turns=turns)
    assert OnlineMultiGranularity.schedule_epochs(method, 30) == wanted
