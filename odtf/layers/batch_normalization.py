"""Batch normalisation on TensorFlow's fused kernel, compatible with Keras' own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import ops

from odtf.layers import native_kernels

if TYPE_CHECKING:
    from odtf.losses.tensors import Tensor


# Channels that oneDNN normalises together: where they leave some over, it does all of them one by one, three to fifteen
# times slower. `odtf-benchmark train --only=batch_norm` has both.
_TOGETHER = {"float32": 4, "bfloat16": 16, "float16": 16}
# A multiple of all of these.
_FILLED = 16


@keras.saving.register_keras_serializable(package="odtf")
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` with the fused kernel: same weights, names, config and moving statistics.

    Keras 3 composes the normalisation of a dozen operations, each a pass over the activations; the fused kernel takes a
    quarter to a third off a whole training step on CPU. Statistics are float32 also under mixed precision. What the
    kernel does not cover (`synchronized=True`, masks, renormalisation, another axis, rank or backend, float64) is left
    to the stock layer.

    Args:
        **kwargs: the arguments of `keras.layers.BatchNormalization`.
    """

    def call(self, inputs: Tensor, training: bool | None = None, mask: Tensor | None = None) -> Tensor:
        if mask is not None or not self._is_fusable(inputs):
            return super().call(inputs, training=training, mask=mask)
        batch_statistics = bool(training and self.trainable)
        moving = () if batch_statistics else (self.moving_mean, self.moving_variance)
        y, mean, variance = _normalized(inputs, self.gamma, self.beta, moving, self.epsilon)
        if batch_statistics:
            # The kernel reports the unbiased variance; Keras averages the biased one.
            count = ops.cast(ops.size(inputs), "float32") / inputs.shape[-1]
            self._update(self.moving_mean, mean)
            self._update(self.moving_variance, variance * (ops.maximum(count - 1.0, 1.0) / count))
        return y

    def _update(self, moving, value):
        moving.assign(ops.convert_to_tensor(moving) * self.momentum + value * (1.0 - self.momentum))

    def _is_fusable(self, inputs):
        return (
            keras.backend.backend() == "tensorflow"
            and not self.synchronized
            and not getattr(self, "renorm", False)
            and len(inputs.shape) == 4
            and self.axis in (-1, 3)
            and keras.backend.standardize_dtype(inputs.dtype) == self.compute_dtype
            and self.compute_dtype in ("float32", "bfloat16", "float16")
        )

    def deploy(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Applies the stock layer with this layer's present weights.

        Args:
            x: KerasTensor.

        Returns:
            KerasTensor, the output.
        """
        config = {**self.get_config(), "dtype": "float32", "synchronized": False}
        layer = keras.layers.BatchNormalization.from_config(config)
        y = layer(x)
        layer.set_weights(self.get_weights())
        return y


def affine(norm, backend):
    """Finds the factor and the offset by which a batch normalisation acts in inference: y = factor * x + offset.

    Args:
        norm: `keras.layers.BatchNormalization`, or one of this package, with or without a scale and a center.
        backend: `keras.ops` for tensors in the layer's own precision, which pass gradients to its scale and center; or
            `numpy` for float64 arrays.

    Returns:
        Pair of tensors or arrays `[channels]`.
    """

    def value(variable):
        return ops.convert_to_numpy(variable).astype("float64") if backend is np else ops.convert_to_tensor(variable)

    variance = value(norm.moving_variance) + norm.epsilon
    factor = variance**-0.5 if backend is np else ops.rsqrt(variance)
    if norm.scale:
        factor = value(norm.gamma) * factor
    return factor, (value(norm.beta) if norm.center else 0.0) - value(norm.moving_mean) * factor


def _normalized(inputs, scale, offset, moving, epsilon):
    """Normalises with the fused kernel.

    Args:
        inputs: `[batch, height, width, channels]`.
        scale: `[channels]`, or None for ones.
        offset: `[channels]`, or None for zeros.
        moving: (mean, variance), each `[channels]`, to normalise by; empty for those of the batch.
        epsilon: float.

    Returns:
        Tensor of the shape and dtype of `inputs`, mean and unbiased variance, float32 `[channels]`.
    """
    import tensorflow as tf

    channels = inputs.shape[-1]
    scale = tf.ones([channels]) if scale is None else scale
    offset = tf.zeros([channels]) if offset is None else offset
    missing = -channels % _FILLED if _is_slow(inputs) else 0
    if missing:
        # Concatenated and split, for the gradient of a slice takes longer than the norm.
        inputs = tf.concat([inputs, tf.zeros([*tf.unstack(tf.shape(inputs)[:-1]), missing], inputs.dtype)], axis=-1)
        scale, offset, *moving = (tf.concat([v, tf.ones([missing])], axis=0) for v in (scale, offset, *moving))
    mean, variance = moving or ([], [])
    y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=inputs,
        scale=scale,
        offset=offset,
        mean=mean,
        variance=variance,
        epsilon=epsilon,
        is_training=not moving,
    )
    if missing:
        y, mean, variance = (tf.split(v, [channels, missing], axis=-1)[0] for v in (y, mean, variance))
    return y, mean, variance


def _is_slow(inputs):
    """Whether the kernel would normalise channels one by one."""
    return inputs.shape[-1] % _TOGETHER[inputs.dtype.name] != 0 and native_kernels.are_onednn()
