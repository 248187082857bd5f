"""A batch normalisation that no convolution takes up."""

import keras
from keras import ops

from odtf.layers.batch_normalization import affine
from odtf.quantization.parts import kept_alive, rounded
from odtf.quantization.quantized import Quantized


@keras.saving.register_keras_serializable(package="odtf")
class QuantizedNormalization(Quantized):
    """A batch normalisation of maps as the 1x1 depthwise convolution that int8 has for it; see `Quantized`."""

    knows_input = True

    def computed(self, inputs, training):
        training = training and not self.schedule.freezes
        if training or not self.schedule.quantizes:
            return self.layer(inputs, training=training)
        factor, bias = affine(self.layer, ops)
        # The one weight of a channel is 127 levels of it.
        return inputs * factor + rounded(bias, self.input_scale() * ops.abs(factor) / 127.0)

    def lower(self, x):
        return self.deploy_part(as_convolution(self.layer, x.shape, float(self.input_scale())), x)


def as_convolution(norm, input_shape, scale):
    """Returns the 1x1 depthwise convolution that computes what a batch normalisation does in inference.

    A channel has one weight, which int8 with a scale a channel holds exactly.
    """
    layer = keras.layers.DepthwiseConv2D(1, dtype="float32", name=norm.name)
    layer.build(input_shape)
    factor, bias = affine(norm, ops)
    kernel, bias = ops.convert_to_numpy(ops.reshape(factor, (1, 1, -1, 1))), ops.convert_to_numpy(bias)
    layer.set_weights([kept_alive(kernel, bias, scale), bias])
    return layer
