"""A bilinear resizing, whose int8 operator leaves the levels as they are."""

import keras
from keras import ops

from odtf.quantization.quantized import Quantized


@keras.saving.register_keras_serializable(package="odtf")
class QuantizedResizing(Quantized):
    """A bilinear resizing, rounded to the levels of its input; it has no range of its own, see `Quantized`."""

    knows_input = True

    def computed(self, inputs, training):
        y = self.layer(inputs)
        if not self.schedule.quantizes:
            return y
        # Weights of a quarter lie half-way between two levels often, and the operator rounds those up.
        scale = ops.maximum(self.input_scale(), 1e-30)
        return y + ops.stop_gradient(scale * ops.floor(y / scale + 0.501) - y)

    def output_scale(self):
        return self.input_scale()
