"""Operators whose inputs must have the scale of their output: a concatenation and an average pooling."""

import keras
from keras import ops

from odtf.quantization.quantized import Quantized


@keras.saving.register_keras_serializable(package="odtf")
class QuantizedConcatenation(Quantized):
    """A concatenation, of which it is the same to bring the inputs or the output to the range; see `Quantized`."""

    needs_equal_scales = True


@keras.saving.register_keras_serializable(package="odtf")
class QuantizedAveragePooling(Quantized):
    """An average pooling, which brings its input to its range as well; see `Quantized`."""

    needs_equal_scales = True

    def call(self, inputs, training=False):
        if not self.schedule.quantizes:
            return super().call(inputs, training=training)
        y = self.layer(self.output_range(inputs, training=training))
        # Means of a few levels often lie half-way between two, and runtimes round those away from level 0 of int8.
        low, high = self.output_range.limits()
        level = (high - low) / 255.0
        return self.output_range.rounded(y + 1e-3 * level * ops.sign(y - low - 128.0 * level))
