"""A convolution whose weights are trained as int8, its batch normalisation folded into them."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import keras
from keras import ops

from odtf.layers.batch_normalization import affine
from odtf.layers.strided_pointwise import protect
from odtf.quantization.parts import Parts, kept_alive, rounded

if TYPE_CHECKING:
    from typing import Any

    from odtf.losses.tensors import Tensor
    from odtf.quantization.range import Range
    from odtf.quantization.schedule import Schedule


# A factor of the batch normalisation that is nearer to zero would not survive the division by it.
_SMALLEST_FACTOR = 1e-6


@keras.saving.register_keras_serializable(package="odtf")
class QuantizedConvolution(Parts):
    """Convolution or dense layer and the batch normalisation after it, with the weights that its int8 form has.

    Inference multiplies the kernel by gamma / sigma and rounds the product to 255 levels, symmetric about zero: those
    of each output channel, or of the whole kernel of a dense layer (TFLite Micro has versions that know no others).
    Training does the same with the moving statistics, then divides by gamma / sigma and normalises with the statistics
    of the batch: so the rounded weights do not jump with them, and one convolution serves both. Once batch
    normalisation is frozen, training is inference. Gradients take the rounding for the identity.

    Args:
        convolution: layer with a `kernel`, without an activation. It and `norm` become parts of this layer.
        norm: batch normalisation, or None.
        output_range: `Range` of the output, or None where the next layer brings it to a range of its own.
        schedule: `Schedule`.
        x: KerasTensor, the input, of which it must know the levels; None: it is found when the layer is called.
        per_channel: whether each output channel has levels of its own; else the whole kernel has one scale.
        **kwargs: the arguments of `keras.layers.Layer`.

    Reference:
        Jacob et al., arXiv 1712.05877, section 3.2; Krishnamoorthi, arXiv 1806.08342, sections 3.1.3 and 3.2.2, whose
        correction of batch statistics is that of PyTorch's `torch.ao.nn.intrinsic.qat.ConvBn2d` here.
    """

    knows_input = True

    def __init__(
        self,
        convolution: keras.layers.Layer,
        norm: keras.layers.BatchNormalization | None,
        output_range: Range | None,
        schedule: Schedule,
        x: keras.KerasTensor | None = None,
        per_channel: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"name": (norm or convolution).name, "x": x, **kwargs})
        self.convolution = convolution
        self.norm = norm
        self.output_range = output_range
        self.schedule = schedule
        self.per_channel = per_channel

    def parts(self) -> dict[str, Any]:
        parts = {"convolution": self.convolution, "norm": self.norm, "output_range": self.output_range}
        return {**parts, "schedule": self.schedule}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "per_channel": self.per_channel}

    def build(self, input_shape: tuple[Any, ...]) -> None:
        if not self.convolution.built:
            self.convolution.build(input_shape)
        protect(self)
        if self.norm is not None and not self.norm.built:
            self.norm.build(self.convolution.compute_output_shape(input_shape))
        if self.output_range is not None and not self.output_range.built:
            self.output_range.build(input_shape)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        y = self._quantized(inputs, training) if self.schedule.quantizes else self._float(inputs, training)
        return y if self.output_range is None else self.output_range(y, training=training)

    def _float(self, inputs, training):
        y = self.convolution(inputs)
        return y if self.norm is None else self.norm(y, training=training)

    def _quantized(self, inputs, training):
        if self.norm is None or not training or self.schedule.freezes or not self.norm.trainable:
            kernel, bias = self.folded()
            return self._convolve(inputs, kernel) + bias
        factor, _ = affine(self.norm, ops)
        factor = ops.where(ops.abs(factor) < _SMALLEST_FACTOR, _SMALLEST_FACTOR, factor)
        # Constant here: the factor cancels but for the rounding, whose gradient would be noise over its square.
        factor = ops.stop_gradient(factor)
        kernel = self._scaled(factor)
        y = self._convolve(inputs, rounded(kernel, self._scales(kernel))) * (1.0 / factor)
        if self.convolution.use_bias:
            y = y + self.convolution.bias
        return self.norm(y, training=True)

    def folded(self) -> tuple[Tensor, Tensor]:
        """Returns the rounded kernel, of the convolution's shape, and the rounded bias `[filters]`, float tensors."""
        layer = self.convolution
        kernel = ops.convert_to_tensor(layer.kernel)
        bias = ops.convert_to_tensor(layer.bias) if layer.use_bias else ops.zeros([self._filters])
        if self.norm is not None:
            factor, shift = affine(self.norm, ops)
            kernel, bias = self._scaled(factor), bias * factor + shift
        scales = self._scales(kernel)
        # The bias is an int32, which counts products of an input and a weight.
        return rounded(kernel, scales), rounded(bias, self.input_scale() * ops.reshape(scales, [-1]))

    @property
    def _filters(self):
        shape = self.convolution.kernel.shape
        return shape[-2] * shape[-1] if self._is_depthwise else shape[-1]

    def _scaled(self, factor):
        kernel = self.convolution.kernel
        return kernel * (ops.reshape(factor, kernel.shape[-2:]) if self._is_depthwise else factor)

    def _scales(self, kernel):
        """The steps between two levels of a kernel, of its number of axes."""
        axes = (0, 1) if self._is_depthwise else (0, 1, 2)
        if not self.has_channels:
            axes = tuple(range(len(kernel.shape)))
        return ops.max(ops.abs(kernel), axis=axes, keepdims=True) / 127.0

    @property
    def has_channels(self) -> bool:
        """Whether each output channel has a scale of its own, which a dense layer's has not."""
        return self.per_channel and not isinstance(self.convolution, keras.layers.Dense)

    @property
    def _is_depthwise(self):
        return isinstance(self.convolution, keras.layers.DepthwiseConv2D)

    def _convolve(self, inputs, kernel):
        layer = self.convolution
        if isinstance(layer, keras.layers.Dense):
            return ops.matmul(inputs, kernel)
        margins = getattr(layer, "margins", ())
        if any(before for before, _ in margins):
            inputs = ops.pad(inputs, ((0, 0), *margins, (0, 0)))
        if not self._is_depthwise:
            return layer.convolution_op(inputs, kernel)
        return ops.depthwise_conv(
            inputs,
            kernel,
            strides=layer.strides,
            padding=layer.padding,
            dilation_rate=layer.dilation_rate,
            data_format=layer.data_format,
        )

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        return self.convolution.compute_output_shape(input_shape)

    # What becomes of it ---------------------------------------------------------------------------------------------

    def deploy(self, x: keras.KerasTensor, lowering: str = "native") -> keras.KerasTensor:
        """Applies the stock layers of the float network: convolution and batch normalisation, with present weights.

        Args:
            x: KerasTensor.
            lowering: of a grouped convolution, "native" or "split".

        Returns:
            KerasTensor, the output.
        """
        y = self.deploy_part(self.convolution, x, **self._options(lowering))
        return y if self.norm is None else self.deploy_part(self.norm, y)

    def lower(self, x: keras.KerasTensor, lowering: str) -> keras.KerasTensor:
        """Applies one stock convolution with the rounded weights, from which a converter finds their int8 values.

        Args:
            x: KerasTensor.
            lowering: of a grouped convolution, "native" or "split".

        Returns:
            KerasTensor, the output before it is brought to a range.
        """
        kernel, bias = (ops.convert_to_numpy(weight) for weight in self.folded())
        layer = type(self.convolution).from_config({**self.convolution.get_config(), "use_bias": True})
        layer.build(x.shape)
        if not isinstance(layer, keras.layers.Dense):  # A channel of it has no scale of its own.
            kernel = self._alive(kernel, bias)
        layer.set_weights([kernel, bias])
        return self.deploy_part(layer, x, **self._options(lowering))

    def _alive(self, kernel, bias):
        return kept_alive(kernel, bias, float(self.input_scale()))

    def _options(self, lowering):
        takes = inspect.signature(getattr(self.convolution, "deploy", self.build)).parameters
        return {"lowering": lowering} if "lowering" in takes else {}
