"""What every method must do, whoever wrote it."""

import functools
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf import methods
from odtf.methods.base import Method
from odtf.methods.shared.peers import peer_seed
from odtf.methods.shared.players import Player
from tests import variable_order
from tests.methods.conftest import NETWORK, few_peers, make_batch, make_method, meaningful

NAMES = meaningful()
STEPS = 50  # In which each overfits a batch.
# What lets the labels win where a teacher that knows nothing weighs more by default.
LABELS_FIRST = {
    "OfflineDistillation": {"alpha": 0.1},
    "AttentionTransfer": {"beta": 1.0},
    "FitNets": {"hint_weight": 1},
    "DGKD": {"share": 0.5},
    "InDistill": {"alpha": 0.1, "layer_epochs": ()},
}


def test_every_method_is_found_by_its_name():
    assert {"Solo", "DeepMutualLearning", "OfflineDistillation", "OnlineDistillationCheap"} <= set(NAMES)
    assert all(issubclass(getattr(methods, name), Method) for name in methods.available())
    with pytest.raises(AttributeError):
        methods.NoSuchMethod  # noqa: B018


@functools.cache
def trained(name):
    """A method after some steps on one batch: (method, logged values of each step, graph of the step, as run)."""
    method = make_method(name, seed=1, **few_peers(name), **LABELS_FIRST.get(name, {}))
    method.compile(keras.optimizers.SGD(0.1, momentum=0.9), steps_per_epoch=1)
    iterator = iter(tf.data.Dataset.from_tensors(make_batch()).repeat())
    step = method.step_function
    with variable_order.executed_graphs() as executed:
        logs = [step(iterator) for _ in range(STEPS)]
    return method, logs, step.get_concrete_function(iterator).graph, executed


@pytest.mark.parametrize("name", NAMES)
def test_no_access_to_a_variable_is_unordered(name):
    """Nothing reads a variable before or after another part of the step assigns to it, as the threads happen to run."""
    executed = trained(name)[3]
    assert executed
    assert variable_order.unordered(executed) == []


@pytest.mark.parametrize("name", NAMES)
def test_overfits_one_batch(name):
    method, logs, _, _ = trained(name)
    # The rest of a loss may rise with a ramp.
    first, last = (
        sum(float(v) for key, v in line.items() if key.endswith("supervised")) for line in (logs[0], logs[-1])
    )
    assert last < 0.5 * first
    for peer in method.peers:
        assert float(logs[-1][f"{peer}/top1"]) == 1.0


@pytest.mark.parametrize("name", NAMES)
def test_one_forward_pass_per_peer_in_a_step(name):
    method, _, graph, _ = trained(name)
    # Every trunk has one stem, shared or not; one convolution from the input's single channel is one forward pass.
    stems = [op for op in graph.get_operations() if op.type == "Conv2D" and op.inputs[1].shape[2] == 1]
    own = {id(peer.get_layer("stem").kernel) for peer in method.peers.values()}
    # A teacher that is asked in training.
    frozen = int(method.teacher is not None and "teacher" in method(make_batch()[0], training=True))
    assert len([op for op in stems if op.inputs[0].shape[-1] == 1]) == len(own) + frozen


@functools.cache
def stepped(name):
    """A method after one step of plain descent: (terms of its loss before, logged values, pairs of peers' weights).

    The pairs are (path, one peer's, another's) before and after the step: what two peers share is the same, what
    follows another by averages starts equal, and shapes may differ.
    """
    method, (images, labels) = make_method(name, **few_peers(name)), make_batch()
    method.compile(keras.optimizers.SGD(0.1), steps_per_epoch=1)
    pairs = _pairs(method)
    terms = method.loss_terms(tf.constant(labels), method(images, training=True))
    logs = method.step((tf.constant(images), tf.constant(labels)))
    return method, terms, logs, [*pairs, *_pairs(method)]


def _pairs(method):
    trained = {id(v) for v in method.trainable_variables}
    found = []
    for a, b in itertools.combinations(method.peers.values(), 2):
        others = {(w.path, tuple(w.shape)): w for w in b.trainable_variables if id(w) in trained}
        for v in (v for v in a.trainable_variables if id(v) in trained):
            w = others.get((v.path, tuple(v.shape)))
            if w is not None and w is not v and len(v.shape) > 1:
                found.append((v.path, v.numpy(), w.numpy()))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_terms_are_per_example_and_the_loss_is_their_sum(name):
    method, terms, logs, _ = stepped(name)
    assert all(term.shape == (16,) and term.dtype == tf.float32 for term in terms.values())
    np.testing.assert_allclose(float(logs["loss"]), sum(float(logs[term]) for term in terms), rtol=1e-5)
    assert {f"{peer}/top1" for peer in method.peers} <= set(logs)


