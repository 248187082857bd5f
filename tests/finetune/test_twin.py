"""The twin equals the deployed student, and its int8 file equals the twin that has been taught to be rounded."""

import functools
import os

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf import data, export, layers, models
from odtf.finetune.quantize import RoundedTwin
from odtf.finetune.tuned_file import aware_file
from odtf.finetune.twin import is_shift, twin_of
from odtf.layers.native_kernels import has_grouped_gradient
from odtf.tasks import Classification
from odtf.tflite import flatbuffer
from tests.models.test_classic_networks import SPECS as CLASSIC
from tests.models.test_networks import SPECS, images, randomized

# Every network once; `every_convolution` has the rest.
ZOO = [SPECS[2], *SPECS[6:8], *CLASSIC[:10:3], *CLASSIC[10:14], CLASSIC[-1]]
# Networks that enlarge maps, and the first layer that the twin lacks.
OF_PIXELS = {
    "encoder_decoder": "layer 'decoder1_doubled8' of type UpSampling2D",
    "deeplab_v3": "layer 'pyramid_repeated' of type UpSampling2D",
    "unet_generator": "layer 'down1_leaky' of type LeakyReLU",
    "resnet_generator": "of type Pad",
}


@pytest.mark.parametrize("spec", ZOO, ids=lambda spec: "-".join(str(v) for v in spec.values()))
def test_a_twin_computes_the_same(spec):
    deployed = models.deploy(randomized(models.build(spec, (8, 8, 1), 10, seed=0, name="peer")))
    twin = twin_of(deployed)
    want = np.asarray(deployed(images((8, 8, 1))))
    np.testing.assert_allclose(twin(images((8, 8, 1))), want, rtol=1e-5, atol=1e-5)
    assert np.abs(want).max() > 0.01
    for layer in twin.layers:
        assert layer.trainable == (not is_shift(layer)), layer.name
    assert sum(map(is_shift, twin.layers)) == {"shift": 6}.get(spec.get("conv"), 0) or spec["name"] != "od_cheap_resnet"


def test_the_whole_zoo_is_here():
    assert {spec["name"] for spec in ZOO} | set(OF_PIXELS) == set(models.specification.names())


@pytest.mark.parametrize("name, layer", OF_PIXELS.items())
def test_networks_of_pixels_name_the_layer_that_has_no_counterpart(name, layer):
    spec = {"name": name, "width": 8, **({"levels": 3} if name == "unet_generator" else {})}
    network = models.build(spec, (16, 16, 1), models.heads.Pixels(3), seed=0, name="peer")
    with pytest.raises(ValueError, match=layer):
        twin_of(models.deploy(network))


def test_a_layer_without_a_counterpart_is_named():
    image = keras.Input((4, 4, 1))
    model = keras.Model(image, keras.layers.UpSampling2D(name="larger")(image))
    with pytest.raises(ValueError, match="layer 'larger' of type UpSampling2D"):
        twin_of(model)


def every_convolution():
    """A network with one convolution of each kind, even and odd sizes, both strides, and a sum of two branches."""
    image = keras.Input((9, 8, 1))
    x = image
    for index, layer in enumerate(
        (
            layers.Conv2D(8, 3, 2),
            layers.GroupConv2D(12, 3, 2),
            layers.ChannelShuffle(2),
            layers.DepthwiseConv2D(3, 2),
            layers.Shift2D(3),
            layers.Conv2D(8, 1),
            layers.LineConv2D(8, 3),
            layers.GhostModule(7, 3),
        )
    ):
        x = layer(x)
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)):
            x = layers.BatchNormalization(epsilon=1e-5, name=f"norm{index}")(x)
            y = x = keras.layers.Activation("relu", name=f"relu{index}")(x)
    x = keras.layers.Activation("relu")(keras.layers.Add()([layers.Conv2D(8, 1)(x), y]))
    x = keras.layers.Dense(10, name="logits")(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, {"logits": x}, name="kinds")


@functools.cache
def taught(grouped):
    """The rounded twin of `every_convolution`, which before that computes the same."""
    deployed = models.deploy(randomized(every_convolution()), grouped=grouped)
    twin = twin_of(deployed)
    np.testing.assert_allclose(twin(images((9, 8, 1))), deployed(images((9, 8, 1))), rtol=1e-5, atol=1e-5)
    return RoundedTwin(twin, images((9, 8, 1), 64))


class Pixels:
    """What a file has to know of its data."""

    image_shape, mean, std = (9, 8, 1), (0.5,), (0.25,)
    info = data.Info("pixels", image_shape, tuple("0123456789"))


@pytest.mark.parametrize("grouped", ["native", "split"])
def test_every_convolution_is_rounded_as_its_file_rounds(grouped):
    model = taught(grouped).model
    content = aware_file(model, Classification(), Pixels, export.SOC)
    types = {tensor.type for tensor in flatbuffer.unpack(content).subgraphs[0].tensors}
    assert types <= {2, 9}, "int8 and int32 alone"
    ops = export.operators(content)
    assert not ops.keys() & {"MUL", "SUB", "QUANTIZE", "DEQUANTIZE"}, "batch norm is folded, and nothing rounded twice"
    assert ops["ADD"] == 1
    runner = export.Runner(content)
    pixels = np.random.default_rng(0).integers(0, 256, (32, 9, 8, 1)).astype("uint8")
    want = np.asarray(model((pixels / np.float32(255.0) - 0.5) / 0.25, training=False))
    steps = np.abs(runner.predict(pixels) - want) / runner.output["quantization"][0]
    assert steps.max() <= 3
    assert len(np.unique(runner.predict(pixels))) > 20


def test_a_grouped_convolution_is_not_compiled_with_xla():
    model = taught("native").model
    step = tf.function(lambda x: model(x, training=True), autograph=False).get_concrete_function(images((9, 8, 1)))
    # Where TensorFlow has oneDNN off there is no other gradient of a grouped convolution than XLA's.
    hidden = 0 if has_grouped_gradient("CPU", "float32") else 1
    assert len([op for op in step.graph.get_operations() if op.type == "Conv2D"]) == 6 - hidden


def test_a_depthwise_kernel_has_a_scale_for_each_channel():
    model = taught("native").model
    layer = next(layer for layer in model.layers if layer.name.startswith("depthwise") and len(layer.weights) > 1)
    model(images((9, 8, 1)), training=True)
    limits = {v.name.rsplit("/")[-1]: v.numpy() for v in layer.weights}["depthwise_kernel_max:0"]
    kernel = next(v for v in layer.weights if v.name.endswith("depthwise_kernel:0"))
    np.testing.assert_allclose(limits, np.abs(kernel).max((0, 1))[:, 0], rtol=1e-6)


def test_tfmot_leaves_the_choice_of_keras_alone():
    assert "TF_USE_LEGACY_KERAS" not in os.environ
    assert keras.__version__.startswith("3.")
