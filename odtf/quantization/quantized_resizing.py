"""A bilinear resizing, whose int8 operator leaves the levels as they are."""

import keras

from odtf.quantization.parts import rounded
from odtf.quantization.quantized import Quantized


@keras.saving.register_keras_serializable(package="odtf")
class QuantizedResizing(Quantized):
    """A bilinear resizing, rounded to the levels of its input; it has no range of its own, see `Quantized`."""

    knows_input = True

    def computed(self, inputs, training):
        y = self.layer(inputs)
        return rounded(y, self.input_scale()) if self.schedule.quantizes else y

    def output_scale(self):
        return self.input_scale()