@pytest.mark.parametrize("name", NAMES)
def test_label_smoothing_reaches_every_supervised_term_and_nothing_else(name, batch):
    method = stepped(name)[0]
    labels, outputs = tf.constant(batch[1]), method(batch[0], training=True)
    smooth, plain = (_terms_smoothed(method, smoothing, labels, outputs) for smoothing in (0.3, 0.0))
    assert smooth.keys() == plain.keys()
    for term in smooth:
        network, _, kind = term.partition("/")
        expected = plain[term].numpy()
        if kind == "supervised":
            # Whatever a method multiplies it by.
            log_p = tf.nn.log_softmax(outputs[network]["logits"]).numpy()
            hit = log_p[np.arange(16), batch[1]]
            expected = expected * (0.7 * hit + 0.3 * log_p.mean(-1)) / hit
        np.testing.assert_allclose(smooth[term], expected, rtol=1e-4, err_msg=term)


def _terms_smoothed(method, smoothing, labels, outputs):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(method.task, "label_smoothing", smoothing)
        return method.loss_terms(labels, outputs)


@pytest.mark.parametrize("name", NAMES)
def test_peers_that_start_different_stay_different(name):
    for path, one, other in stepped(name)[3]:
        assert np.abs(one - other).max() > 1e-3, path


@pytest.mark.parametrize("name", NAMES)
def test_weights_survive_a_file(name, batch, tmp_path):
    method = trained(name)[0]
    method.save_weights(tmp_path / "w.weights.h5")
    other = make_method(name, seed=2, **few_peers(name), **LABELS_FIRST.get(name, {}))
    # By which weights are found again, in this process or another.
    assert [variable.path for variable in method.variables] == [variable.path for variable in other.variables]
    before = other(batch[0])["peer_0"]["logits"].numpy()
    other.load_weights(tmp_path / "w.weights.h5")
    expected = method(batch[0])
    for key, taps in other(batch[0]).items():
        np.testing.assert_array_equal(taps["logits"], expected[key]["logits"])
    assert np.abs(before - expected["peer_0"]["logits"].numpy()).max() > 1e-3


# Keras' own loop is the base's business: a plain method, one with a teacher, with stages, and with held-out sums.
@pytest.mark.parametrize("name", ["Solo", "OnlineDistillationCheap", "InDistill", "KDCL"])
def test_keras_fit_and_evaluate(name, batch, sgd):
    # Whose stages are over before the run is.
    method = make_method(name, **few_peers(name), **({"layer_epochs": (1, 0, 0)} if name == "InDistill" else {}))
    method.compile(sgd, steps_per_epoch=1)
    data = tf.data.Dataset.from_tensor_slices(batch).batch(5)
    history = method.fit(data, validation_data=data, epochs=2, verbose=0).history
    assert len(history["loss"]) == 2
    exact = method.measure(data)["peer_0/top1"]
    predicted = method(batch[0])["peer_0"]["logits"].numpy().argmax(-1)
    assert exact == pytest.approx((predicted == batch[1]).mean())
    assert history["val_peer_0/top1"][-1] == pytest.approx(exact)


def test_padding_does_not_count(batch, sgd):
    method = make_method("Solo")
    method.compile(sgd)
    images, labels = batch
    whole = method.measure(images[:10], labels[:10])
    weights = np.array([1.0] * 10 + [0.0] * 6, "float32")
    padded = tf.data.Dataset.from_tensors((images, labels, weights))
    assert method.measure(padded) == whole


def test_views_reach_the_peers_in_turn(batch):
    method = make_method("DeepMutualLearning", num_peers=2)
    images = batch[0]
    views = np.stack([images, images[::-1]], axis=1)
    outputs = method(views)
    np.testing.assert_array_equal(outputs["peer_0"]["logits"], method.peers["peer_0"](images)["logits"])
    np.testing.assert_array_equal(outputs["peer_1"]["logits"], method.peers["peer_1"](images[::-1])["logits"])


def test_weight_decay_is_coupled_on_every_variable(batch):
    """One step of plain descent with decay equals the step without it minus lr * decay * w, biases and BN included."""
    results = []
    for decay in (0.0, 0.01):
        method = make_method("OnlineDistillationCheap", num_peers=2)
        method.compile(keras.optimizers.SGD(0.5), weight_decay=decay)
        start = [v.numpy() for v in method.trainable_variables]
        method.step((tf.constant(batch[0]), tf.constant(batch[1])))
        results.append([v.numpy() for v in method.trainable_variables])
    for w, plain, decayed in zip(start, *results, strict=True):
        np.testing.assert_allclose(decayed, plain - 0.5 * 0.01 * w, atol=2e-6)


