"""What a step reads of a variable and what assigns to it stay in the order of the program.

`test_conformance.py` asks it of every method, and `test_replicas.py`, on two replicas, of those that move something
after the step; here are students that train quantised, and what
the order means for the numbers.
"""

import time

import keras
import pytest
import tensorflow as tf

from odtf import methods, quantization
from tests import variable_order
from tests.methods.tiny import tiny


@pytest.mark.parametrize("phase", ["ordered", "unordered", "called"])
def test_the_search_finds_what_nothing_orders(phase):
    """In a graph whose orders are written by hand."""
    with tf.Graph().as_default() as graph:
        handle = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[], shared_name="v")

        def read():
            return tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32)

        if phase == "called":
            inner = tf.function(lambda v: tf.raw_ops.ReadVariableOp(resource=v, dtype=tf.float32), autograph=False)
            first, second = inner(handle), inner(handle)
        else:
            first, second = read(), read()
        with tf.control_dependencies([] if phase == "unordered" else [second]):
            tf.raw_ops.AssignVariableOp(resource=handle, value=first + 1.0)
    found = variable_order.unordered([graph.as_graph_def()])
    assert [pair[1:] for pair in found] == ([(second.op.name, "AssignVariableOp")] if phase == "unordered" else [])


# Epoch 1 is quantised, 2 has frozen batch normalisation; before, students are float as those of test_conformance.py.
# The first two methods assign after the optimizer.
@pytest.mark.parametrize(
    ("name", "epoch"),
    [
        ("PeerCollaborative", 1),
        ("PeerCollaborative", 2),
        ("CollaborativeCrossArchitecture", 1),
        ("OnlineDistillationCheap", 1),
    ],
)
def test_quantised_students(name, epoch, batch):
    schedule = quantization.Schedule(epochs=3, delay_epochs=1, freeze_batch_norm_epochs=1)

    def network(*, seed, name):
        return quantization.quantization_aware(tiny(seed=seed, name=name), schedule)

    cut = {"cut": "stage1"} if name == "PeerCollaborative" else {}
    method = getattr(methods, name)(network, num_peers=2, **cut)
    method.quantization = schedule
    method.compile(keras.optimizers.SGD(0.05, momentum=0.9), steps_per_epoch=1)
    method.begin_epoch(epoch)
    iterator = iter(tf.data.Dataset.from_tensors(batch).repeat())
    with variable_order.executed_graphs() as graphs:
        method.step_function(iterator)
    assert any(len(graph.node) > 100 for graph in graphs)
    assert variable_order.unordered(graphs) == []


class Late(keras.layers.Layer):
    """A factor that is read only after some time, in which all else runs that does not wait for it."""

    def __init__(self, seconds, **kwargs):
        super().__init__(**kwargs)
        self.seconds = seconds

    def build(self, input_shape):
        self.factor = self.add_weight(shape=(), initializer="ones", name="factor")

    def call(self, inputs):
        waited = tf.numpy_function(lambda: time.sleep(self.seconds), [], [])
        with tf.control_dependencies([waited] if self.seconds else []):
            return inputs * tf.identity(self.factor.value)


def test_mean_models_teach_with_the_weights_before_the_step(batch):
    """However late a mean model of PCL runs; run eagerly, a step is in order by itself."""

    def network(*, seed, name):
        whole = tiny(seed=seed, name=name)
        seconds = 0.5 if name == "mean_0" else 0.0
        taps = {**whole.output, "logits": Late(seconds, name="late")(whole.output["logits"])}
        return keras.Model(whole.input, taps, name=name)

    def first_step(run_eagerly):
        method = methods.PeerCollaborative(network, num_peers=2, cut="stage1", ramp_epochs=0)
        method.compile(keras.optimizers.SGD(0.5), steps_per_epoch=1, run_eagerly=run_eagerly)
        values = method.step_function(iter(tf.data.Dataset.from_tensors(batch)))
        return {name: float(value) for name, value in values.items()}

    assert first_step(run_eagerly=False) == pytest.approx(first_step(run_eagerly=True), rel=1e-4)
