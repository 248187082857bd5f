"""Marks around layers in float are taken out of a file, and its answers stay."""

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from odtf.tflite import flatbuffer
from odtf.tflite.shores import remove_shores


def shore(x):
    return tf.cast(tf.cast(x, tf.float64), tf.float32)


def run(content, x):
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def test_pairs_of_casts_go_and_others_stay():
    module = tf.Module()
    kernel = tf.constant(np.random.default_rng(0).normal(size=(4, 5)), tf.float32)

    @tf.function(input_signature=[tf.TensorSpec((1, 4))])
    def call(x):
        y = tf.matmul(shore(x), kernel)
        return shore(shore(tf.nn.relu(y)) + tf.cast(tf.cast(y, tf.int32), tf.float32))

    converter = tf.lite.TFLiteConverter.from_concrete_functions([call.get_concrete_function()], module)
    content = converter.convert()
    model = flatbuffer.unpack(content)
    assert remove_shores(model) == 3
    shorter = flatbuffer.pack(model)
    assert flatbuffer.operators(content)["CAST"] == 8 and flatbuffer.operators(shorter)["CAST"] == 2
    x = np.random.default_rng(1).normal(size=(1, 4)).astype("float32")
    np.testing.assert_array_equal(run(shorter, x), run(content, x))
    assert remove_shores(flatbuffer.unpack(shorter)) == 0