def test_mixed_precision_trains_in_float32_where_it_matters(batch):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        method = make_method("OnlineDistillationCheap", num_peers=2)
        method.compile(keras.optimizers.SGD(0.1), weight_decay=1e-4)
        assert isinstance(method.optimizer, keras.optimizers.LossScaleOptimizer)
        method.optimizer.inner_optimizer.learning_rate = 0.1
        step = method.step_function
        iterator = iter(tf.data.Dataset.from_tensors(batch).repeat())
        before = method.peers["peer_0"].trainable_variables[0].numpy()
        for _ in range(12):  # The loss scale may halve a few times before a step is taken.
            logs = step(iterator)
        assert all(value.dtype == tf.float32 and np.isfinite(float(value)) for value in logs.values())
        after = method.peers["peer_0"].trainable_variables[0].numpy()
        assert np.abs(after - before).max() > 0
        assert np.isfinite(after).all()
    finally:
        keras.config.set_dtype_policy("float32")


def test_peer_seeds_differ():
    assert len({peer_seed(seed, index) for seed in range(20) for index in range(20)}) == 400


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_peers": 1}, "at least 2 peers"),
        ({"temperature": 0}, "positive"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        make_method("OnlineDistillationCheap", **options)


def test_a_negative_weight_decay_is_refused(sgd):
    with pytest.raises(ValueError, match="Weight decay must not be negative"):
        make_method("Solo").compile(sgd, weight_decay=-1.0)


def test_players_have_a_decay_and_an_optimizer_of_their_own(batch):
    class Two(type(make_method("DeepMutualLearning"))):
        def players(self):
            first, second = (peer.trainable_variables for peer in self.peers.values())
            return [Player("a", first, weight_decay=0.0), Player("b", second, optimizer=keras.optimizers.SGD(0.0))]

    method = Two(NETWORK)
    method.compile(keras.optimizers.SGD(0.1), weight_decay=0.5)
    assert len(method.update.optimizers) == 2
    first, second = ([v.numpy() for v in peer.trainable_variables] for peer in method.peers.values())

    method.step((tf.constant(batch[0]), tf.constant(batch[1])))
    for old, new in zip(second, method.peers["peer_1"].trainable_variables, strict=True):
        np.testing.assert_array_equal(old, new.numpy())  # Its optimizer has the rate 0.
    plain = make_method("DeepMutualLearning")
    plain.compile(keras.optimizers.SGD(0.1))
    plain.step((tf.constant(batch[0]), tf.constant(batch[1])))
    undecayed = plain.peers["peer_0"].trainable_variables
    for old, new, expected in zip(first, method.peers["peer_0"].trainable_variables, undecayed, strict=True):
        np.testing.assert_allclose(new.numpy(), expected.numpy(), atol=1e-6)
        assert old.shape == new.shape


def test_a_variable_without_a_gradient_is_left_alone(batch):
    """As in PyTorch: neither decay nor momentum moves what the loss does not depend on."""

    class Half(type(make_method("DeepMutualLearning"))):
        def loss_terms(self, targets, outputs):
            return {"peer_0": super().loss_terms(targets, outputs)["peer_0/supervised"]}

    method = Half(NETWORK)
    method.compile(keras.optimizers.SGD(0.1, momentum=0.9), weight_decay=0.5)
    first, second = ([v.numpy() for v in peer.trainable_variables] for peer in method.peers.values())
    method.step((tf.constant(batch[0]), tf.constant(batch[1])))
    for old, new in zip(second, method.peers["peer_1"].trainable_variables, strict=True):
        np.testing.assert_array_equal(old, new.numpy())
    assert np.abs(first[0] - method.peers["peer_0"].trainable_variables[0].numpy()).max() > 0


def test_a_variable_of_two_players_is_refused():
    class Twice(type(make_method("Solo"))):
        def players(self):
            return [Player("a", self.trainable_variables), Player("b", self.trainable_variables)]

    with pytest.raises(ValueError, match="in no other"):
        Twice(NETWORK).compile(keras.optimizers.SGD(0.1))


def test_phases_are_entered_once_and_retrace_the_step(batch):
    entered = []

    class Staged(type(make_method("Solo"))):
        def phase_at(self, epoch):
            return int(epoch >= 2)

        def enter_phase(self, phase):
            entered.append(phase)

        def loss_terms(self, targets, outputs):
            return {f"phase_{self.phase}": super().loss_terms(targets, outputs)["peer_0/supervised"]}

    method = Staged(NETWORK)
    method.compile(keras.optimizers.SGD(0.1), steps_per_epoch=1)
    terms = []
    record = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: terms.append(sorted(logs)))
    method.fit(tf.data.Dataset.from_tensors(batch), epochs=4, verbose=0, callbacks=[record])
    assert entered == [0, 1]
    assert [names[-1] for names in terms] == ["phase_0", "phase_0", "phase_1", "phase_1"]
    method.begin_epoch(3, resumed=True)
    assert entered == [0, 1]


def test_what_depends_on_the_epoch_says_so(sgd):
    method = make_method("Solo")
    method.compile(sgd)
    with pytest.raises(ValueError, match="steps_per_epoch"):
        method.epoch  # noqa: B018
    method.compile(sgd, steps_per_epoch=3)
    method.optimizer.iterations.assign(7)
    assert float(method.epoch) == 2.0
