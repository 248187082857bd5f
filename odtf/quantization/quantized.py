"""Any other layer that computes: what it gives is brought to a range."""

import keras
from keras import ops

from odtf.layers.batch_normalization import affine
from odtf.quantization.parts import Parts, kept_alive, rounded


class Quantized(Parts):
    """A layer and the range of its output.

    Sums, means and activations take their inputs at whatever scales they have. The inputs of a concatenation, and the
    input of an average pooling, must have the scale of the output: for a concatenation it is the same to bring the
    output to it; a pooling brings its input to it as well.

    Args:
        layer: layer without a kernel. It becomes a part of this layer.
        output_range: `Range` of the output, or None where the next layer brings it to a range of its own.
        schedule: `Schedule`.
        x: KerasTensor, the input, of which a batch normalisation must know the levels.
    """

    def __init__(self, layer, output_range, schedule, x=None):
        super().__init__(name=layer.name, x=x)
        self.layer = layer
        self.output_range = output_range
        self.schedule = schedule

    def build(self, input_shape):
        if self.output_range is not None:
            self.output_range.build(input_shape)

    def call(self, inputs, training=False):
        if isinstance(self.layer, keras.layers.BatchNormalization):
            y = self._normalized(inputs, training and not self.schedule.freezes)
        elif isinstance(self.layer, keras.layers.AveragePooling2D) and self.schedule.quantizes:
            return self._pooled(inputs, training)
        else:
            y = self.layer(inputs)
        return y if self.output_range is None else self.output_range(y, training=training)

    def _normalized(self, inputs, training):
        if training or not self.schedule.quantizes:
            return self.layer(inputs, training=training)
        factor, bias = affine(self.layer, ops)
        # The one weight of a channel is 127 levels of it.
        return inputs * factor + rounded(bias, self.input_scale() * ops.abs(factor) / 127.0)

    def _pooled(self, inputs, training):
        y = self.layer(self.output_range(inputs, training=training))
        # Means of a few levels often lie half-way between two, and runtimes round those away from level 0 of int8.
        low, high = self.output_range.limits()
        level = (high - low) / 255.0
        return self.output_range.rounded(y + 1e-3 * level * ops.sign(y - low - 128.0 * level))

    @property
    def needs_equal_scales(self):
        """Whether the inputs must have the scale of the output."""
        return isinstance(self.layer, EQUAL_SCALES)

    def compute_output_shape(self, input_shape):
        return self.layer.compute_output_shape(input_shape)

    def deploy(self, x):
        """Applies the stock layer, without the range.

        Args:
            x: KerasTensor, or a list of them.

        Returns:
            KerasTensor, the output.
        """
        return self.deploy_part(self.layer, x)

    def lower(self, x):
        """Applies the stock layer, a batch normalisation as the 1x1 depthwise convolution that int8 has for it.

        Args:
            x: KerasTensor, or a list of them.

        Returns:
            KerasTensor, the output before it is brought to a range.
        """
        if not isinstance(self.layer, keras.layers.BatchNormalization):
            return self.deploy(x)
        return self.deploy_part(as_convolution(self.layer, x.shape, float(self.input_scale())), x)


EQUAL_SCALES = (keras.layers.Concatenate, keras.layers.AveragePooling2D)


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
