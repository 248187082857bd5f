"""Other forms of convolutions compute the same, and so do their gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf.benchmark import forms
from odtf.benchmark.setup import Setup
from odtf.layers.convolution_forms import block_diagonal
from odtf.layers.grouped_convolution import split_convolution


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


def test_block_diagonal_with_a_stride(arrays):
    inputs, kernel, _ = arrays
    expected = split_convolution(inputs, kernel, 4, (2, 2), "valid", (1, 1))
    np.testing.assert_allclose(block_diagonal(inputs, kernel, 4, (2, 2), "valid"), expected, rtol=1e-4, atol=1e-5)


def test_every_form_is_a_row():
    rows = forms.convolution_forms_of(Setup(repeats=1), [(2, 4, 4, 8)])
    assert [row.name for row in rows] == [*forms.GROUPED, *forms.DEPTHWISE]
    assert all(row.ratio["median"] > 0 for row in rows)
