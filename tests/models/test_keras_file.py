"""A .keras file is data: what may be built of it is built, and no file has code run."""

import io
import json
import pathlib
import sys
import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from odtf import models
from odtf.errors import UserError
from odtf.models import allowed, keras_file


@keras.saving.register_keras_serializable(package="somebody")
class Theirs(layers.Layer):
    """A layer that other code registered in this process."""

    def call(self, x):
        raise AssertionError("the layer of a file was called")


def small(**options):
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(image)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, layers.Dense(2, name="answer", **options)(x), name="small")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "small.keras"
    small().save(path)
    return path


def rewritten(path, out, change=None, members=None):
    """Copies a .keras file with a changed config, or with other members."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    if change is not None:
        config = json.loads(content["config.json"])
        content["config.json"] = json.dumps(change(config) or config).encode()
    content.update(members or {})
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            if data is not None:
                archive.writestr(name, data)
    return out


def layer(config, name):
    return next(item for item in config["config"]["layers"] if item["config"].get("name") == name)


def refusal(path):
    with pytest.raises(UserError) as refused:
        keras_file.load(path)
    assert str(path) in str(refused.value) and "\n" not in str(refused.value)
    return str(refused.value)


def same(one, other):
    image = np.random.default_rng(0).normal(size=(2, *one.input_shape[1:])).astype("float32")
    np.testing.assert_array_equal(one(image), other(image))


def test_a_model_comes_back_as_it_was_saved_and_without_its_optimizer(tmp_path):
    model = small(activation="softmax", kernel_regularizer=keras.regularizers.L2(1e-3))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(np.ones((4, 8, 8, 3)), np.zeros(4), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras_file.load(tmp_path / "model.keras")
    assert not loaded.compiled
    same(loaded, model)


def test_nested_models_operators_and_odtfs_layers_are_taken(tmp_path):
    inner = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(3, 3, padding="same")], name="inner")
    inner.compile("sgd", "mse")
    image = keras.Input((8, 8, 3))
    x = keras.ops.relu(inner(image) + 2.0 * image)[:, 1:, ...]
    x = layers.LayerNormalization()(layers.Activation(keras.activations.silu)(x))
    model = keras.Model(image, layers.Dense(3)(layers.Flatten()(x)))
    own = models.od_cheap_resnet((8, 8, 1), 4, depth=8, conv="shift")
    for i, made in enumerate((model, own)):
        made.save(tmp_path / f"{i}.keras")
    same(keras_file.load(tmp_path / "0.keras"), model)
    loaded, image = keras_file.load(tmp_path / "1.keras"), np.ones((1, 8, 8, 1), "float32")
    assert loaded.output.keys() == own.output.keys()
    np.testing.assert_array_equal(loaded(image)["logits"], own(image)["logits"])


@pytest.mark.parametrize("name", ["MobileNetV3Small", "EfficientNetB0", "ConvNeXtTiny"])
def test_the_configs_of_keras_applications_are_allowed(name):
    model = getattr(keras.applications, name)(weights=None, input_shape=(32, 32, 3))
    allowed.check(keras.saving.serialize_keras_object(model))


def test_the_allow_list_names_what_there_is_in_keras():
    for module, names in allowed._OPERATIONS.items():
        found = sys.modules[f"keras.src.ops.{module}"]
        assert [n for n in names.split() if not issubclass(getattr(found, n), keras.Operation)] == []
    for name in allowed._LAYERS.split():
        assert issubclass(getattr(keras.layers, name), layers.Layer)
    assert not {"Lambda", "TFSMLayer", "StringLookup", "TextVectorization"} & {name for _, name in allowed.classes()}


def test_a_lambda_layer_is_named(tmp_path):
    image = keras.Input((8, 8, 3))
    keras.Model(image, layers.Lambda(lambda x: x + 1, name="plus")(image)).save(tmp_path / "lambda.keras")
    assert "Lambda of keras.layers" in refusal(tmp_path / "lambda.keras")
    assert "layer 'plus'" in refusal(tmp_path / "lambda.keras")


MARK = "ran.txt"


def _lambda(config):
    value = {"class_name": "__lambda__", "config": {"value": ["4wAA", None, None]}}
    layer(config, "conv")["config"]["activation"] = value


def _os_system(config):
    item = layer(config, "conv")
    item["module"], item["class_name"], item["config"] = "os", "system", {"name": "conv", "command": f"touch {MARK}"}


def _function_of_os(config):
    value = {"class_name": "function", "module": "os", "config": "system", "registered_name": "system"}
    layer(config, "conv")["config"]["activation"] = value


def _unsafe_deserialization(config):
    """CVE-2025-9906: a function of Keras itself that switches its safe mode off."""
    name = "enable_unsafe_deserialization"
    value = {"class_name": "function", "module": "keras.config", "config": name, "registered_name": name}
    layer(config, "conv")["config"]["activation"] = value


def _get_file(config):
    value = {"class_name": "function", "module": "keras.utils", "config": "get_file", "registered_name": "get_file"}
    layer(config, "conv")["config"]["kernel_initializer"] = value


def _legacy(config):
    """CVE-2025-9905: without a module, Keras takes an older way of loading, which has no safe mode."""
    config["config"]["layers"][1] = {"class_name": "Lambda", "config": {"name": "conv", "function": ["4wAA"]}}


def _registered(config):
    layer(config, "conv")["registered_name"] = "somebody>Theirs"


def _as_odtfs(config):
    layer(config, "conv").update(module="odtf.layers.conv2d", registered_name="somebody>Theirs")


def _by_name(config):
    layer(config, "conv")["config"]["activation"] = "somebody>Theirs"


def _in_an_argument(config):
    hidden = {"class_name": "TFSMLayer", "module": "keras.layers", "config": {"filepath": "x"}, "registered_name": None}
    layer(config, "conv")["config"]["kernel_initializer"]["config"]["scale"] = [{"deep": hidden}]


def _dunder(config):
    layer(config, "conv")["config"]["padding"] = {"class_name": "__class__", "module": "builtins", "config": {}}


def _typespec(config):
    value = {"class_name": "__typespec__", "spec_name": "system", "module": "os", "config": [], "registered_name": None}
    layer(config, "conv")["build_config"] = value


def _no_text(config):
    layer(config, "conv")["class_name"] = ["Conv2D"]


def _in_a_nested_sequential(config):
    inner = {
        "module": "keras",
        "class_name": "Sequential",
        "registered_name": None,
        "config": {
            "name": "inner",
            "layers": [{**layer(config, "pool"), "module": "somebody", "class_name": "Theirs"}],
        },
    }
    config["config"]["layers"][3] = {**inner, "name": "pool", "inbound_nodes": layer(config, "pool")["inbound_nodes"]}


ATTACKS = [
    *(_lambda, _os_system, _function_of_os, _unsafe_deserialization, _get_file, _legacy, _registered, _as_odtfs),
    *(_by_name, _in_an_argument, _dunder, _typespec, _no_text, _in_a_nested_sequential),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__.strip("_"))
def test_no_code_of_a_file_is_run(saved, tmp_path, monkeypatch, attack):
    monkeypatch.chdir(tmp_path)
    # Keras may not even begin to build it.
    monkeypatch.setattr(keras.saving, "deserialize_keras_object", lambda *a, **k: pytest.fail("built"))
    path = rewritten(saved, tmp_path / "bad.keras", attack)
    assert "in layer '" in refusal(path) and not pathlib.Path(MARK).exists()


def test_a_losss_code_is_not_even_looked_at(saved, tmp_path):
    """What a file says of training is left out, in nested models too."""

    def compiled(config):
        loss = {"class_name": "function", "module": "os", "config": "system", "registered_name": "system"}
        config["compile_config"] = {"optimizer": "sgd", "loss": loss}

    assert not keras_file.load(rewritten(saved, tmp_path / "compiled.keras", compiled)).compiled


def test_another_kind_of_file_is_refused(saved, tmp_path):
    small().save_weights(tmp_path / "x.weights.h5")
    assert "HDF5" in refusal(tmp_path / "x.weights.h5")
    small().export(tmp_path / "saved_model", verbose=False)
    assert "a SavedModel may run any code" in refusal(tmp_path / "saved_model")
    assert "which is no file" in refusal(tmp_path / "absent.keras")
    assert "as model.save" in refusal(tmp_path / "model.pb")


def test_a_damaged_file_is_refused_in_one_line(saved, tmp_path):
    whole = saved.read_bytes()
    for name, content in (("text", b"no zip"), ("half", whole[: len(whole) // 2]), ("empty", b"")):
        (tmp_path / f"{name}.keras").write_bytes(content)
        refusal(tmp_path / f"{name}.keras")
    flipped = bytearray(whole)
    flipped[whole.index(b"class_name") + 20] ^= 1
    (tmp_path / "flipped.keras").write_bytes(flipped)
    refusal(tmp_path / "flipped.keras")
    no_weights = rewritten(saved, tmp_path / "a.keras", members={"model.weights.h5": None})
    assert "no model.weights.h5" in refusal(no_weights)
    refusal(rewritten(saved, tmp_path / "b.keras", members={"model.weights.h5": b"nothing"}))
    refusal(rewritten(saved, tmp_path / "c.keras", members={"config.json": b"{"}))
    refusal(rewritten(saved, tmp_path / "d.keras", members={"config.json": b"[" * 100_000}))
    refusal(rewritten(saved, tmp_path / "e.keras", lambda config: layer(config, "conv")["config"].update(filters=5)))
    refusal(rewritten(saved, tmp_path / "f.keras", lambda config: layer(config, "conv")["config"].update(filters="x")))
    refusal(rewritten(saved, tmp_path / "g.keras", lambda config: layer(config, "conv")))


def test_what_unpacks_to_too_much_is_refused_before_it_is_unpacked(saved, tmp_path, monkeypatch):
    monkeypatch.setattr(keras_file, "MAX_CONFIG_BYTES", 10_000)
    refusal(rewritten(saved, tmp_path / "config.keras", members={"config.json": b" " * 10_001}))
    monkeypatch.setattr(keras_file, "_EXPANDS_FREELY", 10_000)
    assert "100,000 bytes" in refusal(
        rewritten(saved, tmp_path / "w.keras", members={"model.weights.h5": bytes(100_000)})
    )


def _weights_with(change):
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        change(file)
    return content.getvalue()


def test_weights_that_lie_elsewhere_are_refused(saved, tmp_path):
    (tmp_path / "secret").write_bytes(b"secret12")

    def external(file):
        file.create_dataset("layers/x", (2,), "f4", external=[(str(tmp_path / "secret"), 0, 8)])

    def linked(file):
        file["layers"] = h5py.ExternalLink(str(tmp_path / "secret"), "/")

    def huge(file):
        file.create_dataset("layers/x", (1 << 40,), "f4", chunks=True)

    for name, change, words in (("a", external, "elsewhere"), ("b", linked, "elsewhere"), ("c", huge, "bytes")):
        path = rewritten(saved, tmp_path / f"{name}.keras", members={"model.weights.h5": _weights_with(change)})
        assert words in refusal(path)


def test_weights_of_16_bits_are_refused_by_name(tmp_path):
    image = keras.Input((4,))
    model = keras.Model(image, layers.Dense(2, dtype="float16", name="half")(image))
    model.save(tmp_path / "half.keras")
    assert "float16 in half/kernel" in refusal(tmp_path / "half.keras")


def test_a_model_that_can_be_built_and_not_called_is_refused(saved, tmp_path):
    def nested(config):
        (node,) = layer(config, "norm")["inbound_nodes"]
        node["args"] = [node["args"]]

    path = rewritten(saved, tmp_path / "nested.keras", nested)
    with pytest.raises(UserError, match=r"must hold a model that Keras \S+ can call\. Received: .*BatchNormalization"):
        keras_file.load(path)


def test_a_model_of_images_of_any_size_is_not_called(tmp_path):
    image = keras.Input((None, None, 3))
    keras.Model(image, layers.GlobalAveragePooling2D()(layers.Conv2D(2, 9)(image))).save(tmp_path / "any.keras")
    assert keras_file.load(tmp_path / "any.keras").input_shape == (None, None, None, 3)


def test_a_layer_of_an_unknown_package_is_refused_by_name(saved, tmp_path):
    def unknown(config):
        named = {"module": "unknown_package", "class_name": "Theirs", "registered_name": "unknown>Theirs"}
        layer(config, "conv").update(named)

    received = refusal(rewritten(saved, tmp_path / "unknown.keras", unknown))
    assert "Theirs of unknown_package, registered as unknown>Theirs, in layer 'conv'" in received


def test_a_mask_that_is_no_tensor_is_refused_by_name(saved, tmp_path):
    def masked(config):
        layer(config, "conv")["inbound_nodes"][0]["kwargs"]["mask"] = 1.0

    assert "a mask that is no tensor, 1.0, in layer 'conv'" in refusal(rewritten(saved, tmp_path / "m.keras", masked))


@pytest.mark.parametrize("number", [2**31, -(2**31) - 1, 10**400])
def test_a_number_over_which_tensorflow_ends_is_refused(saved, tmp_path, number):
    def huge(config):
        layer(config, "conv")["config"]["strides"] = [number, 1]

    assert "which no layer takes, in layer 'conv'" in refusal(rewritten(saved, tmp_path / "huge.keras", huge))
