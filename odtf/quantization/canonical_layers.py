"""Rules of the canonical form for layers that compute."""

import keras
import numpy as np
from keras import layers

from odtf.layers import ChannelShuffle, GhostModule, GroupConv2D, Shift2D
from odtf.quantization.canonical_activations import activated
from odtf.quantization.channel_affine import affine_channels
from odtf.quantization.resize2d import Resize2D

KERNELS = (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense, layers.Conv2DTranspose)
# Layers that move values or choose among them, also those that do so in training alone: their output has the levels of
# their input.
MOVING: tuple[type, ...] = (
    layers.InputLayer,
    layers.MaxPooling2D,
    layers.ZeroPadding2D,
    layers.Cropping2D,
    layers.Flatten,
)
MOVING += (layers.Reshape, layers.Permute, layers.Dropout, layers.SpatialDropout2D, layers.Identity, Shift2D)
MOVING += (ChannelShuffle, layers.ActivityRegularization, layers.GaussianNoise, layers.RandomFlip)
MOVING += (layers.RandomTranslation, layers.RandomRotation, layers.RandomZoom, layers.RandomContrast)
STAYING: tuple[type, ...] = (
    *MOVING,
    layers.BatchNormalization,
    layers.Concatenate,
    layers.AveragePooling2D,
    GhostModule,
)
STAYING += (layers.GlobalAveragePooling2D, layers.GlobalAveragePooling1D, Resize2D)
_PLAIN = (*STAYING, *KERNELS, layers.Activation, layers.ReLU, layers.Add)


def is_plain(operation):
    """Whether an operation is canonical as it stands, and in the form that odtf's own networks have."""
    if not isinstance(operation, _PLAIN) or len(operation._inbound_nodes) > 1:
        return False
    if isinstance(operation, layers.Add):
        return len(operation.input) == 2
    if isinstance(operation, layers.Concatenate):
        return operation.axis in (-1, len(operation.output.shape) - 1)
    if isinstance(operation, layers.Activation):
        return operation.activation.__name__ in ("relu", "relu6", "linear")
    if isinstance(operation, layers.ReLU):
        return operation.max_value in (None, 6) and not operation.negative_slope and not operation.threshold
    if isinstance(operation, KERNELS):
        grouped = type(operation) is layers.Conv2D and operation.groups > 1
        dense = not isinstance(operation, layers.Dense) or len(operation.input.shape) == 2
        return operation.activation is keras.activations.linear and not grouped and dense
    return True


def _with_activation(rewriting, layer, x, call):
    """Applies a layer without its activation, then the activation under the layer's name."""
    if layer.activation is keras.activations.linear:
        return call(rewriting.name(layer), x)
    name = rewriting.name(layer)
    return activated(rewriting, layer.activation, name, call(rewriting.name(f"{name}_linear"), x))


def _convolution(rewriting, layer, x):
    _check_format(rewriting, layer)
    if layer.activation is keras.activations.linear and is_same(layer):
        return rewriting.keep(layer)(x)

    def call(name, x):
        made, weights = _without_groups(layer, name, x.shape[-1])
        made.trainable = layer.trainable
        return rewriting.apply(made, x, weights)

    return _with_activation(rewriting, layer, x, call)


def is_same(layer):
    """Whether a convolution needs no other class: Keras' own grouped one is compiled by XLA, and slow on CPU."""
    return type(layer) is not layers.Conv2D or layer.groups == 1


def _without_groups(layer, name, channels):
    config, weights = {**layer.get_config(), "name": name, "activation": "linear"}, layer.get_weights()
    if is_same(layer):
        return type(layer).from_config(config), weights
    depthwise = layer.groups == channels and len(set(layer.strides)) == 1
    if depthwise and (layer.strides == (1, 1) or layer.dilation_rate == (1, 1)):
        multiplier = layer.filters // channels
        made = layers.DepthwiseConv2D(
            layer.kernel_size,
            strides=layer.strides,
            padding=layer.padding,
            depth_multiplier=multiplier,
            dilation_rate=layer.dilation_rate,
            use_bias=layer.use_bias,
            name=name,
        )
        return made, [weights[0].reshape(*layer.kernel_size, channels, multiplier), *weights[1:]]
    return GroupConv2D.from_config(config), weights


def _dense(rewriting, layer, x):
    rank = len(x.shape)
    if rank < 4 and layer.activation is keras.activations.linear:
        return rewriting.keep(layer)(x)

    def call(name, x):
        config, weights = {**layer.get_config(), "name": name, "activation": "linear"}, layer.get_weights()
        if rank < 4:
            return rewriting.apply(layers.Dense.from_config(config), x, weights)
        # On maps it is a 1x1 convolution, whose weights have a scale for each channel.
        made = layers.Conv2D(layer.units, 1, use_bias=layer.use_bias, name=name)
        return rewriting.apply(made, x, [weights[0][None, None], *weights[1:]])

    return _with_activation(rewriting, layer, x, call)


