"""Every measurement of training, in small: real layers, cohorts and pipelines, but no judgement of their times."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf import layers as odtf_layers
from odtf.benchmark import reading, single_layers, steps, suite
from odtf.benchmark.setup import MEASUREMENTS, Setup
from tests.methods.tiny import least

SHAPE = (2, 6, 6, 16)


@pytest.fixture
def setup():
    return Setup(depth=8, batch_size=4, repeats=1, num_peers=2, log=lambda line: None)


@pytest.fixture
def small(setup, monkeypatch):
    """The same, with networks of three stages of one convolution in place of the ResNet's."""

    def make_network(setup, block):
        return functools.partial(least, conv=block, shape=steps.IMAGE_SHAPE, **steps.BLOCKS[block])

    monkeypatch.setattr(steps, "make_network", make_network)
    return setup


def names(comparisons):
    assert all(row.times and min(row.times) > 0 and min(row.baseline_times) > 0 for row in comparisons)
    return [(row.name, row.baseline, row.at_most) for row in comparisons]


def test_every_name_has_its_measurement():
    assert tuple(suite.FUNCTIONS) == MEASUREMENTS
    assert Setup(only=("pipeline", "group_conv")).measurements == ("group_conv", "pipeline")


def test_layers(setup):
    assert names(single_layers.group_conv(setup, SHAPE)) == [("GroupConv2D", "keras.layers.Conv2D", 1 / 40)]
    norms = [("fused", "stock Keras", None), *[("filled up", "as it is", None)] * len(single_layers.UNEVEN)]
    assert names(single_layers.batch_norm(setup, SHAPE)) == norms
    cropping = [("Cropping2D", "keras.layers.Cropping2D", 1 / 2)]
    assert names(single_layers.cropping(setup, (1, 8, 8, 2))) == cropping
    found = names(single_layers.cheap_layers(setup, SHAPE))
    kinds = {name.split(",")[0].split(" ")[0] for name, *_ in found}
    assert kinds == {"GroupConv2D", "DepthwiseConv2D", "Shift2D", "LineConv2D", "GhostModule"}
    assert {baseline for _, baseline, _ in found} == {"Conv2D"}


def test_a_layer_step_runs_backward():
    """The values are the first of the gradients of the input and of each weight, which the layer keeps."""
    layer = keras.layers.Conv2D(1, 1, use_bias=False, kernel_initializer="ones")
    values = single_layers.layer_step(layer, (1, 1, 1, 1))()
    inputs = tf.random.stateless_normal((1, 1, 1, 1), (0, 0)).numpy().item()
    upstream = tf.random.stateless_normal((1, 1, 1, 1), (0, 1)).numpy().item()
    np.testing.assert_allclose(values, [upstream, inputs * upstream], rtol=1e-6)


def test_stock_norms_compute_the_same_without_the_fused_kernel(small):
    batch = steps.make_batch(small)
    fused, stock = (steps.make_cohort(small, num_peers=2, seed=0) for _ in range(2))
    call = odtf_layers.BatchNormalization.call
    with steps.stock_batch_norm():
        stock_step = steps.trace(stock, batch)
    assert odtf_layers.BatchNormalization.call is call
    fused_step = steps.trace(fused, batch)
    operations = [{operation.type for operation in step.graph.get_operations()} for step in (stock_step, fused_step)]
    assert [("FusedBatchNormV3" in types) for types in operations] == [False, True]
    stock_values, fused_values = (steps.run_step(step, batch) for step in (stock_step, fused_step))
    assert fused_values.keys() == stock_values.keys()
    assert fused_values["loss"] == pytest.approx(stock_values["loss"], rel=1e-4)


def test_batch_norm_of_every_block(small, monkeypatch):
    assert set(steps.BLOCKS) == {"depthwise", "shift", "group"}
    # Two seconds each: the one that takes an argument will do.
    monkeypatch.delitem(steps.BLOCKS, "depthwise")
    monkeypatch.delitem(steps.BLOCKS, "shift")
    found = steps.batch_norm(small)
    assert [row.case for row in found] == ["joint step, group"]
    assert names(found) == [("fused norms", "stock Keras norms", 0.75)]


def test_joint_step(small):
    assert names(steps.joint_step(small)) == [("joint step", "separate steps", None)]


def test_distillation(small):
    assert names(steps.distillation(small)) == [
        ("divergences alone", "whole step", 0.05),
        ("teacher and divergences alone", "whole step", None),
        ("step without divergences", "whole step", None),
        ("step without teacher", "whole step", None),
    ]


def test_what_the_step_leaves_out(setup):
    """The terms of the reduced cohorts are those of the method, less what their names say."""
    images, labels = steps.make_batch(setup)
    terms = {}
    for method in (steps.OnlineDistillationCheap, steps.WithoutDivergences, steps.PeersAlone):
        cohort = steps.make_cohort(setup, method=method, num_peers=2)
        terms[method] = cohort.loss_terms(labels, cohort(images, training=True))
    whole, without, alone = terms.values()
    assert set(whole) - set(without) == {"peer_0/distillation", "peer_1/distillation"}
    assert set(without) - set(alone) == {"teacher/supervised"}
    for part in (without, alone):
        for name, values in part.items():
            np.testing.assert_allclose(values, whole[name], rtol=1e-4, atol=1e-5)


def test_pipeline(small):
    assert names(steps.pipeline(small, num_images=16)) == [("real pipeline", "constant batch", 1.05)]


def test_reading(setup):
    found = reading.reading(setup, files=12, size=(32, 32))
    assert names(found) == [("odtf's pipeline", "tf.data with decode_and_crop_jpeg", 1.0)]
    assert found[0].case == "4 JPEGs of 500x375 to 32x32"


def test_report(monkeypatch):
    lines = []
    monkeypatch.setitem(suite.FUNCTIONS, "cheap_layers", lambda setup: single_layers.cheap_layers(setup, SHAPE))
    monkeypatch.setitem(suite.FUNCTIONS, "group_conv", lambda setup: single_layers.group_conv(setup, SHAPE))
    report = suite.run(Setup(only=("cheap_layers", "group_conv"), repeats=1, log=lines.append))
    assert set(report) == {"benchmark", "environment", "seconds", "measurements"}
    assert list(report["measurements"]) == ["group_conv", "cheap_layers"]
    assert {"tensorflow", "cores", "device", "depth", "batch_size", "num_peers"} <= set(report["environment"])
    assert all("GroupConv2D" in line or "group_conv" in line for line in lines if "conv" in line)
    assert "<= 0.025" in lines[-1]
    assert lines[-1].count("\n") >= 8
