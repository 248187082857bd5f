"""A network at a share of its channels: the network with the others set to zero, whatever ties them."""

import collections

import keras
import numpy as np
import pytest
from keras import layers

from odtf import data, methods, models
from odtf.models.share import share_trunk
from odtf.training import cohorts
from odtf.training.config import default_config, free
from tests.models.small_graphs import images, mixed, nested, randomized, zeroed


def narrowed(model, fraction, **options):
    reports = []
    return models.narrow(model, fraction, report=reports.append, **options), reports[0]


def assert_equals_zeroed(model, fraction, **options):
    x = images(model)
    narrow, report = narrowed(model, fraction, **options)
    found, whole = (keras.tree.flatten(network(x)) for network in (narrow, model))
    expected = keras.tree.flatten(zeroed(model, report.channels)(x))
    for tensor, ours, theirs in zip(keras.tree.flatten(model.output), found, expected, strict=True):
        left = report.channels[tensor._keras_history.operation.name]
        theirs = np.asarray(theirs)[..., left]
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * max(1, np.abs(theirs).max()))
    assert np.abs(expected[-1] - whole[-1]).max() > 1e-3  # What was removed did count.
    return narrow, report


def test_the_whole_is_bit_equal():
    model = mixed()
    narrow, report = narrowed(model, 1.0)
    np.testing.assert_array_equal(narrow(images(model)), model(images(model)))
    assert not report.changed and report.before == report.after
    assert [layer.name for layer in narrow.layers] == [layer.name for layer in model.layers]


@pytest.mark.parametrize("fraction", [0.5, 0.25])
def test_it_equals_the_model_with_zeros(fraction):
    model = mixed(softmax=False)
    narrow, report = assert_equals_zeroed(model, fraction)
    widths = {layer.name: layer.output.shape[-1] for layer in narrow.layers}
    assert widths["stem"] == 8 * fraction and widths["squeeze"] == 4 * fraction
    tied = ("down", "expand", "depthwise", "excite", "scale", "sum", "reshape")
    assert {widths[name] for name in tied} == {16 * fraction}
    assert len({tuple(report.channels[name]) for name in tied}) == 1
    assert widths["grouped"] == 20 * fraction - 20 * fraction % 2 and widths["answer"] == 5
    assert report.kept == {"answer": "its channels are the answer"}
    assert report.changed["stem"] == f"8 -> {widths['stem']} channels"
    assert report.after == models.cost(narrow) and report.after.macs < report.before.macs


def test_channels_of_the_largest_norm_stay():
    image = keras.Input((4, 4, 2))
    model = keras.Model(image, layers.Conv2D(1, 1, name="last")(layers.Conv2D(5, 1, name="conv")(image)))
    kernel = np.array([[1, -4, 2, 0, 3], [1, 0, 2, 0, -3]], "float32").reshape(1, 1, 2, 5)  # Norms 2, 4, 4, 0, 6.
    model.get_layer("conv").set_weights([kernel, np.arange(5, dtype="float32")])
    narrow, report = narrowed(model, 0.6)
    np.testing.assert_array_equal(report.channels["conv"], [1, 2, 4])
    np.testing.assert_array_equal(narrow.get_layer("conv").kernel, kernel[..., [1, 2, 4]])
    np.testing.assert_array_equal(narrow.get_layer("conv").bias, [1, 2, 4])
    _, report = narrowed(model, 0.4)  # Of equals the first.
    np.testing.assert_array_equal(report.channels["conv"], [1, 4])


def test_norms_of_channels_that_are_added_are_summed():
    image = keras.Input((4, 4, 1))
    parts = [layers.Conv2D(3, 1, use_bias=False, name=name)(image) for name in "ab"]
    model = keras.Model(image, layers.Conv2D(1, 1, name="last")(layers.Add()(parts)))
    for name, norms in (("a", [3, 0, 2]), ("b", [0, 4, 3])):
        model.get_layer(name).set_weights([np.reshape(norms, (1, 1, 1, 3)).astype("float32")])
    _, report = narrowed(model, 0.4)
    assert report.channels["a"] == report.channels["b"] == [2]


@pytest.mark.parametrize(
    "spec",
    [
        {"name": "cifar_resnet", "depth": 8, "conv": "ghost", "widths": (5, 11, 22)},
        {"name": "cifar_resnet", "depth": 8, "conv": "shuffled_group", "groups": 2, "shortcut": "identity", "width": 8},
        {"name": "od_cheap_resnet", "depth": 8, "conv": "depthwise"},
        {"name": "od_cheap_resnet", "depth": 8, "conv": "shift"},
        {"name": "densenet", "depth": 16},
    ],
    ids=lambda spec: f"{spec['name']}-{spec.get('conv')}",
)
def test_networks_of_our_own(spec):
    model = randomized(models.build(spec, (8, 8, 3), 10, seed=0))
    narrow, report = assert_equals_zeroed(model, 0.5)
    assert list(report.kept) == ["logits"] and list(narrow.output) == list(model.output)


