"""Layers, one at a time: forward and backward, against the layer that they replace."""

import contextlib

import keras
import tensorflow as tf

from odtf import layers
from odtf.benchmark.timing import Comparison, interleave
from odtf.layers import native_kernels

# Batch, height, width, channels of the goals; as many filters as channels.
SHAPE = (32, 32, 32, 32)
GROUPS = 4
# The first stage of a CIFAR network, where batch normalisation costs most.
NORM_SHAPE = (128, 32, 32, 16)
# The answer of a segmenter of half of CamVid's pictures, of which rows go that the strides rounded up.
CROP_SHAPE, CROPPING = (8, 184, 240, 11), ((0, 4), (0, 0))
# Channels that oneDNN does not normalise together, and the policies under which it does not.
UNEVEN = ((38, "float32"), (8, "mixed_bfloat16"), (24, "mixed_bfloat16"), (38, "mixed_bfloat16"))
# What takes milliseconds is timed more often than a step.
REPEATS = 5


def layer_step(layer, shape):
    """Returns a callable that runs a layer forward and backward.

    Args:
        layer: Keras layer, not yet built; it is trained, if it has anything to train, in its compute dtype.
        shape: tuple of int, the shape of its input.

    Returns:
        Callable without arguments; it computes the gradients of all weights and of the input.
    """
    inputs = tf.cast(tf.random.stateless_normal(shape, (0, 0)), layer.compute_dtype)
    outputs = layer(inputs, training=True)
    upstream = tf.cast(tf.random.stateless_normal(outputs.shape, (0, 1)), outputs.dtype)
    variables = [v.value for v in layer.trainable_variables]

    # As arguments: what a graph knows to be constant it might compute beforehand.
    @tf.function(autograph=False)
    def step(inputs, upstream):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, training=True)
        gradients = tape.gradient(outputs, [inputs, *variables], output_gradients=upstream)
        return [tf.reshape(gradient, [-1])[0] for gradient in gradients]

    step = step.get_concrete_function(inputs, upstream)
    return lambda: [value.numpy() for value in step(inputs, upstream)]


def group_conv(setup, shape=SHAPE):
    """GroupConv2D against the grouped convolution of Keras, which wraps it in XLA.

    Args:
        setup: `odtf.benchmark.suite.Setup`.
        shape: tuple of int, the shape of the input.

    Returns:
        list of `Comparison`.
    """
    stock = keras.layers.Conv2D(shape[-1], 3, padding="same", groups=GROUPS, use_bias=False)
    steps = {
        "ours": layer_step(layers.GroupConv2D(shape[-1], 3, GROUPS), shape),
        "keras": layer_step(stock, shape),
    }
    # The stock one may take seconds.
    times = interleave(steps, min(setup.repeats, 5), warmup=1)
    case = f"grouped 3x3 convolution, g={GROUPS}, {_text(shape)}"
    return [Comparison(case, "GroupConv2D", times["ours"], "keras.layers.Conv2D", times["keras"], at_most=1 / 40)]


def cheap_layers(setup, shape=SHAPE):
    """Every cheap layer against the standard 3x3 convolution of the same shape; arguments as for `group_conv`."""
    filters = shape[-1]
    cheap = {
        f"GroupConv2D, g={GROUPS}": layers.GroupConv2D(filters, 3, GROUPS),
        "DepthwiseConv2D": layers.DepthwiseConv2D(3),
        "Shift2D": layers.Shift2D(3),
        "LineConv2D": layers.LineConv2D(filters, 3),
        "GhostModule with its norms": layers.GhostModule(filters, kernel_size=3),
    }
    baseline = "Conv2D"
    steps = {name: layer_step(layer, shape) for name, layer in cheap.items()}
    times = interleave({**steps, baseline: layer_step(layers.Conv2D(filters, 3), shape)}, REPEATS * setup.repeats)
    return [Comparison(f"layer, {_text(shape)}", name, times[name], baseline, times[baseline]) for name in cheap]


def batch_norm(setup, shape=NORM_SHAPE):
    """Batch normalisation alone, fused against stock Keras, and of odd numbers of channels, filled up against as it is.

    Arguments as for `group_conv`.
    """
    kinds = {"fused": layers.BatchNormalization, "stock": keras.layers.BatchNormalization}
    steps = {name: layer_step(kind(momentum=0.9, epsilon=1e-5), shape) for name, kind in kinds.items()}
    times = interleave(steps, REPEATS * setup.repeats)
    case = f"batch normalisation, {_text(shape)}"
    rows = [Comparison(case, "fused", times["fused"], "stock Keras", times["stock"])]
    for channels, dtype in UNEVEN:
        uneven = (*shape[:-1], channels)
        steps = {"filled": layer_step(layers.BatchNormalization(dtype=dtype), uneven)}
        with _as_it_is():
            steps["as it is"] = layer_step(layers.BatchNormalization(dtype=dtype), uneven)
        times = interleave(steps, REPEATS * setup.repeats)
        case = f"batch normalisation, {_text(uneven)}, {dtype.removeprefix('mixed_')}"
        rows.append(Comparison(case, "filled up", times["filled"], "as it is", times["as it is"]))
    return rows


def cropping(setup, shape=CROP_SHAPE):
    """Cropping2D, a split, against that of Keras, a strided slice; arguments as for `group_conv`."""
    kinds = {"ours": layers.Cropping2D, "keras": keras.layers.Cropping2D}
    times = interleave({name: layer_step(kind(CROPPING), shape) for name, kind in kinds.items()}, setup.repeats)
    case = f"cropping, {_text(shape)}"
    return [Comparison(case, "Cropping2D", times["ours"], "keras.layers.Cropping2D", times["keras"], at_most=1 / 2)]


@contextlib.contextmanager
def _as_it_is():
    """Lets every norm that is traced inside give the kernel its channels as they are."""
    found = native_kernels.are_onednn
    native_kernels.are_onednn = lambda: False
    try:
        yield
    finally:
        native_kernels.are_onednn = found


def _text(shape):
    return "x".join(map(str, shape))
