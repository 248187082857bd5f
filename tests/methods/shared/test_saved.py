"""A cohort in a .keras file: it answers the same, goes on training the same, and no name in a file runs code."""

import functools
import json
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

import odtf
from odtf import methods
from odtf.tasks import Classification
from tests.methods.tiny import least

NETWORK = functools.partial(odtf.models.plain_cnn, (8, 8, 1), 10, widths=(4, 4), embedding=6, padding="symmetric")
SAVED = {
    "OnlineDistillationCheap": {"num_peers": 2, "task": Classification(label_smoothing=0.1)},
    "OnlineEnsemble": {"num_peers": 2, "cut": "stage1", "adapter_rate": 0.5},
    "PeerCollaborative": {"num_peers": 2},
    "KDCL": {"target": "general"},
    "OfflineDistillation": {"teacher": NETWORK(seed=3, name="teacher")},
    "TAKD": {"teacher_network": NETWORK, "assistant_networks": [NETWORK], "step_epochs": ()},
}


def compiled(name, seed=0, network=NETWORK):
    method = getattr(methods, name)(network, seed=seed, **SAVED[name])
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
    method.compile(optimizer, weight_decay=1e-3, steps_per_epoch=3, metrics=["accuracy"], run_eagerly=True)
    return method


@pytest.mark.parametrize("name", SAVED)
def test_a_cohort_is_loaded_as_it_was_and_goes_on(name, batch, tmp_path):
    method = compiled(name)
    method.train_on_batch(*batch)
    method.save(tmp_path / "cohort.keras")
    loaded = keras.models.load_model(tmp_path / "cohort.keras")
    assert type(loaded) is type(method)
    expected, found = method(batch[0]), loaded(batch[0])
    for who, taps in expected.items():
        np.testing.assert_array_equal(found[who]["logits"], taps["logits"], err_msg=who)
    before, after = (model.train_on_batch(*batch, return_dict=True) for model in (method, loaded))
    assert before == pytest.approx(after, rel=1e-6)
    variables = [[*m.variables, *(v for o in m.update.optimizers for v in o.variables)] for m in (method, loaded)]
    for a, b in zip(*variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)


FRESH = """
import sys
import keras, numpy as np, odtf.methods
folder = sys.argv[1]
cohort = keras.models.load_model(f"{folder}/cohort.keras")
np.save(f"{folder}/there.npy", cohort.predict(np.load(f"{folder}/images.npy"), verbose=0))
"""


def test_a_fresh_process_loads_it_after_an_import_of_the_methods(batch, tmp_path):
    """The cohort of the README."""
    network = functools.partial(odtf.models.od_cheap_resnet, (8, 8, 1), 10, depth=8, conv="depthwise")
    method = compiled("OnlineDistillationCheap", network=network)
    method.save(tmp_path / "cohort.keras")
    np.save(tmp_path / "images.npy", batch[0])
    subprocess.run([sys.executable, "-c", FRESH, tmp_path], check=True)
    np.testing.assert_allclose(np.load(tmp_path / "there.npy"), method.predict_on_batch(batch[0]), atol=1e-5)


def test_the_checkpoint_of_a_callback_is_a_cohort(batch, tmp_path):
    method = compiled("OnlineDistillationCheap")
    save = keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", monitor="val_loss", save_best_only=True)
    weights = keras.callbacks.ModelCheckpoint(tmp_path / "last.weights.h5", save_weights_only=True)
    method.fit(*batch, batch_size=16, epochs=2, validation_data=batch, callbacks=[save, weights], verbose=0)
    loaded = keras.models.load_model(tmp_path / "best.keras")
    assert loaded.evaluate(*batch, verbose=0, return_dict=True)["loss"] == pytest.approx(save.best, rel=1e-5)
    other = compiled("OnlineDistillationCheap", seed=5)
    other.load_weights(tmp_path / "last.weights.h5")
    np.testing.assert_array_equal(other.predict_on_batch(batch[0]), method.predict_on_batch(batch[0]))


def test_a_clone_is_a_new_cohort_of_the_same_arguments():
    method = methods.DeepMutualLearning(NETWORK, num_peers=3, temperature=2.0)
    clone = keras.models.clone_model(method)
    assert (len(clone.peers), clone.temperature) == (3, 2.0)
    assert clone.peers["peer_0"] is not method.peers["peer_0"]


