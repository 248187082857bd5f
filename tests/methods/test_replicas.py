"""One replica and two give the same weights and the same logged values, for every method."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf.methods.base import Method
from tests import variable_order
from tests.methods.conftest import few_peers, make_method, meaningful
from tests.methods.tiny import least

# Two stages: a step is made at once, layer by layer, on three replicas in all.
NETWORK = functools.partial(least, strides=(1, 2))


def train(name, batch, strategy):
    """Trains two steps on one global batch; returns the logged values of each, all variables, and what is unordered.

    The decay is so strong that one of twice or half its strength moves the weights by more than is tolerated. What a
    method moves after the step has to be traced for all replicas together, and then has an order; all else is the same
    done at once, which takes a third of the time.
    """
    replicas = strategy.num_replicas_in_sync
    share = len(batch[1]) // replicas

    def dataset(context=None):
        return tf.data.Dataset.from_tensor_slices(batch).batch(share, drop_remainder=True).repeat()

    options = {"InDistill": {"layers": ("stage1", "stage2"), "layer_epochs": (3, 4)}}.get(name, {})
    with strategy.scope():
        if name in ("AttentionTransfer", "SpiritDistillation"):  # Their teachers have the stages of the student.
            options["teacher"] = NETWORK(seed=99, name="teacher")
        method = make_method(name, NETWORK, synchronized=True, seed=1, **few_peers(name), **options)
        eager = type(method).after_step is Method.after_step
        method.compile(keras.optimizers.SGD(0.05, momentum=0.9), weight_decay=0.1, steps_per_epoch=1, run_eagerly=eager)
    method.begin_epoch(0)
    iterator = iter(strategy.distribute_datasets_from_function(dataset) if replicas > 1 else dataset())
    step = method.step_function
    with variable_order.executed_graphs() as graphs:
        logs = [{key: float(value) for key, value in step(iterator).items()} for _ in range(2)]
    assert eager or graphs
    variables = {f"{i} {v.path}": v.numpy() for i, v in enumerate(method.variables)}
    return logs, variables, variable_order.unordered(graphs)


# What compares the examples of a batch has another batch on two replicas: tests/methods/test_pkt.py.
@pytest.mark.parametrize("name", [name for name in meaningful() if name != "PKT"])
def test_one_replica_is_two(name, batch, mirrored):
    one_logs, one, one_unordered = train(name, batch, tf.distribute.get_strategy())
    two_logs, two, two_unordered = train(name, batch, mirrored)
    # Nothing reads a variable before or after another part of the step assigns to it, as the threads happen to run.
    assert one_unordered == two_unordered == []
    for a, b in zip(one_logs, two_logs, strict=True):
        assert a == pytest.approx(b, abs=1e-4, rel=1e-4)
    assert one.keys() == two.keys()
    for key in one:
        np.testing.assert_allclose(two[key], one[key], atol=1e-4, rtol=1e-4, err_msg=key)
