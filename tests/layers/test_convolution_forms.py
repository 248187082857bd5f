"""Other forms of convolutions compute the same, and so do their gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf.benchmark import forms
from odtf.benchmark.setup import Setup
from odtf.layers import grouped_convolution
from odtf.layers.grouped_convolution import block_diagonal_convolution, split_convolution


def with_gradients(function, inputs, kernel):
    upstream = np.random.default_rng(1).normal(size=inputs.shape).astype("float32")
    with tf.GradientTape() as tape:
        tape.watch([inputs, kernel])
        outputs = function(inputs, kernel)
    return [outputs, *tape.gradient(outputs, [inputs, kernel], output_gradients=upstream)]


def equal(one, other):
    for a, b in zip(one, other, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def arrays():
    random = np.random.default_rng(0)
    inputs, grouped, depthwise = (random.normal(size=s) for s in ((2, 5, 6, 8), (3, 3, 2, 8), (3, 3, 8, 1)))
    return [tf.constant(array, tf.float32) for array in (inputs, grouped, depthwise)]


@pytest.mark.parametrize("name", forms.GROUPED)
def test_grouped(arrays, name):
    inputs, kernel, _ = arrays
    expected = [
        keras.ops.conv(inputs[..., 2 * g : 2 * g + 2], kernel[..., 2 * g : 2 * g + 2], padding="same") for g in range(4)
    ]
    found = with_gradients(forms.GROUPED[name], inputs, kernel)
    np.testing.assert_allclose(found[0], np.concatenate(expected, -1), rtol=1e-4, atol=1e-5)
    equal(found, with_gradients(forms.GROUPED["split"], inputs, kernel))


@pytest.mark.parametrize("name", forms.DEPTHWISE)
def test_depthwise(arrays, name):
    inputs, _, kernel = arrays
    equal(with_gradients(forms.DEPTHWISE[name], inputs, kernel), with_gradients(forms._depthwise, inputs, kernel))


@pytest.mark.parametrize("options", [((2, 2), "valid", (1, 1)), ((1, 1), "same", (2, 2))], ids=str)
def test_block_diagonal_with_a_stride_and_dilated(arrays, options):
    inputs, kernel, _ = arrays
    expected = split_convolution(inputs, kernel, 4, *options)
    found = block_diagonal_convolution(inputs, kernel, 4, *options)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("depth", "chosen"), [(4, "block_diagonal_convolution"), (8, "split_convolution")])
def test_without_a_native_kernel_narrow_groups_are_one_convolution(monkeypatch, depth, chosen):
    asked = []
    monkeypatch.setattr(grouped_convolution, "_is_native", lambda inputs: False)
    for name in ("block_diagonal_convolution", "split_convolution"):
        monkeypatch.setattr(grouped_convolution, name, lambda *args, name=name: asked.append(name))
    grouped_convolution.grouped_convolution(
        tf.ones((1, 4, 4, 16)), tf.ones((3, 3, depth, 16)), 16 // depth, (1, 1), "same", (1, 1)
    )
    assert asked == [chosen]


def test_every_form_is_a_row():
    rows = forms.convolution_forms_of(Setup(repeats=1), [(2, 4, 4, 8)])
    assert [row.name for row in rows] == [*forms.GROUPED, *forms.DEPTHWISE]
    assert all(row.ratio["median"] > 0 for row in rows)
