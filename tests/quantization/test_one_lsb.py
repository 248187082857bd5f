"""The int8 file answers as the training-time forward pass, to one level of the output, for every cheap layer."""

import itertools
import tempfile

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from odtf.export.conversion import save_function
from odtf.layers import ChannelShuffle, Conv2D, DepthwiseConv2D, GhostModule, GroupConv2D, LineConv2D, Shift2D
from odtf.quantization import lower
from odtf.quiet import quiet
from tests.quantization.conftest import aware, normalized, randomized

# With a stride everything is folded as without one: there the longest tail has all that a tail can have.
TAILS = {1: ("", "norm", "relu", "norm_relu"), 2: ("norm_relu",)}
CHANNELS, RANGE = 12, (-3.0, 3.0)


def layers(strides):
    """Every layer with a kernel, by name; each a function of a tensor and a name."""
    return {
        "standard": lambda x, name: Conv2D(8, 3, strides, name=name)(x),
        "pointwise": lambda x, name: Conv2D(8, 1, strides, use_bias=True, name=name)(x),
        "grouped": lambda x, name: GroupConv2D(8, 3, 4, strides, name=name)(x),
        "line": lambda x, name: LineConv2D(8, 3, strides, name=name)(x),
        "depthwise": lambda x, name: DepthwiseConv2D(3, strides, name=name)(x),
        "multiplied": lambda x, name: DepthwiseConv2D(3, strides, depth_multiplier=2, name=name)(x),
        "shift": lambda x, name: Conv2D(8, 1, strides, name=name)(Shift2D(3, name=f"{name}_shift")(x)),
        "shuffled": lambda x, name: GroupConv2D(8, 3, 2, strides, name=name)(ChannelShuffle(3)(x)),
    }


def others(x):
    """Layers that come with a tail of their own, or cannot have one."""
    yield "ghost", GhostModule(7, 3, name="ghost")(x)
    yield "strided_ghost", GhostModule(6, 3, strides=2, activation=None, name="strided_ghost")(x)
    yield "lone_norm", normalized(x, "lone", relu=True)
    yield "sum", keras.layers.Add(name="sum")([x, Conv2D(CHANNELS, 1, name="summand")(x)])
    yield "maximum", keras.layers.MaxPooling2D(2, padding="same", name="maximum")(x)
    yield "average", keras.layers.AveragePooling2D(2, padding="same", name="average")(Conv2D(8, 1, name="pooled")(x))
    joined = [Conv2D(4, 1, name="left")(x), Conv2D(4, 1, name="right")(x)]
    yield "joined", keras.layers.Concatenate(name="joined")(joined)
    yield "relu6", keras.layers.ReLU(6.0, name="relu6")(Conv2D(8, 1, name="clipped")(x))
    yield "mean", keras.layers.GlobalAveragePooling2D(name="mean")(x)
    yield "dense", keras.layers.Dense(9, name="dense")(keras.layers.Flatten()(x))


def network(shape):
    """One network with a branch for every case."""
    image = keras.Input(shape)
    branches = dict(others(image))
    for strides, tails in TAILS.items():
        for tail, (kind, layer) in itertools.product(tails, layers(strides).items()):
            name = "_".join(filter(None, (kind, f"stride{strides}", tail)))
            y = layer(image, name)
            if "norm" in tail:
                y = normalized(y, name)
            branches[name] = keras.layers.Activation("relu", name=f"{name}_end")(y) if "relu" in tail else y
    return randomized(keras.Model(image, branches))


def converted(models, shape):
    """An interpreter of one file with all the models, each an output of its name."""
    with tempfile.TemporaryDirectory() as folder, quiet():

        def serve(image):
            return {name: model(image, training=False) for name, model in models.items()}

        variables = [variable for model in models.values() for variable in model.variables]
        save_function(serve, variables, shape, folder)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["serve"])
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True
        converter.inference_input_type = converter.inference_output_type = tf.int8
        return Interpreter(model_content=converter.convert())


def test_the_file_is_the_training_time_forward_pass():
    shape = (7, 6, CHANNELS)
    rng = np.random.default_rng(0)
    images = rng.uniform(*RANGE, (8, *shape)).astype("float32")
    images[0, 0, 0, :2] = RANGE
    rewritten = aware(network(shape), images)
    expected = {name: tap.numpy() for name, tap in rewritten(images).items()}
    assert len(expected) == 8 * (4 + 1) + 10
    lowered = {name: lower(rewritten, name) for name in expected}
    lowered |= {f"{name}_split": lower(rewritten, name, "split") for name in expected if name.startswith("grouped")}
    run = converted(lowered, shape).get_signature_runner("serve")
    scale, zero = run.get_input_details()["image"]["quantization"]
    stored = np.clip(np.floor(images / scale + 0.5) + zero, -128, 127).astype("int8")
    results = [run(image=image[None]) for image in stored]
    for name, details in run.get_output_details().items():
        assert details["dtype"] is np.int8
        scale, zero = details["quantization"]
        found = np.concatenate([(r[name].astype("float32") - zero) * scale for r in results])
        wanted = expected[name.removesuffix("_split")]
        levels = np.abs(found - wanted) / scale
        assert levels.max() < 1.01, (name, levels.max())
        # Nearly all are equal. XNNPACK changes a scale, as before the concatenation of a Ghost module, with 8 bits.
        assert np.mean(levels > 0.5) < (0.05 if "ghost" in name else 0.003), (name, np.mean(levels > 0.5))
        assert np.ptp(wanted) > 20 * scale, name
