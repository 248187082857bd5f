"""Weights that a converter lost, stored anew from the file in float."""

import keras
import numpy as np
import pytest

from odtf.tflite import flatbuffer, lost_weights
from odtf.tflite.weight_scales import store, stored
from tests.converting import convert

RANDOM = np.random.default_rng(3)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """An int8 file and the same in float; some channels of the kernel are of one sign alone, and one is zero."""
    image = keras.Input((6, 6, 2))
    model = keras.Model(image, keras.layers.Conv2D(4, 3)(image))
    kernel = RANDOM.normal(size=(3, 3, 2, 4))
    kernel[..., 0], kernel[..., 1], kernel[..., 2] = -np.abs(kernel[..., 0]), np.abs(kernel[..., 1]), 0.0
    model.layers[1].set_weights([kernel, RANDOM.normal(size=4)])
    images = RANDOM.normal(size=(8, 6, 6, 2)).astype("float32")
    contents = [convert(model, tmp_path_factory.mktemp("file"), given).read_bytes() for given in (images, None)]
    return contents, kernel.transpose(3, 0, 1, 2)


def test_weights_of_every_sign_come_back(files):
    contents, kernel = files
    model, floats = map(flatbuffer.unpack, contents)
    (op,) = (op for op in model.subgraphs[0].operators if flatbuffer.operator_name(model, op) == "CONV_2D")
    weight = model.subgraphs[0].tensors[op.inputs[1]]
    assert not lost_weights.has_lost_weights(model, op)
    store(model, weight, np.zeros(kernel.shape, np.int8))
    weight.quantization.scale = [np.inf] * 4
    assert lost_weights.has_lost_weights(model, op)
    assert lost_weights.restore(model, [op], floats)
    levels, steps = stored(model, weight, np.int8).reshape(kernel.shape), np.asarray(weight.quantization.scale)
    assert np.all(np.abs(levels).max((1, 2, 3)) == [127, 127, 0, 127])
    assert np.all(np.abs(levels * steps[:, None, None, None] - kernel) <= 0.501 * steps[:, None, None, None])


def test_other_networks_are_told_apart(files):
    contents, _ = files
    model, floats = map(flatbuffer.unpack, contents)
    (op,) = (op for op in floats.subgraphs[0].operators if flatbuffer.operator_name(floats, op) == "CONV_2D")
    tensor = floats.subgraphs[0].tensors[op.inputs[1]]
    store(floats, tensor, 2.0 * stored(floats, tensor, np.float32))
    assert not lost_weights.restore(model, [], floats)
