"""Models that are not odtf's as networks of a cohort."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from odtf import methods, models
from odtf.errors import UserError
from odtf.layers import BatchNormalization
from odtf.models.flattening import seeded

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


@keras.saving.register_keras_serializable(package="test_own")
class Subclassed(keras.Model):
    """A network without a graph."""

    def __init__(self, width=4, classes=3, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.width, self.classes, self.activation = width, classes, activation
        self.conv = layers.Conv2D(width, 3, 2, activation="relu")
        self.drop, self.pool = layers.Dropout(0.2), layers.GlobalAveragePooling2D()
        self.answer = layers.Dense(classes, activation=activation)

    def call(self, images, training=None):
        return self.answer(self.drop(self.pool(self.conv(images)), training=training))

    def get_config(self):
        return {"width": self.width, "classes": self.classes, "activation": self.activation}


def block(x, width, strides=1):
    y = layers.Conv2D(width, 3, strides, padding="same", use_bias=False)(x)
    y = layers.ReLU()(layers.BatchNormalization()(y))
    y = layers.Conv2D(width, 3, padding="same")(y)
    shortcut = x if strides == 1 and x.shape[-1] == width else layers.Conv2D(width, 1, strides, padding="same")(x)
    return ops.relu(y + shortcut)  # Operations on tensors, which are no layers.


def residual(end="softmax", size=16, scaled=True):
    """A functional model with its own Rescaling, operations on tensors and a softmax at its end."""
    image = keras.Input((size, size, 3))
    x = layers.Rescaling(1 / 127.5, -1.0)(image) if scaled else image
    x = block(block(block(x, 4), 6, 2), 8, 2)
    x = layers.Dropout(0.3)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, layers.Dense(3, activation=end)(x))


def sequential(*first, end="softmax"):
    return keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            *first,
            *(layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D(), layers.Conv2D(6, 3, activation="relu")),
            *(layers.Flatten(), layers.Dense(8, activation="relu"), layers.Dropout(0.5)),
            *(layers.Dense(3, name="classes"), layers.Activation(end)),
        ]
    )


def nested():
    base = residual("linear")
    trunk = keras.Model(base.input, base.layers[-3].output, name="base")
    image = keras.Input((16, 16, 3))
    x = layers.RandomFlip("horizontal")(image)
    return keras.Model(image, layers.Softmax()(layers.Dense(3)(trunk(x, training=False))))


PIXELS = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3)).astype("float32")
NORMALIZED = ((PIXELS / 255 - np.array(MEAN)) / np.array(STD)).astype("float32")
FED = {"normalization": (MEAN, STD)}


def kept(model, **options):
    return models.from_keras(model, weights="keep", **FED, **options)(seed=0, name="kept")


def shapes(network):
    return {tap: tuple(x.shape[1:]) for tap, x in network.output.items()}


@pytest.mark.parametrize("make", [residual, nested, lambda: sequential(layers.Rescaling(1 / 255))])
def test_it_computes_what_the_model_makes_of_raw_pixels(make):
    """Images are normalised once, by the model itself; a softmax is taken off."""
    model = make()
    # Statistics that are not those of the start.
    for variable in model.variables:
        if "moving" in variable.path:
            variable.assign(np.random.default_rng(1).uniform(0.5, 1.5, variable.shape))
    network = kept(model)
    answers = network(NORMALIZED, training=False)["logits"]
    np.testing.assert_allclose(ops.softmax(answers), model(PIXELS, training=False), atol=2e-6)
    assert not np.allclose(np.sum(answers, -1), 1.0)
    deployed = models.deploy(network)
    np.testing.assert_allclose(deployed(NORMALIZED), answers, atol=1e-5)
    assert not any(isinstance(layer, (layers.Dropout, layers.RandomFlip)) for layer in deployed.layers)


def test_where_the_pipeline_gives_what_the_model_takes_there_is_no_layer_for_it():
    model = residual()
    network = models.from_keras(model, normalization=((0.0,), (1 / 255,)), weights="keep")(seed=0, name="x")
    assert "pixels" not in [layer.name for layer in network.layers]
    np.testing.assert_allclose(ops.softmax(network(PIXELS)["logits"]), model(PIXELS), atol=2e-6)


@pytest.mark.parametrize(
    ("pixels", "value"),
    [("0..255", PIXELS), ("0..1", PIXELS / 255), ("-1..1", PIXELS / 127.5 - 1), ("given", NORMALIZED)],
)
def test_the_pixels_of_a_model_may_be_said(pixels, value):
    model = sequential()
    answers = ops.softmax(kept(model, pixels=pixels)(NORMALIZED)["logits"])
    np.testing.assert_allclose(answers, model(value.astype("float32")), atol=1e-4)


def test_the_pixels_of_a_model_may_be_said_by_mean_and_deviation():
    model, (mean, std) = sequential(), ((0.48, 0.46, 0.41), (0.23, 0.22, 0.22))
    answers = ops.softmax(kept(model, pixels=(mean, std))(NORMALIZED)["logits"])
    np.testing.assert_allclose(answers, model((PIXELS / 255 - np.array(mean)) / np.array(std)), atol=1e-4)


def test_a_normalization_keeps_what_it_measured_and_says_which_pixels_it_takes():
    of_bytes, of_unit, unknown = (layers.Normalization() for _ in range(3))
    of_bytes.adapt(PIXELS)
    of_unit.adapt(PIXELS / 255)
    unknown.build((None, 16, 16, 3))
    for norm, value in ((of_bytes, PIXELS), (of_unit, PIXELS / 255)):
        model = sequential(norm)
        np.testing.assert_allclose(ops.softmax(kept(model)(NORMALIZED)["logits"]), model(value), atol=1e-4)
        fresh = models.from_keras(model, **FED)(seed=3, name="fresh")
        np.testing.assert_array_equal(fresh.get_layer("normalization").mean, norm.mean)
    with pytest.raises(ValueError, match=r"Which pixels the network takes must be said.*'normalization"):
        kept(sequential(unknown))
    with pytest.raises(ValueError, match=r"normalization=\(dataset.mean, dataset.std\)"):
        models.from_keras(sequential(of_bytes))(seed=0, name="x")


def test_division_by_255_as_an_operation_is_found():
    image = keras.Input((16, 16, 3))
    model = keras.Model(image, sequential()(image / 255.0))
    np.testing.assert_allclose(ops.softmax(kept(model)(NORMALIZED)["logits"]), model(PIXELS), atol=1e-5)


def test_taps_are_the_last_map_of_each_resolution_the_embedding_and_the_answer():
    network = kept(residual())
    assert shapes(network) == {
        "stage1": (16, 16, 4),
        "stage2": (8, 8, 6),
        "stage3": (4, 4, 8),
        "embedding": (8,),
        "logits": (3,),
    }
    taps = network(NORMALIZED)
    np.testing.assert_allclose(np.mean(taps["stage3"], (1, 2)), taps["embedding"], atol=1e-6)
    assert np.min(taps["stage3"]) >= 0.0  # Behind the sum and its ReLU, which are operations.
    assert shapes(kept(sequential())) == {
        **{"stage1": (14, 14, 4), "stage2": (5, 5, 6)},
        **{"embedding": (8,), "logits": (3,)},
    }


def test_taps_are_chosen_by_the_names_of_layers():
    model = nested()
    inner = model.get_layer("base").layers[3].name
    network = kept(model, taps={"stage1": f"base/{inner}", "hidden": inner})
    assert {"stage1", "hidden", "embedding", "logits"} == set(network.output)
    with pytest.raises(ValueError, match="near by name are"):
        kept(model, taps={"stage1": "absent"})
    with pytest.raises(ValueError, match="Stages are the taps stage1"):
        kept(model, taps={"stage_one": inner})


def test_peers_of_one_model_differ_and_a_seed_is_a_network():
    """Explicit seeds in the model's initialisers, and Keras' count of layers, change nothing."""
    image = keras.Input((16, 16, 3))
    x = layers.Conv2D(3, 3, kernel_initializer=keras.initializers.HeNormal(seed=7))(image)
    model = keras.Model(image, layers.Dense(3)(layers.GlobalMaxPooling2D()(x)))
    make = models.from_keras(model)
    one, same, other = make(seed=1, name="a"), make(seed=1, name="b"), make(seed=2, name="c")
    assert (
        [v.path for v in one.variables]
        == [v.path for v in other.variables]
        == [*("conv2d/kernel", "conv2d/bias", "dense/kernel", "dense/bias")]
    )
    for v, w, u in zip(one.weights, same.weights, other.weights, strict=True):
        np.testing.assert_array_equal(v, w)
        assert v.path.endswith("bias") or np.abs(v.numpy() - u.numpy()).max() > 1e-3


def test_the_seed_leaves_pythons_random_numbers_as_they_are():
    import random

    random.seed(5)
    expected = random.random()
    random.seed(5)
    with seeded(1):
        random.random()
    assert random.random() == expected


def test_what_is_frozen_keeps_its_weights_and_stays_so():
    model = sequential()
    model.layers[0].trainable = False
    network = models.from_keras(model)(seed=1, name="x")
    np.testing.assert_array_equal(network.get_layer("conv2d").kernel, model.layers[0].kernel)
    assert "conv2d/kernel" not in [v.path for v in network.trainable_variables]


def test_batch_normalisation_and_grouped_convolutions_become_the_fast_ones():
    image = keras.Input((8, 8, 4))
    x = layers.Conv2D(8, 3, groups=2, padding="same", activation="gelu")(image)
    model = keras.Model(image, layers.Dense(3)(layers.Flatten()(layers.BatchNormalization()(x))))
    network = models.from_keras(model, weights="keep")(seed=0, name="x", synchronized=True)
    norm = next(layer for layer in network.layers if isinstance(layer, BatchNormalization))
    assert norm.synchronized
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 4)).astype("float32")
    np.testing.assert_allclose(network(x)["logits"], model(x), atol=1e-5)
    np.testing.assert_allclose(models.deploy(network)(x), model(x), atol=1e-5)


def test_another_number_of_classes_another_head_and_another_size():
    network = models.from_keras(residual(), 5, **FED)(seed=0, name="x")
    assert shapes(network)["logits"] == (5,) and shapes(network)["embedding"] == (8,)
    network = models.from_keras(residual(), models.heads.Embedding(7), **FED)(seed=0, name="x")
    assert shapes(network)["embedding"] == (7,) and "logits" not in network.output
    network = models.from_keras(residual(), 5, input_shape=(32, 24, 1), normalization=(0.5, 0.2))(seed=0, name="x")
    assert network.input_shape == (None, 32, 24, 1) and shapes(network)["stage3"] == (8, 6, 8)
    with pytest.raises(ValueError, match=r"weights of layer.*are kept, and must fit the image"):
        models.from_keras(residual(), input_shape=(16, 16, 1), weights="keep", normalization=(0.5, 0.2))()


def test_a_map_is_an_answer_for_another_task():
    image = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, 2, padding="same")(image)
    model = keras.Model(image, layers.Conv2D(2, 1)(layers.UpSampling2D()(x)))
    assert shapes(models.from_keras(model, answer="map")(seed=0, name="x"))["map"] == (16, 16, 2)
    with pytest.raises(ValueError, match=r"A classifier answers with logits.*\(None, 16, 16, 2\)"):
        models.from_keras(model)(seed=0, name="x")
    with pytest.raises(ValueError, match="sigmoid at its end"):
        models.from_keras(sequential(end="sigmoid"))
        kept(residual("sigmoid"))


def test_a_run_in_16_bits_computes_in_16_bits_and_answers_in_32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = kept(residual())
    finally:
        keras.config.set_dtype_policy("float32")
    assert network.output["stage2"].dtype == "bfloat16" and network.output["logits"].dtype == "float32"
    assert network.get_layer("rescaling").compute_dtype == "float32"
    assert models.deploy(network).output.dtype == "float32"


def called(model):
    model(np.zeros((1, 16, 16, 3), "float32"))
    return model


def test_a_subclassed_model_answers_and_has_no_other_taps():
    for activation in (None, "softmax"):
        model = called(Subclassed(activation=activation))
        network = models.from_keras(model, weights="keep")(seed=0, name="x")
        assert shapes(network) == {"logits": (3,)}
        expected = model(NORMALIZED)
        answers = network(NORMALIZED)["logits"]
        np.testing.assert_allclose(ops.softmax(answers) if activation else answers, expected, atol=1e-5)
        deployed = models.deploy(network)
        np.testing.assert_allclose(deployed(NORMALIZED), answers, atol=1e-5)
        assert network.trainable_variables  # The deployed one is a copy.
    make = models.from_keras(model)
    one, other = make(seed=1, name="a"), make(seed=2, name="b")
    assert [v.path for v in one.variables] == [v.path for v in other.variables]
    assert np.abs(one.weights[0].numpy() - other.weights[0].numpy()).max() > 1e-3
    cost = models.cost(one)
    assert cost.params == 3 * 9 * 4 + 4 + 4 * 3 + 3 and cost.macs is None


def test_a_subclassed_model_serves_methods_of_answers_and_is_refused_by_those_of_features():
    network = models.from_keras(called(Subclassed()))
    cohort = methods.DeepMutualLearning(network, num_peers=2)
    cohort.compile(keras.optimizers.SGD(0.1))
    cohort.fit(NORMALIZED, np.array([0, 1, 2, 0, 1]), batch_size=5, epochs=1, verbose=0)
    for method, words in (
        (lambda: methods.OnlineDistillationCheap(network, num_peers=2), "takes the maps of a network"),
        (lambda: methods.OnlineEnsemble([network, network]), "Networks part at one of their taps"),
        (lambda: methods.ONE(network, num_peers=2), "needs two stages"),
        (lambda: methods.OKDDip(network, num_peers=3, form="network"), "the tap embedding"),
    ):
        with pytest.raises(ValueError, match=words):
            method()
    for options in ({"taps": {"stage1": "conv"}}, {"head": models.heads.Embedding()}, {"head": 4}):
        with pytest.raises(ValueError, match="subclassed model"):
            models.from_keras(called(Subclassed()), **options)(seed=0, name="x")


def test_branches_may_part_behind_an_operation_on_tensors():
    cohort = methods.ONE(models.from_keras(residual(), **FED), num_peers=2)
    assert cohort.trunk.output["cut"].shape[1:] == (8, 8, 6)
    cohort.compile(keras.optimizers.SGD(0.1), steps_per_epoch=1)
    cohort.fit(NORMALIZED, np.array([0, 1, 2, 0, 1]), batch_size=5, epochs=1, verbose=0)
    peer = cohort.peers["peer_1"]
    np.testing.assert_allclose(models.deploy(peer)(NORMALIZED), peer(NORMALIZED)["logits"], atol=1e-5)
    assert models.cost(peer).macs > 0


def test_bad_models_are_refused_in_one_line(tmp_path):
    pair = [keras.Input((8, 8, 3)), keras.Input((8, 8, 3))]
    two = keras.Model(pair, layers.Flatten()(layers.Add()(pair)))
    image = keras.Input((None, None, 3))
    unsized = keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(layers.Conv2D(2, 3)(image))))
    for model, options, words in (
        (two, {}, "one image and gives one output.*2 inputs"),
        (unsized, {}, r"fixed size.*input_shape=.*\(None, None, 3\)"),
        (keras.Sequential([layers.Dense(2)]), {}, "must be built"),
        (residual(), {"weights": "imagenet"}, "fresh or keep"),
        (residual(), {"pixels": "0-255"}, "pixels of a network are 0..255"),
    ):
        with pytest.raises(ValueError, match=words):
            models.from_keras(model, **{**FED, **options})(seed=0, name="x")
    assert shapes(models.from_keras(unsized, input_shape=(8, 8, 3))(seed=0, name="x"))["logits"] == (2,)
    with pytest.raises(UserError, match="which is no file"):
        models.from_keras(tmp_path / "absent.keras")


def test_names_in_a_config(tmp_path):
    residual().save(tmp_path / "net.keras")
    spec = {"name": str(tmp_path / "net.keras"), "taps": {"stage1": "re_lu"}}
    network = models.build(spec, (16, 16, 3), 4, seed=1, normalization=(MEAN, STD))
    assert shapes(network)["logits"] == (4,) and network.get_layer("pixels")
    assert models.shape_for(spec) == models.shape_for(spec, (64, 64)) == (16, 16, 3)
    spec = {"name": "keras.applications:MobileNet", "alpha": 0.25}
    network = models.build(spec, (32, 32, 3), 4, seed=1)
    assert shapes(network)["stage5"] == (1, 1, 256) and shapes(network)["logits"] == (4,)
    for spec, words in (
        ({"name": "keras.applications:MobileNet", "alhpa": 1}, "takes .*alpha.* Received: alhpa"),
        ({"name": "keras.applications:Absent"}, "keras.applications has .*MobileNet"),
        ({"name": "keras.applications:MobileNet", "weights": "imagenet"}, "start afresh"),
        ({"name": str(tmp_path / "net.keras"), "depth": 3}, "has no argument 'depth'"),
    ):
        with pytest.raises(ValueError, match=words):
            models.build(spec, (32, 32, 3), 4, seed=1, normalization=(MEAN, STD))
