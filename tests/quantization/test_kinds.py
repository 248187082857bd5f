"""Each kind of layer: the int8 file answers as the training-time forward pass, to one level, and float as the model."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from keras.src.applications.convnext import LayerScale

from odtf import quantization
from odtf.export import int8_file
from odtf.quantization import lower
from odtf.tflite import flatbuffer
from odtf.tflite.runner import Runner
from tests.quantization.conftest import aware, normalized, randomized
from tests.quantization.test_one_lsb import converted

SHAPE, RANGE = (7, 6, 12), (-3.0, 3.0)
# Kernels that multiply by numbers of few bits, or round their weights of interpolation: the share that is a level off.
COARSE = {"leaky": 0.15, "resized": 0.05, "hard_sigmoid": 0.03, "written_hard_sigmoid": 0.03, "mean_of_3": 0.02}
COARSE["line"] = 0.05  # A convolution of one row.


def activations(x):
    """Every activation, as a layer of its own, within another layer, or as an operator."""

    def own(name):
        """Converters find what is several operators by patterns, in which nothing may be shared with other ones."""
        return layers.Conv2D(12, 1, name=f"{name}_own")(x)

    for name in ("sigmoid", "tanh", "softmax", "hard_silu", "silu"):
        yield name, layers.Activation(name, name=f"{name}_layer")(x)
    # On the levels of the image itself every sum with 3 would lie half-way between two.
    yield "hard_sigmoid", layers.Activation("hard_sigmoid", name="hard")(own("hard_sigmoid"))
    yield "inside", layers.Conv2D(8, 1, activation="silu", name="inside")(x)
    yield "inside_relu", layers.Conv2D(8, 1, activation="relu", name="inside_relu")(x)
    yield "dense_softmax", layers.Dense(5, activation="softmax", name="dense_softmax")(layers.Flatten()(x))
    yield "leaky", layers.LeakyReLU(0.25, name="leaky")(x)
    yield "leaky_relu", layers.ReLU(negative_slope=0.25, name="leaky_relu")(x)
    slopes = keras.initializers.RandomUniform(0.0, 0.5, seed=0)
    yield "prelu", layers.PReLU(slopes, shared_axes=[1, 2], name="prelu")(own("prelu"))
    yield "gelu", layers.Activation("gelu", name="erf_gelu")(own("gelu"))
    yield "tanh_gelu", ops.gelu(own("tanh_gelu"), approximate=True)
    yield "relu6_operator", ops.relu6(layers.Conv2D(8, 1, name="clipped")(x))
    yield "written_hard_sigmoid", layers.ReLU(6.0)(own("written") + 3.0) * (1.0 / 6.0)


def sums(x):
    """Sums and products of tensors, and with numbers."""
    mean = layers.GlobalAveragePooling2D(keepdims=True, name="mean")(x)
    yield "excited", layers.Multiply(name="excited")([x, layers.Activation("sigmoid", name="gate")(mean)])
    yield "shifted", layers.Add(name="shifted")([x, mean])
    yield "difference", layers.Subtract(name="difference")([x, mean])
    yield "product", x * mean
    yield "sum_of_3", layers.Add(name="sum_of_3")([x, mean, layers.Activation("tanh", name="third")(x)])
    yield "mean_of_3", layers.Average(name="mean_of_3")([x, mean, layers.Activation("tanh", name="other")(x)])
    yield "numbers", 1.0 - x / 2.0
    yield "scaled", LayerScale(0.3, 12, name="scaled")(x)
    yield "joined", ops.concatenate([x, layers.Activation("relu", name="half")(x)], axis=-1)


def convolutions(x):
    """Layers with kernels that are written in other ones."""
    separable = layers.SeparableConv2D(8, 3, strides=2, padding="same", activation="relu", name="separable")
    yield "separable", separable(x)
    yield "grouped", layers.Conv2D(8, 3, groups=4, padding="same", name="grouped")(x)
    yield "each_channel", layers.Conv2D(24, 3, groups=12, padding="same", name="each_channel")(x)
    yield "dense_of_maps", layers.Dense(9, name="dense_of_maps")(x)
    sequence = layers.Reshape((42, 12), name="sequence")(x)
    yield "dense_of_sequence", layers.Dense(9, name="dense_of_sequence")(sequence)
    yield "line", layers.Conv1D(8, 3, strides=2, padding="same", activation="relu", name="line")(sequence)
    yield "mean_of_sequence", layers.GlobalAveragePooling1D(name="mean_of_sequence")(sequence)
    yield "transposed", layers.Conv2DTranspose(8, 3, strides=2, padding="same", name="transposed")(x)
    wide = layers.Conv2DTranspose(8, 4, strides=2, padding="valid", use_bias=False, name="wide")(x)
    yield "transposed_norm", normalized(wide, "transposed_norm", relu=True)
    yield "maximum", layers.GlobalMaxPooling2D(name="maximum")(x)
    yield "nearest", layers.UpSampling2D(2, name="nearest")(x)
    yield "doubled", layers.UpSampling2D(2, interpolation="bilinear", name="doubled")(x)
    yield "resized", layers.Resizing(11, 9, name="resized")(x)
    inner = keras.Sequential([layers.Conv2D(8, 1, name="clipped"), layers.ReLU(name="end")], name="nested")
    yield "nested", inner(x)


def rounded_images():
    images = np.random.default_rng(0).uniform(*RANGE, (8, *SHAPE)).astype("float32")
    images[0, 0, 0, :2] = RANGE
    return images


@pytest.mark.parametrize("branches", [activations, sums, convolutions])
def test_the_file_is_the_training_time_forward_pass(branches):
    keras.utils.set_random_seed(0)
    image, images = keras.Input(SHAPE), rounded_images()
    network = randomized(keras.Model(image, dict(branches(image))))
    schedule = quantization.Schedule()
    rewritten = aware(network, images, schedule)
    schedule.phase = "float"
    for name, expected in network(images).items():
        np.testing.assert_allclose(rewritten(images)[name], expected, atol=2e-5, err_msg=name)
    schedule.phase = "quantized"
    expected = {name: y.numpy() for name, y in rewritten(images).items()}
    run = converted({name: lower(rewritten, name) for name in expected}, SHAPE).get_signature_runner("serve")
    scale, zero = run.get_input_details()["image"]["quantization"]
    stored = np.clip(np.floor(images / scale + 0.5) + zero, -128, 127).astype("int8")
    results, coarser = [run(image=image[None]) for image in stored], {}
    for name, details in run.get_output_details().items():
        assert details["dtype"] is np.int8, name
        scale, zero = details["quantization"]
        found = np.concatenate([(r[name].astype("float32") - zero) * scale for r in results])
        levels = np.abs(found - expected[name]) / scale
        assert levels.max() < 1.01, (name, levels.max())
        share = next((share for coarse, share in COARSE.items() if name.startswith(coarse)), 0.02)
        if np.mean(levels > 0.5) >= share:
            coarser[name] = float(np.mean(levels > 0.5))
        assert np.ptp(expected[name]) > 20 * scale, name
    assert not coarser


def islands():
    """A network with layers in float, one after the other and alone."""
    image = keras.Input(SHAPE)
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="first")(image)
    x = layers.LayerNormalization(name="norm")(x)
    x = layers.Conv2D(8, 3, padding="same", name="kept")(x)
    x = layers.Activation("relu", name="after")(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(6, 1, activation="elu", name="odd")(x)
    return randomized(keras.Model(image, layers.Dense(5, name="logits")(layers.Flatten()(x))))


def test_layers_in_float_lie_between_dequantize_and_quantize():
    images = rounded_images()
    schedule = quantization.Schedule()
    rewritten = quantization.quantization_aware(islands(), schedule, keep_float=("kept", "odd"))
    assert quantization.floating(rewritten) == ["norm", "kept", "odd"]
    rewritten(images, training=True)
    content = int8_file(rewritten)
    operators = flatbuffer.operators(content)
    assert operators["DEQUANTIZE"] == operators["QUANTIZE"] == 2 and "CAST" not in operators
    assert operators["CONV_2D"] == 3 and operators["ELU"] == 1
    runner, expected = Runner(content), rewritten(images).numpy()
    levels = np.abs(runner.predict(stored_as_floats(runner, images)) - expected) / runner.output["quantization"][0]
    assert levels.max() < 2.01 and np.mean(levels > 0.5) < 0.2


def test_no_norm_moves_its_statistics_in_the_last_epochs():
    """Taken up by a convolution, as a convolution of its own, and in float."""
    x = image = keras.Input(SHAPE)
    for name in ("alone", "taken", "kept"):
        x = layers.Conv2D(6, 3, padding="same", name=f"{name}_conv", use_bias=False)(x)
        x = layers.ReLU()(x) if name == "alone" else x
        x = layers.BatchNormalization(name=name)(x)
    schedule = quantization.Schedule(epochs=2, freeze_batch_norm_epochs=1)
    rewritten = quantization.quantization_aware(keras.Model(image, x), schedule, keep_float=("kept",))
    assert quantization.floating(rewritten) == ["kept"]
    statistics = [v for v in rewritten.variables if v.path.split("/")[-1].startswith("moving_")]
    assert len(statistics) == 6
    for epoch, moves in enumerate((True, False)):
        schedule.begin_epoch(epoch)
        before = [np.array(v) for v in statistics]
        rewritten(rounded_images(), training=True)
        assert [not np.array_equal(*pair) for pair in zip(before, statistics, strict=True)] == [moves] * 6


def stored_as_floats(runner, images):
    """The values that the file's input has for the images: `Runner` divides by its scale."""
    scale = runner.input["quantization"][0]
    return np.floor(images / scale + 0.5) * scale


