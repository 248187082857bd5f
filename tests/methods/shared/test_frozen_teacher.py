"""A teacher that is trained first, in the same run as its student."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf import methods
from odtf.training.checkpoints import Checkpoints
from tests.methods.conftest import NETWORK, make_method


def inline(name="OfflineDistillation", **options):
    return make_method(name, teacher=None, teacher_network=NETWORK, teacher_epochs=2, **options)


def values(model):
    return [v.numpy() for v in model.variables]


def unchanged(before, model):
    return [np.array_equal(old, v.numpy()) for old, v in zip(before, model.variables, strict=True)]


@pytest.mark.parametrize("name", ["OfflineDistillation", "FitNets", "AttentionTransfer"])
def test_teacher_first_and_then_the_student(name, batch):
    """Each waits for the other, moving statistics, momentum and weight decay included."""
    method = inline(name)
    method.compile(keras.optimizers.SGD(1e-3, momentum=0.9), weight_decay=0.1, steps_per_epoch=1)
    data = tuple(tf.constant(x) for x in batch)
    student = method.peers["peer_0"]

    method.begin_epoch(0)
    waiting, learning = values(student), values(method.teacher)
    logs = method.step(data)
    assert set(logs) == {"loss", "teacher/supervised", "teacher/top1"}
    assert all(unchanged(waiting, student))
    assert not any(unchanged(learning, method.teacher))

    method.begin_epoch(2)
    learning, waiting = values(student), values(method.teacher)
    logs = method.step(data)
    assert {"peer_0/supervised", "peer_0/top1", "teacher/top1"} <= set(logs)
    assert all(unchanged(waiting, method.teacher))
    assert not any(unchanged(learning, student))


def test_both_are_evaluated_in_every_phase(batch, sgd):
    method = inline()
    method.compile(sgd)
    for epoch in (0, 2):
        method.begin_epoch(epoch)
        assert set(method.measure(*batch)) == {"peer_0/top1", "teacher/top1"}


def test_the_frozen_teacher_and_the_student_are_measured_apart_as_together(batch, sgd):
    method = make_method("FitNets")
    method.compile(sgd)
    together = method.measure(*batch)
    assert method.measure(*batch, frozen=False) | method.measure(*batch, frozen=True) == together
    assert set(method.measure(*batch, frozen=True)) == {"teacher/top1"}
    method.teacher = None  # The student is measured without it.
    assert method.measure(*batch, frozen=False) == {"peer_0/top1": together["peer_0/top1"]}


def test_what_a_subclass_of_ones_own_makes_of_the_teacher_is_measured_anew(batch):
    class Own(methods.OfflineDistillation):
        """A method from elsewhere."""

    assert set(make_method("OfflineDistillation").frozen) == {"teacher"}
    assert Own(NETWORK, NETWORK(seed=1, name="teacher")).frozen == {}
    assert inline().frozen == {}


def test_what_fit_shows_changes_with_the_phase(batch, sgd):
    """The means of each epoch are of its own phase; the student's own metrics are the teacher's while it waits."""
    method = make_method("OfflineDistillation", teacher=None, teacher_network=NETWORK, teacher_epochs=1)
    method.compile(sgd, metrics=["accuracy"], run_eagerly=True)
    history = method.fit(*batch, batch_size=8, epochs=3, validation_data=batch, verbose=0).history
    lengths = {name: len(values) for name, values in history.items()}
    assert lengths["teacher/supervised"] == lengths["val_teacher/supervised"] == 1
    assert lengths["peer_0/distillation"] == lengths["val_peer_0/supervised"] == 2
    assert lengths["loss"] == lengths["val_loss"] == lengths["accuracy"] == lengths["val_accuracy"] == 3
    assert history["accuracy"] == pytest.approx([history["teacher/top1"][0], *history["peer_0/top1"]])
    assert history["val_accuracy"] == pytest.approx(history["val_peer_0/top1"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "neither"),
        ({"teacher_network": NETWORK}, "teacher_epochs must be positive"),
        ({"teacher_epochs": 3}, "neither"),
    ],
)
def test_there_is_one_teacher(options, message):
    with pytest.raises(ValueError, match=message):
        make_method("OfflineDistillation", teacher=None, **options)


def test_not_two_teachers():
    with pytest.raises(ValueError, match="both"):
        make_method("OfflineDistillation", teacher_network=NETWORK, teacher_epochs=1)


@pytest.mark.parametrize("stop", [2, 3])
def test_phases_survive_a_resume(batch, tmp_path, stop):
    """Teacher, hint, student, two steps an epoch: stopped within a phase or between two, the run ends the same."""

    def started(seed):
        method = make_method(
            "FitNets", teacher=None, teacher_network=NETWORK, teacher_epochs=1, hint_epochs=2, seed=seed
        )
        method.compile(keras.optimizers.SGD(1e-3, momentum=0.9), steps_per_epoch=2)
        return method

    def train(method, steps):
        for step in steps:
            if step % 2 == 0 or step == steps.start:
                method.begin_epoch(step // 2, resumed=step % 2 > 0)
            logs = method.step((tf.constant(batch[0]), tf.constant(batch[1])))
        return logs

    whole, first, second = started(3), started(3), started(8)
    logs = train(whole, range(8))
    train(first, range(stop))
    Checkpoints(tmp_path, first).save({"step": stop, "chosen": None})
    Checkpoints(tmp_path, second).restore()
    resumed = train(second, range(stop, 8))
    assert logs.keys() == resumed.keys()
    for a, b in zip(whole.variables, second.variables, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-5, err_msg=a.path)


class Subclassed(keras.Model):
    """A teacher without a graph."""

    def __init__(self, activation=None):
        super().__init__(name="subclassed")
        self.flat = keras.layers.Flatten()
        self.dense = keras.layers.Dense(10, activation, kernel_initializer=keras.initializers.GlorotNormal(seed=1))

    def call(self, images):
        return self.dense(self.flat(images))


def sequential(activation=None, shape=((8, 8, 1),)):
    dense = keras.layers.Dense(10, activation, kernel_initializer=keras.initializers.GlorotNormal(seed=1))
    return keras.Sequential([*map(keras.Input, shape), keras.layers.Flatten(), dense])


def functional(activation=None):
    model = sequential(activation)
    return keras.Model(model.inputs, model.outputs[0])


@pytest.mark.parametrize("kind", [functional, sequential, Subclassed])
def test_the_answer_of_a_teacher_is_logits_whatever_it_ends_in(kind, batch):
    logits = kind()(batch[0]).numpy()
    wanted = logits - logits.max(-1, keepdims=True)
    for activation in (None, "softmax"):
        method = make_method("OfflineDistillation", teacher=kind(activation))
        found = method(batch[0])["teacher"]["logits"].numpy()
        np.testing.assert_allclose(found - found.max(-1, keepdims=True), wanted, rtol=1e-4, atol=1e-4)
        method.compile("sgd", run_eagerly=True)
        before = values(method.teacher)
        assert np.isfinite(method.train_on_batch(*batch, return_dict=True)["peer_0/distillation"])
        assert all(unchanged(before, method.teacher))


def test_a_sequential_teacher_may_be_unbuilt(batch):
    assert (
        make_method("OfflineDistillation", teacher=sequential(shape=()))(batch[0])["teacher"]["logits"].shape[-1] == 10
    )


def test_a_teacher_has_an_answer_and_the_taps_of_the_method():
    two = functional()
    two = keras.Model(two.inputs, [two.output, two.output])
    with pytest.raises(ValueError, match=r"A teacher gives one output.*Received: 2 outputs"):
        make_method("OfflineDistillation", teacher=two)
    with pytest.raises(ValueError, match="The teacher has no maps"):
        make_method("FitNets", teacher=Subclassed())
