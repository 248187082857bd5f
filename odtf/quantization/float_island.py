"""Layers that stay in float between layers of int8."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import tensorflow as tf

from odtf.quantization.quantized import Quantized

if TYPE_CHECKING:
    from odtf.losses.tensors import Tensor


@keras.saving.register_keras_serializable(package="odtf")
class FloatIsland(Quantized):
    """A layer that computes in float from rounded inputs, and whose output is brought to a range; see `Quantized`.

    The int8 file has DEQUANTIZE before it and QUANTIZE after it. Where another layer in float follows it has no range.
    """

    def computed(self, inputs: Tensor, training: bool) -> Tensor:
        if isinstance(self.layer, keras.layers.BatchNormalization):
            return self.layer(inputs, training=training and not self.schedule.freezes)
        return self.layer(inputs)

    def lower(self, x: keras.KerasTensor) -> keras.KerasTensor:
        y = self.deploy(x)
        return y if self.output_range is None else Shore(dtype="float32", name=f"{self.name}_end")(y)


class Shore(keras.layers.Layer):
    """The identity, as a pair of operators that no converter quantises or removes.

    A converter would give a convolution between two rounded tensors int8 weights. The pair keeps it from that, and is
    taken out of the file: see `odtf.tflite.shores`.
    """

    def call(self, inputs):
        return tf.cast(tf.cast(inputs, tf.float64), tf.float32)

    def compute_output_shape(self, input_shape):
        return input_shape