def test_weights_of_one_scale():
    image, images = keras.Input(SHAPE), rounded_images()
    x = normalized(layers.Conv2D(8, 3, padding="same", use_bias=False, name="conv")(image), "conv", relu=True)
    x = normalized(layers.DepthwiseConv2D(3, name="depthwise")(x), "depthwise", relu=True)
    x = layers.Conv2DTranspose(6, 3, name="transposed")(x)
    rewritten = quantization.quantization_aware(randomized(keras.Model(image, x)), per_channel=False)
    for _ in range(2):
        rewritten(images, training=True)
    content = int8_file(rewritten)
    graph = flatbuffer.unpack(content).subgraphs[0]
    scales = [t.quantization.scale for t in graph.tensors if t.quantization is not None]
    assert all(scale is None or len(scale) == 1 for scale in scales)
    runner, expected = Runner(content), rewritten(images).numpy()
    levels = np.abs(runner.predict(stored_as_floats(runner, images)) - expected) / runner.output["quantization"][0]
    assert levels.max() < 2.01 and np.mean(levels > 0.5) < 0.05


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (layers.Activation("selu", name="odd"), "activation selu"),
        (layers.ReLU(max_value=3.0, name="odd"), "ReLU"),
        (layers.UpSampling2D(interpolation="bicubic", name="odd"), "bicubic"),
        (layers.Concatenate(axis=1, name="odd"), "of channels"),
        (layers.Conv3D(2, 1, name="odd"), "Conv3D"),
    ],
)
def test_what_has_no_int8_form_is_named(layer, message):
    image = keras.Input((2, 8, 8, 1) if isinstance(layer, layers.Conv3D) else SHAPE)
    y = layer([image, image]) if isinstance(layer, layers.Concatenate) else layer(image)
    with pytest.raises(ValueError, match=f"{message}.*'odd'"):
        quantization.quantization_aware(keras.Model(image, y))


def test_a_layer_with_weights_that_is_called_twice_is_named():
    image = keras.Input(SHAPE)
    twice = layers.Conv2D(12, 1, name="twice")
    with pytest.raises(ValueError, match=r"called twice.*'twice'"):
        quantization.quantization_aware(keras.Model(image, twice(twice(image))))


def test_a_name_to_keep_in_float_must_be_of_a_layer():
    with pytest.raises(ValueError, match="'absent'"):
        quantization.quantization_aware(islands(), keep_float=("odd", "absent"))