def test_separable_transposed_and_nested_layers():
    image = keras.Input((8, 8, 4))
    x = layers.SeparableConv2D(8, 3, depth_multiplier=2, name="separable")(image)
    x = layers.SeparableConv2D(6, 3, depth_multiplier=2, name="next")(x)
    x = layers.UpSampling2D()(layers.Conv2DTranspose(6, 2, strides=2, activation="relu", name="transposed")(x))
    x = layers.Conv2D(6, 3, groups=6, name="depthwise")(x)
    assert_equals_zeroed(randomized(keras.Model(image, layers.Conv2DTranspose(3, 2, name="last")(x))), 0.5)
    model = nested()
    np.testing.assert_array_equal(models.narrow(model, 1.0)(images(model)), model(images(model)))
    narrow, report = narrowed(model, 0.5)
    # The inner model is applied twice, so that what it gives is what it takes.
    assert tuple(report.channels["back"]) == tuple(report.channels["conv"]) and len(report.channels["back"]) == 2
    assert narrow.get_layer("inner_conv").filters == 3


def test_after_a_cut_all_before_it_stays():
    base = randomized(models.build({"name": "resnet8"}, (8, 8, 3), 10, seed=0))
    peers = [models.narrow(base, fraction, after="stage1") for fraction in (1.0, 0.5, 0.25)]
    trunk, branches, _ = share_trunk(peers, "stage1")
    assert trunk.output["cut"].shape == base.output["stage1"].shape
    assert [branch.output["stage3"].shape[-1] for branch in branches] == [64, 32, 16]
    # A sum with what stands before the cut keeps its width.
    base = models.build({"name": "cifar_resnet", "depth": 8}, (8, 8, 3), 10, seed=0)
    _, report = narrowed(base, 0.5, after="stem_relu")
    assert report.kept["stage1_block1_conv2"] == "before the cut, or in a sum with what is"


@pytest.mark.parametrize(("divisor", "width"), [(1, 11), (4, 8), (8, 8), (16, 16), (32, 20)])
def test_divisor(divisor, width):
    image = keras.Input((4, 4, 1))
    model = keras.Model(image, layers.Conv2D(2, 1)(layers.Conv2D(20, 1, name="conv")(image)))
    narrow = models.narrow(model, 0.58 if divisor < 32 else 1.0, divisor=divisor)
    assert narrow.get_layer("conv").filters == width


def test_what_looks_across_channels_keeps_them():
    image = keras.Input((4, 4, 3))
    x = layers.LayerNormalization(name="across")(layers.Conv2D(8, 1, name="whole")(image))
    x = layers.Conv2D(8, 1, activation="softmax", name="compared")(x)
    x = layers.Conv2D(6, 1, name="narrow")(x)
    model = keras.Model(image, layers.Conv2D(2, 1, name="last")(x))
    _, report = narrowed(model, 0.5)
    assert list(report.changed) == ["narrow"]
    assert report.kept["whole"] == "across (LayerNormalization) takes and gives all channels"
    assert report.kept["compared"] == "compared compares channels"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"fraction": 0}, r"a number in \(0, 1\]. Received: fraction=0"),
        ({"fraction": 1.5}, r"a number in \(0, 1\]. Received: fraction=1.5"),
        ({"fraction": 0.5, "divisor": 0}, "positive integer. Received: divisor=0"),
        ({"fraction": 0.5, "after": "nowhere"}, "tap or layer after which.*Received: after='nowhere'"),
        ({"fraction": 0.5, "output": "x"}, "names its answer. Received: output='x'"),
        ({"fraction": 0.5, "after": "hidden"}, "that can be narrower. Received: stem: before the cut.*answer"),
    ],
)
def test_refusals(arguments, words):
    with pytest.raises(ValueError, match=words):
        models.narrow(mixed(), **arguments)


def test_a_cohort_of_one_network_at_three_fractions():
    config = default_config()
    config.network = free({"name": "cifar_resnet", "depth": 8, "width": 4})
    config.method = free({"name": "OnlineEnsemble", "networks": (1.0, 0.5, 0.25), "cut": "stage1"})
    info = data.Info("images", (8, 8, 1), tuple("0123456789"))
    method = cohorts.make_method(config, info, None)
    assert isinstance(method, methods.OnlineEnsemble)
    widths = collections.Counter(peer.output["stage3"].shape[-1] for peer in method.peers.values())
    assert widths == {16: 1, 8: 1, 4: 1}
    assert method.specifications["peer_1"] == {**config.network, "fraction": 0.5, "after": "stage1"}
    with pytest.raises(ValueError, match=r"Only a network at a fraction.*has after"):
        models.build({"name": "cifar_resnet", "depth": 8, "after": "stage1"}, (8, 8, 1), 10, seed=0)


def test_trained_weights_are_loaded_before_the_network_is_narrower():
    spec = {"name": "cifar_resnet", "depth": 8, "width": 4}
    source = models.build(spec, (8, 8, 1), 10, seed=7)
    network = models.build(
        {**spec, "fraction": 0.5}, (8, 8, 1), 10, seed=0, prepare=lambda built: built.set_weights(source.get_weights())
    )
    for ours, theirs in zip(network.get_weights(), models.narrow(source, 0.5).get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_mobile_net_v3():
    model = randomized(keras.applications.MobileNetV3Small(weights=None, input_shape=(32, 32, 3), classes=10))
    random = np.random.default_rng(0)
    model.get_layer("logits").set_weights([w * random.uniform(5, 9) for w in model.get_layer("logits").get_weights()])
    narrow, report = assert_equals_zeroed(model, 0.5)
    assert len(report.changed) == 42 and narrow.count_params() < 0.3 * model.count_params()
    assert sum(not isinstance(operation, layers.Layer) for operation in narrow.operations) == 18
