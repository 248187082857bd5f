"""How weights and activations are rounded in training: TFMOT's quantizers, and what they lack."""

import tensorflow as tf

from odtf.finetune.tfmot import Default8BitConvWeightsQuantizer, cluster_preserve, prune_preserve, quant_ops, tfmot

_BITS = 8


class SharedRange:
    """The range of one or several tensors that a device keeps in one scale; a variable, so that checkpoints hold it.

    Args:
        low: where it starts; 0 or less, since a device needs a code for zero.
        high: where it starts.
    """

    def __init__(self, low, high):
        self._start = min(float(low), 0.0), max(float(high), 0.0)
        self._variables = None

    def variables(self, layer, name):
        """The variables, made in the first layer that asks."""
        if self._variables is None:
            self._variables = {
                f"{end}_var": layer.add_weight(f"{name}_{end}", initializer=_constant(value), trainable=False)
                for end, value in zip(("min", "max"), self._start, strict=True)
            }
        return self._variables


class ActivationQuantizer(tfmot.quantization.keras.quantizers.Quantizer):
    """8 bits for a whole tensor, over a range that follows the batches slowly.

    TFMOT's own starts at -6 to 6 and averages over a thousand steps, more than a fine-tuning has; this one starts where
    calibration ends.

    Args:
        shared: the `SharedRange`.
        decay: of the moving average; 1 for a range that stays.
    """

    def __init__(self, shared, decay):
        self._range = shared
        self._decay = decay

    def build(self, tensor_shape, name, layer):
        return self._range.variables(layer, name)

    def __call__(self, inputs, training, weights, **kwargs):
        return quant_ops.MovingAvgQuantize(
            inputs,
            weights["min_var"],
            weights["max_var"],
            ema_decay=self._decay,
            is_training=training and self._decay < 1.0,
            num_bits=_BITS,
        )

    def get_config(self):
        return {"decay": self._decay}


class DepthwiseQuantizer(tfmot.quantization.keras.quantizers.LastValueQuantizer):
    """One scale a channel for a depthwise kernel `[height, width, channels, multiplier]`.

    TFMOT's own counts the last axis for the channels, which leaves one scale for all of them.
    """

    def __init__(self):
        super().__init__(num_bits=_BITS, per_axis=True, symmetric=True, narrow_range=True)

    def build(self, tensor_shape, name, layer):
        return super().build([tensor_shape[-2] * tensor_shape[-1]], name, layer)

    def __call__(self, inputs, training, weights, **kwargs):
        # TFLite's own layout of the kernel.
        flat = tf.reshape(inputs, [1, *inputs.shape[:2], -1])
        return tf.reshape(super().__call__(flat, training, weights, **kwargs), inputs.shape)


def weight_quantizer(kind, preserve=None):
    """The quantizer of a layer's kernel, symmetric and without the code -128.

    Args:
        kind: "Conv2D" (a scale for each filter), "DepthwiseConv2D" (each channel) or "Dense" (one scale: TFLite Micro
            reads no more).
        preserve: None, "zeros" for a pruned network, or "clusters" for a clustered one.
    """
    if kind == "DepthwiseConv2D":
        return DepthwiseQuantizer()
    if preserve == "zeros":
        if kind == "Conv2D":
            return prune_preserve.PrunePreserveDefault8BitConvWeightsQuantizer()
        return prune_preserve.PrunePreserveDefault8BitWeightsQuantizer()
    if preserve == "clusters":
        if kind == "Conv2D":
            return cluster_preserve.ClusterPreserveDefault8BitConvWeightsQuantizer(False)
        return cluster_preserve.ClusterPreserveDefault8BitWeightsQuantizer(False)
    if kind == "Conv2D":
        return Default8BitConvWeightsQuantizer()
    return tfmot.quantization.keras.quantizers.LastValueQuantizer(
        num_bits=_BITS, per_axis=False, symmetric=True, narrow_range=True
    )


class LayerQuantization(tfmot.quantization.keras.QuantizeConfig):
    """What is rounded in one layer: its kernel, its output, both or neither.

    Args:
        attribute: name of the kernel, or None.
        weights: its quantizer, or None.
        output: quantizer of the output, or None.
    """

    def __init__(self, attribute=None, weights=None, output=None):
        self._attribute = attribute
        self._weights = weights
        self._output = output

    def get_weights_and_quantizers(self, layer):
        return [(getattr(layer, self._attribute), self._weights)] if self._attribute else []

    def get_activations_and_quantizers(self, layer):
        return []

    def set_quantize_weights(self, layer, quantize_weights):
        for weights in quantize_weights:
            setattr(layer, self._attribute, weights)

    def set_quantize_activations(self, layer, quantize_activations):
        pass

    def get_output_quantizers(self, layer):
        return [self._output] if self._output else []

    def get_config(self):
        return {}


def _constant(value):
    return tf.constant_initializer(value)
