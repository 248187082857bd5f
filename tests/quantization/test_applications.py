"""Small forms of networks of keras.applications, preprocessing and softmax included, trained and exported."""

import keras
import numpy as np
import pytest
from keras.src.applications.convnext import ConvNeXt

from odtf import quantization
from odtf.export import int8_file
from odtf.tflite import flatbuffer
from odtf.tflite.runner import Runner

PIXELS = np.random.default_rng(0).integers(0, 256, (16, 4, 4, 3)).repeat(8, 1).repeat(8, 2).astype("float32")


def mobilenet():
    return keras.applications.MobileNetV3Small((32, 32, 3), alpha=0.35, weights=None, classes=10)


def convnext():
    size = {"depths": [1, 1, 1, 1], "projection_dims": [8, 12, 16, 20]}
    return ConvNeXt(**size, weights=None, input_shape=(32, 32, 3), classes=10, weights_name="", name="small")


@pytest.mark.parametrize(
    ("build", "floats", "operators"),
    [
        (mobilenet, set(), {"HARD_SWISH": 19, "MUL": 18, "SOFTMAX": 1}),
        (convnext, {"LayerNormalization"}, {"GELU": 4, "SOFTMAX": 1}),
    ],
)
def test_all_but_layer_normalization_is_int8(build, floats, operators):
    keras.utils.set_random_seed(0)
    model = quantization.quantization_aware(build(), momentum=0.0, input_range=(0, 255))
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(PIXELS, training=True)
    in_float = [layer for layer in model.layers if isinstance(layer, quantization.FloatIsland)]
    assert {type(layer.layer).__name__ for layer in in_float} == floats
    content = int8_file(model)
    found = flatbuffer.operators(content)
    assert {name: found[name] for name in operators} == operators
    assert found.get("DEQUANTIZE", 0) == found.get("QUANTIZE", 0) == len(in_float)
    assert not any(name.startswith("CUSTOM") for name in found)
    difference = np.abs(Runner(content).predict(PIXELS) - model(PIXELS))
    assert np.max(difference) < 20 / 256 and np.mean(difference) < 3 / 256
