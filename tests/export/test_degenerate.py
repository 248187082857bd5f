"""Networks with dead, constant and oddly scaled parts: every target takes them, quantised after training or in it."""

import functools
import types

import keras
import numpy as np
import pytest

from odtf.export import SOC, TARGETS, Runner, convert, every_target, export_each, fold_preprocessing
from odtf.tasks import Classification
from odtf.tflite import flatbuffer
from odtf.tflite.weight_scales import stored
from tests.export.degenerate_networks import CASES, DEAD, make, trained_quantized

TABLE = {**CASES, "dead": DEAD}


def exported(network, digits, folder, chosen):
    rows, refused = export_each(
        network, digits, chosen, lambda target: folder / target.name, calibration_examples=32, max_examples=64
    )
    assert not refused
    return rows


@pytest.fixture(scope="module")
def network(digits):
    """Function from a case to its network, which several files are made of."""
    return functools.cache(lambda case: make(TABLE[case], digits))


@pytest.mark.parametrize("case", TABLE)
def test_quantised_after_training(case, network, digits, tmp_path):
    chosen = [*every_target("int8"), (TARGETS["soc"], "int16x8"), (TARGETS["phone"], "int16x8")]
    rows = exported(network(case), digits, tmp_path, chosen)
    assert len(rows) == len(chosen)
    assert all(row["error"] < 0.3 for row in rows), {(row["target"], row["quantization"]): row["error"] for row in rows}


@pytest.mark.parametrize("case", TABLE)
def test_trained_quantised(case, network, digits, tmp_path):
    aware = trained_quantized(network(case), digits)
    chosen = [(target, "int8") for target in TARGETS.values() if "int8" in target.tensors]
    assert len(exported(aware, digits, tmp_path, chosen)) == len(chosen) == 6


def _made(network, images, quantization):
    model = fold_preprocessing(network, (0.0,), (1.0,), SOC, quantization, Classification())
    answer = Classification().answer(types.SimpleNamespace(names="abcd"), SOC, quantization)
    return convert(model, images, SOC, quantization, answer)


def _real(model, tensor, dtype):
    """The values of a constant, with their scales one for each of the first axis or one for all."""
    scales = np.reshape(tensor.quantization.scale, [-1] + [1] * (len(tensor.shape) - 1))
    return stored(model, tensor, dtype).reshape(tensor.shape) * scales, scales


@pytest.mark.parametrize("quantization", ["int8", "int16x8"])
def test_weights_behind_what_calibration_never_saw_are_those_of_the_student(quantization):
    """A ReLU that bright images alone pass: the weights behind it were all zeros, and in int16 the biases too."""
    keras.utils.set_random_seed(0)
    image = keras.Input((4, 4, 1))
    x = keras.layers.ReLU()(keras.layers.Conv2D(3, 2, name="bright")(image))
    x = keras.layers.Conv2D(5, 3, name="behind", bias_initializer=keras.initializers.RandomNormal(0.0, 1e3))(x)
    x = keras.layers.Concatenate()([keras.layers.Flatten()(x), keras.layers.Flatten()(image)])
    network = keras.Model(image, keras.layers.Dense(4)(x))
    network.get_layer("bright").set_weights([np.ones((2, 2, 1, 3)), np.full(3, -2.0)])
    images = np.random.default_rng(0).integers(0, 256, (64, 4, 4, 1), np.uint8)
    content = _made(network, images // 4, quantization)
    model = flatbuffer.unpack(content)
    operators = model.subgraphs[0].operators
    behind = [op for op in operators if flatbuffer.operator_name(model, op) == "CONV_2D"][-1]
    kernel, bias = (model.subgraphs[0].tensors[x] for x in behind.inputs[1:3])
    expected = network.get_layer("behind").get_weights()
    values, steps = _real(model, kernel, np.int8)
    assert np.all(np.abs(values - expected[0].transpose(3, 0, 1, 2)) <= steps / 2 * 1.001)
    values, steps = _real(model, bias, {"int8": np.int32, "int16x8": np.int64}[quantization])
    np.testing.assert_allclose(values, expected[1], rtol=1e-3)
    assert np.all(np.isfinite(Runner(content).predict(images)))


def test_a_term_far_below_a_sum_leaves_it_as_it_is():
    """LiteRT's own kernel added 1 where a branch of -10,000 goes into a sum from 0 to 1."""
    keras.utils.set_random_seed(0)
    image = keras.Input((4, 4, 1))
    near, far = keras.layers.ReLU()(keras.layers.Conv2D(4, 3)(image)), keras.layers.Conv2D(4, 3, name="far")(image)
    x = keras.layers.ReLU()(keras.layers.Add()([near, far]))
    network = keras.Model(image, keras.layers.Dense(4)(keras.layers.Flatten()(x)))
    kernel, _ = network.get_layer("far").get_weights()
    network.get_layer("far").set_weights([kernel, np.float32([-1e4, 0.0, -3e4, 0.1])])
    images = np.random.default_rng(0).integers(0, 256, (64, 4, 4, 1), np.uint8)
    expected = np.asarray(network(images / np.float32(255.0)))
    for form in ("int8", "int16x8"):
        content = _made(network, images, form)
        for kernels in ("xnnpack", "own", "reference"):
            found = Runner(content, kernels=kernels).predict(images)
            assert np.abs(found - expected).max() < 0.05 * np.ptp(expected), (form, kernels)