def _separable(rewriting, layer, x):
    _check_format(rewriting, layer)
    depthwise, pointwise, *bias = layer.get_weights()

    def call(name, x):
        first = layers.DepthwiseConv2D(
            layer.kernel_size,
            strides=layer.strides,
            padding=layer.padding,
            depth_multiplier=layer.depth_multiplier,
            dilation_rate=layer.dilation_rate,
            use_bias=False,
            name=rewriting.name(f"{name}_depthwise"),
        )
        second = layers.Conv2D(layer.filters, 1, use_bias=layer.use_bias, name=name)
        return rewriting.apply(second, rewriting.apply(first, x, [depthwise]), [pointwise, *bias])

    return _with_activation(rewriting, layer, x, call)


def _convolution_1d(rewriting, layer, x):
    if layer.padding == "causal":
        rewriting.refuse(layer, "a causal convolution has none here")
    _, length, channels = x.shape

    def call(name, x):
        x = layers.Reshape((1, length, channels), name=rewriting.name(f"{name}_map"))(x)
        config = {"filters": layer.filters, "kernel_size": (1, *layer.kernel_size), "strides": layer.strides[0]}
        config |= {"padding": layer.padding, "dilation_rate": (1, *layer.dilation_rate), "use_bias": layer.use_bias}
        made = layers.Conv2D(**config, name=rewriting.name(f"{name}_convolution"))
        if layer.groups > 1:
            made = GroupConv2D(**config, groups=layer.groups, name=made.name)
        kernel, *bias = layer.get_weights()
        y = rewriting.apply(made, x, [kernel[None], *bias])
        return layers.Reshape(y.shape[2:], name=name)(y)

    return _with_activation(rewriting, layer, x, call)


def _chained(rewriting, layer, tensors, **_):
    """Sums and products of two at a time, which is what operators take."""
    name, made = rewriting.name(layer), type(layer)
    y, *others = tensors
    for number, other in enumerate(others, start=1):
        if len(y.shape) != len(other.shape):
            rewriting.refuse(layer, "what is added or multiplied has as many axes as the other")
        last = number == len(others)
        y = made(name=name if last else rewriting.name(f"{name}_{number}"))([y, other])
    return y


def _mean_of(rewriting, layer, tensors, **_):
    name = rewriting.name(layer)
    total = _chained(rewriting, layers.Add(name=f"{name}_sum"), tensors)
    return affine_channels(rewriting, total, 1.0 / len(tensors), 0.0, name)


def _global_maximum(rewriting, layer, x):
    _check_format(rewriting, layer)
    name, size = rewriting.name(layer), x.shape[1:3]
    if layer.keepdims:
        return layers.MaxPooling2D(size, name=name)(x)
    return layers.Flatten(name=name)(layers.MaxPooling2D(size, name=rewriting.name(f"{name}_pool"))(x))


def _rescaling(rewriting, layer, x):
    return affine_channels(rewriting, x, layer.scale, layer.offset, rewriting.name(layer))


def _normalization(rewriting, layer, x):
    if layer.axis not in ((-1,), (len(x.shape) - 1,), ()):
        rewriting.refuse(layer, "a normalisation is of channels")
    mean, variance = (np.asarray(keras.ops.convert_to_numpy(value)) for value in (layer.mean, layer.variance))
    std = np.maximum(np.sqrt(variance), keras.config.epsilon())
    factor, offset = (std, mean) if layer.invert else (1.0 / std, -mean / std)
    return affine_channels(rewriting, x, factor, offset, rewriting.name(layer))


def _upsampling(rewriting, layer, x):
    _check_format(rewriting, layer)
    size = tuple(n * factor for n, factor in zip(x.shape[1:3], layer.size, strict=True))
    return _resized(rewriting, layer, x, size)


def _resizing(rewriting, layer, x):
    _check_format(rewriting, layer)
    if layer.crop_to_aspect_ratio or layer.pad_to_aspect_ratio or layer.antialias:
        rewriting.refuse(layer, "a resizing is plain: it neither crops nor pads nor filters")
    return _resized(rewriting, layer, x, (layer.height, layer.width))


def _resized(rewriting, layer, x, size):
    if layer.interpolation not in ("nearest", "bilinear"):
        rewriting.refuse(layer, f"an interpolation is nearest or bilinear, and {layer.interpolation} has none")
    return Resize2D(*size, layer.interpolation, name=rewriting.name(layer))(x)


def _check_format(rewriting, layer):
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        rewriting.refuse(layer, "channels come last")


def _average_pooling(rewriting, layer, x):
    _check_format(rewriting, layer)
    return rewriting.keep(layer)(x)


def _concatenation(rewriting, layer, tensors, **_):
    if layer.axis not in (-1, len(tensors[0].shape) - 1):
        rewriting.refuse(layer, "a concatenation is of channels")
    return rewriting.keep(layer)(tensors)


LAYERS = {
    layers.Conv2D: _convolution,
    layers.DepthwiseConv2D: _convolution,
    layers.Conv2DTranspose: _convolution,
    layers.Dense: _dense,
    layers.SeparableConv2D: _separable,
    layers.Conv1D: _convolution_1d,
    layers.Add: _chained,
    layers.Subtract: _chained,
    layers.Multiply: _chained,
    layers.Average: _mean_of,
    layers.Concatenate: _concatenation,
    layers.AveragePooling2D: _average_pooling,
    layers.GlobalMaxPooling2D: _global_maximum,
    layers.Rescaling: _rescaling,
    layers.Normalization: _normalization,
    layers.UpSampling2D: _upsampling,
    layers.Resizing: _resizing,
}
