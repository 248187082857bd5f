"""Activations whose int8 operators have more than one rounding, or a weight."""

import keras
import tensorflow as tf
from keras import ops

from odtf.quantization.parts import rounded
from odtf.quantization.quantized import Quantized

# The ranges that TFLite prescribes for the outputs of operators: 1/256 and 1/128 a level. A hard sigmoid is brought to
# 1/255, which is the third of a level of the sum before it.
FIXED_RANGES = {
    "sigmoid": (0.0, 255.0 / 256.0),
    "softmax": (0.0, 255.0 / 256.0),
    "tanh": (-1.0, 127.0 / 128.0),
    "hard_sigmoid": (0.0, 1.0),
}


@keras.saving.register_keras_serializable(package="odtf")
class QuantizedHardSigmoid(Quantized):
    """A hard sigmoid: a sum with 3 that ends at 6, and a product with 1/6 that leaves the levels; see `Quantized`."""

    def lower(self, x):
        return _HardSigmoid(dtype="float32", name=self.layer.name)(x)


class _HardSigmoid(keras.layers.Layer):
    """A hard sigmoid with the rounding after its sum, as a converter must see it."""

    def call(self, inputs):
        y = tf.quantization.fake_quant_with_min_max_args(tf.nn.relu6(inputs + 3.0), 0.0, 6.0, num_bits=8)
        return y * (1.0 / 6.0)

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable(package="odtf")
class QuantizedPReLU(Quantized):
    """A PReLU, whose slopes have one scale for all channels; see `Quantized`."""

    def computed(self, inputs, training):
        if not self.schedule.quantizes:
            return self.layer(inputs)
        return ops.relu(inputs) - self._slopes() * ops.relu(-inputs)

    def _slopes(self):
        slopes = ops.convert_to_tensor(self.layer.alpha)
        return rounded(slopes, ops.max(ops.abs(slopes)) / 127.0)

    def lower(self, x):
        layer = keras.layers.PReLU.from_config(self.layer.get_config())
        layer.build(x.shape)
        layer.set_weights([ops.convert_to_numpy(self._slopes())])
        return self.deploy_part(layer, x)
