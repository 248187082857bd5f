"""Ghost module: half of the features from a convolution, the others cheaply from them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import keras
from keras import ops

from odtf.layers.batch_normalization import BatchNormalization
from odtf.layers.conv2d import Conv2D
from odtf.layers.depthwise_conv2d import DepthwiseConv2D

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from odtf.losses.tensors import Tensor


@keras.saving.register_keras_serializable(package="odtf")
class GhostModule(keras.layers.Layer):
    """A convolution to `ceil(filters / ratio)` channels, and "ghosts" of them by a depthwise convolution.

    convolution - BN - activation gives the primary features; depthwise convolution with multiplier `ratio - 1` on them
    - BN - activation the ghosts; both are concatenated and cut to the first `filters` channels.

    Args:
        filters: number of output channels.
        kernel_size: kernel size of the primary convolution.
        ratio: output channels for each primary one, at least 2.
        cheap_kernel_size: odd kernel size of the depthwise convolution.
        strides: stride of the primary convolution.
        padding: of the primary convolution, as in `odtf.layers.Conv2D`; only "symmetric" needs an odd kernel.
        dilation_rate: of the primary convolution; more than 1 only at stride 1.
        cheap_dilation_rate: of the depthwise convolution.
        activation: "relu", any other Keras activation, or None (the second module of a bottleneck).
        momentum: of the batch normalisations' moving statistics.
        epsilon: of the batch normalisations.
        synchronized: whether the batch normalisations take their statistics over all replicas.
        kernel_initializer: of the primary convolution; by default as in `odtf.layers.Conv2D`.
        depthwise_initializer: of the ghosts; by default as in `odtf.layers.DepthwiseConv2D`.
        **kwargs: the arguments of `keras.layers.Layer`.

    Raises:
        ValueError: if `ratio` is less than 2, or `filters` less than `ratio`.

    Reference:
        Han et al., "GhostNet: More Features from Cheap Operations", 2020;
        github.com/huawei-noah/Efficient-AI-Backbones.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int] = 1,
        ratio: int = 2,
        cheap_kernel_size: int = 3,
        strides: int | tuple[int, int] = 1,
        activation: Any = "relu",
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        synchronized: bool = False,
        kernel_initializer: Any = None,
        depthwise_initializer: Any = None,
        padding: str = "symmetric",
        dilation_rate: int | tuple[int, int] = 1,
        cheap_dilation_rate: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(ratio, int) or ratio < 2 or filters < ratio:
            raise ValueError(
                "A ghost module needs an integer ratio of at least 2 and as many filters or more. "
                f"Received: ratio={ratio}, filters={filters}"
            )
        self.filters = filters
        self.ratio = ratio
        self.activation = keras.activations.get(activation)
        norm = {"momentum": momentum, "epsilon": epsilon, "synchronized": synchronized, "dtype": self.dtype_policy}
        self.primary = Conv2D(
            math.ceil(filters / ratio),
            kernel_size,
            strides=strides,
            padding=padding,
            dilation_rate=dilation_rate,
            kernel_initializer=kernel_initializer,
            dtype=self.dtype_policy,
            name=f"{self.name}_primary",
        )
        self.primary_norm = BatchNormalization(**norm, name=f"{self.name}_primary_norm")
        self.cheap = DepthwiseConv2D(
            cheap_kernel_size,
            depth_multiplier=ratio - 1,
            dilation_rate=cheap_dilation_rate,
            depthwise_initializer=depthwise_initializer,
            dtype=self.dtype_policy,
            name=f"{self.name}_cheap",
        )
        self.cheap_norm = BatchNormalization(**norm, name=f"{self.name}_cheap_norm")

    def build(self, input_shape: tuple[Any, ...]) -> None:
        shape = input_shape
        for layer in (self.primary, self.primary_norm, self.cheap, self.cheap_norm):
            layer.build(shape)
            shape = layer.compute_output_shape(shape)

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        primary = self.activation(self.primary_norm(self.primary(inputs), training=training))
        ghosts = self.activation(self.cheap_norm(self.cheap(primary), training=training))
        features = ops.concatenate([primary, ghosts], axis=-1)
        if features.shape[-1] == self.filters:
            return features
        return ops.split(features, [self.filters], axis=-1)[0]  # The gradient of a slice takes ten times as long.

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        return (*self.primary.compute_output_shape(input_shape)[:-1], self.filters)

    def deploy(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Applies the stock Keras layers that compute the same with this layer's present weights.

        Args:
            x: KerasTensor `[batch, height, width, channels]`.

        Returns:
            KerasTensor, the output.
        """

        def convolved(convolution, norm, activation, x):
            y = norm.deploy(convolution.deploy(x))
            return y if activation is None else activation(y)

        return self.composed(x, convolved, lambda layer, parts: layer(parts))

    def composed(
        self,
        x: keras.KerasTensor,
        convolved: Callable[..., keras.KerasTensor],
        joined: Callable[..., keras.KerasTensor],
    ) -> keras.KerasTensor:
        """Applies the parts of the module one by one, as the caller says: for who has to see between them.

        Args:
            x: KerasTensor `[batch, height, width, channels]`.
            convolved: function of a convolution, its batch normalisation, an activation layer or None, and a tensor.
            joined: function of a concatenation layer and a list of tensors.

        Returns:
            KerasTensor, the output.
        """
        primary = convolved(self.primary, self.primary_norm, self._activation_layer("primary"), x)
        ghosts = convolved(self.cheap, self.cheap_norm, self._activation_layer("cheap"), primary)
        excess = primary.shape[-1] + ghosts.shape[-1] - self.filters
        name = f"{self.name}_joined" if excess else self.name
        y = joined(keras.layers.Concatenate(dtype="float32", name=name), [primary, ghosts])
        if not excess:
            return y
        # Channels-first cropping of a channels-last tensor crops its channels: a slice made of a stock layer.
        crop = ((0, 0), (0, excess))
        return keras.layers.Cropping2D(crop, data_format="channels_first", dtype="float32", name=self.name)(y)

    def _activation_layer(self, part):
        if self.activation is keras.activations.linear:
            return None
        name = keras.activations.serialize(self.activation)
        return keras.layers.Activation(name, dtype="float32", name=f"{self.name}_{part}_activation")

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.primary.kernel_size,
            "ratio": self.ratio,
            "cheap_kernel_size": self.cheap.kernel_size,
            "strides": self.primary.strides,
            "padding": "symmetric" if self.primary.symmetric else self.primary.padding,
            "dilation_rate": self.primary.dilation_rate,
            "cheap_dilation_rate": self.cheap.dilation_rate,
            "activation": keras.activations.serialize(self.activation),
            "momentum": self.primary_norm.momentum,
            "epsilon": self.primary_norm.epsilon,
            "synchronized": self.primary_norm.synchronized,
            "kernel_initializer": keras.initializers.serialize(self.primary.kernel_initializer),
            "depthwise_initializer": keras.initializers.serialize(self.cheap.depthwise_initializer),
        }
