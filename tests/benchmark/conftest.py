"""What the tests of the benchmarks share."""

import warnings

import numpy as np
import pytest
import tensorflow as tf


@pytest.fixture(scope="session")
def int8_file(tmp_path_factory):
    """A convolution and a mean, in int8."""

    def settings(converter):
        converter.representative_dataset = lambda: ([np.ones((1, 8, 8, 1), np.float32) * i] for i in range(4))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8

    return _file(tmp_path_factory.mktemp("edge") / "int8.tflite", settings)


@pytest.fixture(scope="session")
def float16_file(tmp_path_factory):
    """The same with its weights in float16, which a DEQUANTIZE unpacks."""

    def settings(converter):
        converter.target_spec.supported_types = [tf.float16]

    return _file(tmp_path_factory.mktemp("edge") / "float16.tflite", settings)


def _file(path, settings):
    kernel = np.random.default_rng(0).normal(size=(3, 3, 1, 4)).astype("float32")

    @tf.function(input_signature=[tf.TensorSpec((1, 8, 8, 1))])
    def network(x):
        return tf.reduce_mean(tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME")), axis=(1, 2))

    converter = tf.lite.TFLiteConverter.from_concrete_functions([network.get_concrete_function()])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    settings(converter)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path.write_bytes(converter.convert())
    return path