def test_a_config_is_json_and_keeps_the_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        head = odtf.models.heads.Linear(10, hidden=(5,))
        method = methods.Solo(functools.partial(NETWORK.func, (8, 8, 1), head, **NETWORK.keywords))
    finally:
        keras.config.set_dtype_policy("float32")
    config = json.loads(json.dumps(method.get_config()))
    again = methods.Solo.from_config(config)
    assert again.peers["peer_0"].get_layer("stage1_conv1").compute_dtype == "bfloat16"
    assert [v.path for v in again.variables] == [v.path for v in method.variables]
    assert keras.config.dtype_policy().name == "float32"


def test_registered_code_is_found_again():
    registered = keras.saving.register_keras_serializable("tests")(least)
    config = methods.Solo(registered).get_config()
    assert config["arguments"] == {"networks": {"registered": "tests>least"}}
    assert methods.Solo.from_config(config).peers["peer_0"].count_params()


class Weighted(Classification):
    name = "weighted"

    def __init__(self, weight=1.0):
        super().__init__()
        self.weight = weight


class Forgetful(Weighted):
    def __init__(self, weight=1.0, power=1.0):
        super().__init__(weight)


def test_a_task_of_ones_own_is_saved_where_it_is_registered():
    def saved(task):
        return json.loads(json.dumps(methods.Solo(least_registered, task=task).get_config()))

    least_registered = keras.saving.register_keras_serializable("tests")(least)
    with pytest.raises(ValueError, match=r"Received: the task 'weighted', without it"):
        saved(Weighted())
    keras.saving.register_keras_serializable("tests")(Weighted)
    task = methods.Solo.from_config(saved(Weighted(weight=3.0))).task
    assert type(task) is Weighted and task.weight == 3.0
    keras.saving.register_keras_serializable("tests")(Forgetful)
    with pytest.raises(ValueError, match=r"as attributes of their names.* without power"):
        saved(Forgetful())


def own_network(*, seed, name):
    return least(seed=seed, name=name)


@pytest.mark.parametrize("network", [own_network, lambda seed, name: least(seed=seed, name=name)])
def test_code_that_nobody_registered_is_refused_before_anything_is_written(network, tmp_path):
    method = methods.Solo(network)
    for save in (method.get_config, lambda: method.save(tmp_path / "cohort.keras")):
        with pytest.raises(ValueError, match=r"register_keras_serializable\(\). Received: <function") as refusal:
            save()
        assert len(str(refusal.value).splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "network",
    [
        {"network": "own_network.py:network"},
        {"network": "os.system"},
        {"network": "build"},
        {"registered": "builtins>eval"},
        {"partial": {"function": {"network": "../evil"}, "arguments": [], "keywords": {"dict": {}}}},
        {"value": "Pieces", "dict": {}},
        {"task": "evil.py:Task", "dict": {}},
    ],
)
def test_no_name_in_a_file_leads_to_code(network, tmp_path):
    methods.Solo(NETWORK).save(tmp_path / "cohort.keras")
    with zipfile.ZipFile(tmp_path / "cohort.keras") as file:
        parts = {name: file.read(name) for name in file.namelist()}
    config = json.loads(parts["config.json"])
    config["config"]["arguments"]["networks"] = network
    with zipfile.ZipFile(tmp_path / "changed.keras", "w") as file:
        for name, content in {**parts, "config.json": json.dumps(config).encode()}.items():
            file.writestr(name, content)
    with pytest.raises((ValueError, TypeError), match="Received: '"):
        keras.models.load_model(tmp_path / "changed.keras")


def test_a_teacher_of_keras_own_layers_is_loaded_with_the_cohort(batch, tmp_path):
    teacher = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10, "softmax")])
    method = methods.OfflineDistillation(NETWORK, teacher=teacher, seed=1)
    method.save(tmp_path / "cohort.keras")
    loaded = keras.models.load_model(tmp_path / "cohort.keras")
    for who in ("peer_0", "teacher"):
        np.testing.assert_array_equal(loaded(batch[0])[who]["logits"], method(batch[0])[who]["logits"])
