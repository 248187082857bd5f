"""The rewritten network against the float one, and its weights against numpy."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from odtf import models, quantization
from odtf.models.share import share_trunk
from odtf.quantization import Quantized, QuantizedConvolution, Schedule, quantization_aware
from odtf.quantization.parts import scale_of
from tests.quantization.conftest import aware, part, randomized

SHAPE = (8, 8, 1)
IMAGES = np.random.default_rng(0).normal(size=(8, *SHAPE)).astype("float32")


@pytest.fixture
def schedule():
    return Schedule(epochs=3, delay_epochs=1, freeze_batch_norm_epochs=1)


def small(**options):
    options = {"depth": 8, "conv": "depthwise", "width": 4, "seed": 1, **options}
    return randomized(models.od_cheap_resnet(SHAPE, 10, **options))


def test_the_float_phase_is_the_plain_network(schedule):
    plain, rewritten = small(), quantization_aware(small(), schedule)
    schedule.begin_epoch(0)
    assert list(rewritten.output) == list(plain.output)
    expected, found = plain(IMAGES, training=True), rewritten(IMAGES, training=True)
    for tap, y in expected.items():
        np.testing.assert_array_equal(found[tap], y)
    trained = [v.shape for v in plain.trainable_variables]
    assert [v.shape for v in rewritten.trainable_variables] == trained


def test_a_convolution_is_its_folded_and_rounded_form(schedule):
    network = small()
    rewritten = aware(network, IMAGES)
    for name in ("stem_norm", "stage1_block1_pointwise1_norm", "logits"):
        layer = part(rewritten, name)
        assert isinstance(layer, QuantizedConvolution)
        kernel = layer.convolution.kernel.numpy()
        factor, bias = 1.0, 0.0
        if layer.norm is not None:
            norm = layer.norm
            factor = norm.gamma.numpy() / np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
            bias = norm.beta.numpy() - norm.moving_mean.numpy() * factor
        kernel = kernel * factor
        axes = (0, 1) if name == "logits" else (0, 1, 2)
        scale = np.abs(kernel).max(axis=axes, keepdims=True) / 127
        rounded, found = layer.folded()
        np.testing.assert_allclose(rounded, np.round(kernel / scale) * scale, atol=1e-6)
        if layer.norm is not None:  # An int32 counts products of an input and a weight.
            step = layer.input_scale() * scale.ravel()
            np.testing.assert_allclose(found / step, np.round(found / step), atol=0.01)
            np.testing.assert_array_less(np.abs(found - bias), 0.51 * step)
    scale, _ = part(rewritten, "image_range").levels()
    np.testing.assert_allclose(part(rewritten, "stem_norm").input_scale(), scale, rtol=1e-6)


def test_rounding_follows_what_one_operator_does():
    rewritten = quantization_aware(small(), Schedule())
    assert part(rewritten, "stem_norm").output_range is None  # Its ReLU is of the same operator,
    assert isinstance(part(rewritten, "stem_relu"), Quantized)
    sums = [layer for layer in rewritten.layers if layer.name.endswith("_sum")]
    assert sums and all(layer.output_range is not None for layer in sums)  # and there is none after a sum.


def test_batch_statistics_are_those_of_the_convolution(schedule):
    plain, rewritten = small(), quantization_aware(small(), schedule)
    schedule.begin_epoch(1)
    plain(IMAGES, training=True), rewritten(IMAGES, training=True)
    for name in ("stem_norm", "stage1_block1_pointwise1_norm"):
        norm = part(rewritten, name).norm
        for attribute in ("moving_mean", "moving_variance"):
            float_value = getattr(plain.get_layer(name), attribute).numpy()
            np.testing.assert_allclose(getattr(norm, attribute), float_value, rtol=0.05, atol=0.02)


def test_frozen_training_is_inference(schedule):
    rewritten = quantization_aware(small(), schedule)
    schedule.begin_epoch(1)
    rewritten(IMAGES, training=True)
    schedule.begin_epoch(2)
    frozen = {v.path: v.numpy() for v in rewritten.variables if "moving" in v.path}
    for _ in range(300):
        trained = rewritten(IMAGES, training=True)["logits"]
        if not np.any(trained - rewritten(IMAGES)["logits"]):
            break
    np.testing.assert_array_equal(trained, rewritten(IMAGES)["logits"])
    for v in rewritten.variables:
        if "moving" in v.path:
            np.testing.assert_array_equal(v, frozen[v.path])


@pytest.mark.parametrize("epoch", [1, 2])
def test_gradients_flow_through_the_rounding(epoch, schedule):
    """Those of the float layers, up to what rounding changes of their values."""
    convolution, norm = keras.layers.Conv2D(6, 3, name="conv"), keras.layers.BatchNormalization(name="norm")
    norm(convolution(IMAGES))
    randomized(keras.Sequential([keras.Input(SHAPE), convolution, norm]))
    image = quantization.Range(schedule, fixed=(-3.0, 3.0))(keras.Input(SHAPE))
    layer = QuantizedConvolution(convolution, norm, None, schedule, image)
    schedule.begin_epoch(epoch)
    weights = np.random.default_rng(1).normal(size=(8, 6, 6, 6)).astype("float32")
    variables = [v.value for v in layer.trainable_variables]

    def gradients(call):
        with tf.GradientTape() as tape:
            loss = ops.sum(call(IMAGES) * weights)
        return tape.gradient(loss, variables)

    expected = gradients(lambda x: norm(convolution(x), training=epoch == 1))
    found = gradients(lambda x: layer(x, training=True))
    assert len(variables) == 4  # Kernel, bias, gamma and beta.
    for g, h, v in zip(expected, found, variables, strict=True):
        np.testing.assert_allclose(h, g, atol=0.03 * np.abs(g).max() + 1e-3, err_msg=v.name)


def test_a_frozen_network_keeps_its_statistics(schedule):
    rewritten = aware(small(), IMAGES)
    rewritten.trainable = False
    before = [v.numpy() for v in rewritten.variables if "moving" in v.path]
    rewritten(IMAGES, training=True)
    for old, v in zip(before, [v for v in rewritten.variables if "moving" in v.path], strict=True):
        np.testing.assert_array_equal(v, old)


def test_networks_part_where_they_did():
    networks = [
        quantization_aware(models.od_cheap_resnet(SHAPE, 10, depth=8, width=4, seed=i, name=f"peer_{i}"), Schedule())
        for i in (0, 1)
    ]
    for cut in ("stem_relu", "stage2"):
        trunk, branches, peers = share_trunk(networks, cut)
        cut_tensor = trunk(IMAGES)["cut"]
        np.testing.assert_array_equal(branches[1](cut_tensor)["logits"], peers[1](IMAGES)["logits"])
        trunk(IMAGES, training=True)
        after = next(layer for layer in branches[1].layers if isinstance(layer, QuantizedConvolution))
        step = scale_of(trunk.output["cut"])()
        assert after.input_scale() == step > 1e-3  # Of the range that runs, not of its own trunk's, which is empty.


@pytest.mark.parametrize(
    "spec",
    [
        {"name": "wide_resnet", "depth": 10, "widths": (4, 6, 8), "conv": "ghost"},
        {"name": "densenet", "depth": 10, "growth": 3},
    ],
    ids=lambda spec: spec["name"],
)
def test_deployed_and_counted_as_the_float_network(spec):
    network = randomized(models.build(spec, SHAPE, 10, seed=0, name="peer"))
    schedule = Schedule(epochs=2, delay_epochs=1)
    rewritten = quantization_aware(randomized(models.build(spec, SHAPE, 10, seed=0, name="peer")), schedule)
    assert models.cost(rewritten) == models.cost(network)
    schedule.begin_epoch(0)
    np.testing.assert_allclose(models.deploy(rewritten)(IMAGES), rewritten(IMAGES)["logits"], atol=1e-5)


def test_lowered_computes_as_inference():
    network = aware(small(conv="group", groups=2), IMAGES)
    for grouped in ("native", "split"):
        lowered = quantization.lower(network, grouped=grouped)
        assert {type(layer).__module__.split(".")[0] for layer in lowered.layers} <= {"keras", "odtf"}
        scale = part(network, "logits").output_range.levels()[0]
        difference = np.abs(lowered(IMAGES) - network(IMAGES)["logits"]) / scale
        assert difference.max() < 2.5 and np.mean(difference > 0.5) < 0.1


def test_a_lone_norm_of_vectors_is_refused():
    image = keras.Input(SHAPE)
    x = keras.layers.BatchNormalization(name="odd")(keras.layers.GlobalAveragePooling2D()(image))
    with pytest.raises(ValueError, match="'odd'"):
        quantization_aware(keras.Model(image, {"logits": x}), Schedule())


def test_a_pooling_before_a_concatenation_has_a_range_of_its_own():
    image = keras.Input(SHAPE)
    parts = [keras.layers.AveragePooling2D(2, name="pool")(image), keras.layers.MaxPooling2D(2)(image)]
    network = keras.Model(image, {"logits": keras.layers.Concatenate(name="joined")(parts)})
    rewritten = aware(network, IMAGES)
    lowered = quantization.lower(rewritten)
    scale = part(rewritten, "joined").output_range.levels()[0]
    assert np.abs(lowered(IMAGES) - rewritten(IMAGES)["logits"]).max() < 2.01 * scale  # A level of the pooling is more.


def test_only_a_network_that_was_trained_quantised_is_lowered():
    with pytest.raises(ValueError, match="never observed"):
        quantization.lower(quantization_aware(small(), Schedule()))
    with pytest.raises(ValueError, match="trained quantised"):
        quantization.lower(small())
    assert not quantization.is_aware(small()) and quantization.is_aware(quantization_aware(small(), Schedule()))
