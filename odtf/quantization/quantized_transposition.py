"""A transposed convolution whose weights are trained as int8."""

import keras
from keras import ops

from odtf.quantization.quantized_convolution import QuantizedConvolution


@keras.saving.register_keras_serializable(package="odtf")
class QuantizedTransposition(QuantizedConvolution):
    """`keras.layers.Conv2DTranspose` and the batch normalisation after it; see `QuantizedConvolution`.

    Its kernel is `[height, width, filters, channels]`: the filters are the last axis but one.
    """

    def _scaled(self, factor):
        return self.convolution.kernel * ops.reshape(factor, (-1, 1))

    def _scales(self, kernel):
        axes = (0, 1, 3) if self.per_channel else (0, 1, 2, 3)
        return ops.max(ops.abs(kernel), axis=axes, keepdims=True) / 127.0

    @property
    def _filters(self):
        return self.convolution.filters

    def _convolve(self, inputs, kernel):
        layer = self.convolution
        return ops.conv_transpose(
            inputs,
            kernel,
            strides=list(layer.strides),
            padding=layer.padding,
            output_padding=layer.output_padding,
            dilation_rate=layer.dilation_rate,
            data_format=layer.data_format,
        )

    def _alive(self, kernel, bias):
        return super()._alive(kernel.swapaxes(2, 3), bias).swapaxes(2, 3)
