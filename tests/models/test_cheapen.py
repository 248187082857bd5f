"""A network made cheap: the same shapes and sampling grid, the weights of all that stays, an honest account."""

import keras
import numpy as np
import pytest
from keras import layers

from odtf import models
from odtf.models.cheap_forms import FORMS
from tests.models.small_graphs import images, mixed, nested, randomized

every_form = pytest.mark.parametrize("conv", FORMS)


def operations(model):
    return [type(operation).__name__ for operation in model.operations if not isinstance(operation, layers.Layer)]


def assert_rest_is_equal(model, cheap, names=()):
    """Every layer of `model` that `cheap` has too has its arrays; returns how many there are."""
    originals = {layer.name: layer for layer in model.layers}
    shared = [layer for layer in cheap.layers if layer.name in originals]
    for layer in shared:
        assert layer is not originals[layer.name]
        for ours, theirs in zip(layer.get_weights(), originals[layer.name].get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    return len(shared)


@every_form
def test_forms_of_a_graph_with_everything(conv, tmp_path):
    model, reports = mixed(), []
    before = model.predict(images(model), verbose=0)
    cheap = models.cheapen(model, conv, report=reports.append)
    (report,) = reports
    assert list(report.changed) == ["down", "dilated"]
    assert report.kept == {"stem": "the stem", "grouped": "cheap already"}
    assert assert_rest_is_equal(model, cheap) == len(model.layers) - 2
    assert operations(cheap) == operations(model) != []
    assert cheap.name == "mixed" and cheap.output_shape == (None, 5)
    assert report.after.params < report.before.params and report.after.macs < report.before.macs
    assert report.before == models.cost(model) and "kept, the stem" in str(report)
    np.testing.assert_array_equal(model.predict(images(model), verbose=0), before)
    # It is a Keras model: saved, loaded, and trained in all its parts.
    cheap.save(tmp_path / "cheap.keras")
    loaded = keras.models.load_model(tmp_path / "cheap.keras")
    np.testing.assert_array_equal(loaded(images(model)), cheap(images(model)))


def test_names_biases_and_activations():
    model = mixed()
    cheap = models.cheapen(model, "depthwise")
    names = [layer.name for layer in cheap.layers]
    assert {"down_depthwise", "down_pointwise", "dilated_depthwise", "dilated_pointwise"} <= set(names)
    assert "down" not in names
    last, first = cheap.get_layer("dilated_pointwise"), cheap.get_layer("dilated_depthwise")
    assert last.activation is keras.activations.swish and first.dilation_rate == (2, 2) and not first.use_bias
    np.testing.assert_array_equal(last.bias, model.get_layer("dilated").bias)
    ghost = models.cheapen(model, "ghost")
    assert ghost.get_layer("down_activation").activation is keras.activations.relu


def test_seeds():
    model = mixed()
    one, same, other = (models.cheapen(model, seed=seed).get_layer("down_depthwise").kernel for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)


@pytest.mark.parametrize("conv", ["depthwise", "shift", "line", "ghost"])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(("size", "strides", "dilation"), [(8, 2, 1), (9, 2, 1), (9, 1, 2), (11, 3, 1), (9, 4, 1)])
def test_sampling_grid_is_that_of_the_convolution(conv, padding, size, strides, dilation):
    """With the middle of every kernel alone, a form gives the pixels that the convolution's middle gives."""
    image = keras.Input((size, size, 18))
    convolution = layers.Conv2D(18, 3, strides, padding, dilation_rate=dilation, use_bias=False, name="conv")
    model = keras.Model(image, convolution(image))
    cheap = models.cheapen(model, conv)
    assert cheap.output_shape == model.output_shape
    convolution.set_weights([centred(3, 3)])
    x = np.random.default_rng(0).normal(size=(1, size, size, 18)).astype("float32")
    found, channels = None, slice(None)
    if conv == "depthwise":
        cheap.get_layer("conv_depthwise").set_weights([centred(3, 3).sum(2)[..., None]])
    if conv in ("depthwise", "shift"):
        cheap.get_layer("conv_pointwise").set_weights([np.eye(18, dtype="float32")[None, None]])
    if conv == "line":
        cheap.get_layer("conv_line").set_weights([centred(1, 3)])
    if conv == "shift":
        channels = [4, 13]  # Those that a shift leaves where they are.
    if conv == "ghost":
        ghost = cheap.get_layer("conv_ghost")
        ghost.primary.set_weights([centred(3, 3)[..., :9]])
        ghost.primary_norm.epsilon = 0.0
        channels = slice(9)
    found = np.asarray(cheap(x))
    np.testing.assert_allclose(found[..., channels], np.asarray(model(x))[..., channels], atol=1e-5)


def centred(height, width):
    kernel = np.zeros((height, width, 18, 18), "float32")
    kernel[height // 2, width // 2] = np.eye(18)
    return kernel


def test_where():
    model, reports = mixed(), []
    models.cheapen(model, where="d*", report=reports.append)
    models.cheapen(model, where=["stem"], report=reports.append)
    models.cheapen(model, where=lambda layer: layer.dilation_rate == (2, 2), report=reports.append)
    assert [list(report.changed) for report in reports] == [["down", "dilated"], ["stem"], ["dilated"]]
    assert reports[1].kept["down"] == "left out by `where`"


def test_what_cannot_be_replaced_is_listed():
    image = keras.Input((None, None, 8))
    x = layers.Conv2D(8, 3, (2, 1), "same", name="uneven")(image)
    x = layers.Conv2D(8, 2, padding="same", name="even")(x)
    x = layers.Conv2D(8, (1, 3), padding="same", name="row")(x)
    model, kept = keras.Model(image, layers.Conv2D(6, 3, name="last")(x)), {}
    for conv in FORMS:
        models.cheapen(model, conv, report=lambda report, conv=conv: kept.update({conv: list(report.kept)}))
    assert kept == {
        "depthwise": ["uneven"],
        "group": ["last"],
        "shift": ["uneven", "even", "row"],
        "line": ["uneven", "row"],
        "ghost": [],
    }


def test_shared_and_nested_layers():
    model, reports = nested(), []
    cheap = models.cheapen(model, report=reports.append, where=["inner_conv", "back"])
    assert list(reports[0].changed) == ["inner_conv", "back"] and reports[0].kept == {"conv": "left out by `where`"}
    assert [layer.name for layer in cheap.layers].count("back_depthwise") == 1
    assert len(cheap.get_layer("back_depthwise")._inbound_nodes) == 2
    for name in ("conv", "answer"):
        source = model if name == "conv" else model.get_layer("tail")
        for ours, theirs in zip(cheap.get_layer(name).get_weights(), source.get_layer(name).get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_from_a_specification():
    spec = {"name": "cifar_resnet", "depth": 8}
    network = models.build({**spec, "cheap": "shift"}, (8, 8, 1), 10, seed=0)
    assert list(network.output) == ["stage1", "stage2", "stage3", "embedding", "logits"]
    assert network.get_layer("stage1_block1_conv1_shift") and network.get_layer("stem")
    options = {"conv": "group", "groups": 2, "where": "stage3_*"}
    network = models.build({**spec, "cheap": options}, (8, 8, 1), 10, seed=0)
    assert [layer.groups for layer in network.layers if layer.name.endswith("_group")] == [2, 2]
    with pytest.raises(ValueError, match=r"cheap is a form of convolution, or a mapping.*Received: cheap=3"):
        models.build({**spec, "cheap": 3}, (8, 8, 1), 10, seed=0)


def subclassed():
    class Own(keras.Model):
        def call(self, x):
            return x

    return Own()


@pytest.mark.parametrize(
    ("make", "arguments", "words"),
    [
        (mixed, {"conv": "cheaper"}, "There are the cheap forms depthwise, group.*Received: conv='cheaper'"),
        (mixed, {"conv": "group", "groups": 1}, "2 groups or more. Received: groups=1"),
        (mixed, {"where": "expand"}, "must name spatial convolutions.*Received: where='expand'"),
        (mixed, {"where": 3}, "function of a layer, or names.*Received: where=3"),
        (mixed, {"where": "grouped"}, "that can be replaced. Received: stem: left out.*grouped: cheap already"),
        (subclassed, {}, "by its graph: a functional keras.Model.*Received"),
    ],
)
def test_refusals(make, arguments, words):
    with pytest.raises(ValueError, match=words):
        models.cheapen(make(), **arguments)


def test_a_layer_without_config_is_named():
    class Own(layers.Layer):
        def __init__(self, power, **kwargs):
            super().__init__(**kwargs)
            self.power = power

        def call(self, x):
            return x**self.power

        def get_config(self):
            return super().get_config()

    image = keras.Input((8, 8, 8))
    model = randomized(keras.Model(image, Own(2, name="own")(layers.Conv2D(4, 3)(image))))
    with pytest.raises(ValueError, match=r"get_config and from_config.*Received: layer 'own' of type Own"):
        models.cheapen(model)
