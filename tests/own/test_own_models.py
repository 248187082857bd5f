"""Keras models of a user's own as network and teacher, through the real commands."""

import importlib.util
import json

import keras
import pytest
from keras import layers

TFMOT = importlib.util.find_spec("tensorflow_model_optimization") is not None


def sequential():
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(8, 3, activation="relu", padding="same", name="first"),
            layers.MaxPooling2D(),
            layers.Conv2D(8, 3, activation="relu", padding="same"),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.1),
            layers.Dense(10, activation="softmax"),
        ]
    )


def scaled():
    image = keras.Input((8, 8, 1))
    x = layers.Conv2D(8, 3, padding="same", name="first")(layers.Rescaling(1 / 255)(image))
    x = layers.LeakyReLU(name="leaky")(x) + layers.Conv2D(8, 1)(x)
    return keras.Model(image, layers.Dense(10)(layers.GlobalMaxPooling2D()(x)))


SUBCLASSED = """
import keras
from keras import layers

from odtf import models


class Subclassed(keras.Model):
    def __init__(self, activation=None):
        super().__init__()
        self.conv, self.pool = layers.Conv2D(8, 3, activation="relu"), layers.GlobalAveragePooling2D()
        self.answer = layers.Dense(10, activation=activation)

    def call(self, images):
        return self.answer(self.pool(self.conv(images)))

    def get_config(self):
        return {"activation": self.answer.activation.__name__}


def network(input_shape, head, *, activation, seed, name):
    model = Subclassed(activation)
    model(keras.ops.zeros((1, *input_shape)))
    return models.from_keras(model, head)(seed=seed, name=name)
"""


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """A folder with models that know nothing of odtf, and a config."""
    folder = tmp_path_factory.mktemp("mine")
    sequential().save(folder / "sequential.keras")
    scaled().save(folder / "scaled.keras")
    image = keras.Input((8, 8, 1))
    x = layers.Flatten()(layers.Lambda(lambda x: x + 1, name="plus")(image))
    keras.Model(image, layers.Dense(10)(x)).save(folder / "lambda.keras")
    (folder / "subclassed.py").write_text(SUBCLASSED)
    (folder / "config.py").write_text(
        "from odtf.training.config import default_config, free\n\n\n"
        "def get_config():\n"
        "    config = default_config()\n"
        "    config.batch_size, config.epochs = 128, 2\n"
        f"    config.network = free({{'name': '{folder}/sequential.keras'}})\n"
        "    config.schedule.learning_rate = 0.05\n"
        "    config.export.targets = ('soc',)\n"
        "    config.export.calibration_examples = 64\n"
        "    return config\n"
    )
    return folder


@pytest.fixture(scope="module")
def train(zygote, mine):
    def run(workdir, *overrides):
        flags = [f"--config.{override}" for override in overrides]
        return zygote.run("odtf-train", f"--config={mine / 'config.py'}", f"--workdir={workdir}", *flags)

    return run


def test_a_model_is_trained_by_another_one_resumed_exported_and_fine_tuned(mine, train, zygote, tmp_path):
    workdir = tmp_path / "run"
    overrides = (f"method={{'name': 'OfflineDistillation', 'teacher': '{mine}/scaled.keras', 'alpha': 0.1}}",)
    status, _, err = train(workdir, *overrides)
    assert status == 0, err
    report = json.loads((workdir / "report.json").read_text())
    (peer,) = report["peers"]
    assert peer["network"]["name"] == f"{mine}/sequential.keras" and peer["params"] == 80 + 584 + 90
    assert report["teacher"]["test_top1"] >= 0.0 and report["exports"][0]["agreement"] > 0.5
    status, out, err = train(workdir, *overrides)
    assert status == 0 and "resumed at step" in out + err
    # No code of anybody's is in it, so that nothing need be allowed.
    status, _, err = zygote.run("odtf-export", f"--workdir={workdir}", "--target=phone")
    assert status == 0, err
    if TFMOT:
        flags = ("--mode=qat", "--epochs=1", "--teacher=none")
        status, _, err = zygote.run("odtf-finetune", f"--workdir={workdir}", *flags)
        assert status == 0, err


def test_a_subclassed_model_is_trained_in_a_cohort_and_exported(mine, train, zygote, tmp_path):
    network = f"{{'name': '{mine}/subclassed.py:network', 'activation': 'ACTIVATION'}}"
    overrides = ("method={'name': 'DeepMutualLearning', 'num_peers': 2}", "epochs=1")
    status, _, err = train(tmp_path / "run", "network=" + network.replace("ACTIVATION", "linear"), *overrides)
    assert status == 0, err
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert [peer["macs"] for peer in report["peers"]] == [None, None] and report["exports"][0]["agreement"] > 0.9
    card = (tmp_path / "run" / report["exports"][0]["path"]).with_name("MODEL_CARD.md").read_text()
    assert "170 parameters" in card and "multiply-accumulates an image" not in card
    flags = ("--allow_code", "--target=micro", "--budget=bytes=64K")
    status, _, err = zygote.run("odtf-export", f"--workdir={tmp_path / 'run'}", *flags)
    assert status == 0, err
    status, _, err = train(tmp_path / "other", "network=" + network.replace("ACTIVATION", "softmax"), *overrides)
    assert status == 2 and "a model that answers with logits" in err and not (tmp_path / "other").exists()


@pytest.mark.skipif(not TFMOT, reason="TFMOT is not installed")
def test_the_layer_that_tfmot_does_not_take_is_named(mine, train, zygote, tmp_path):
    workdir = tmp_path / "run"
    status, _, err = train(workdir, f"network={{'name': '{mine}/scaled.keras'}}", "export.targets=()", "epochs=1")
    assert status == 0, err
    status, _, err = zygote.run("odtf-finetune", f"--workdir={workdir}", "--mode=qat", "--teacher=none")
    assert status == 2 and "TFMOT cannot take this network" in err and "of type Rescaling" in err


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("network={'name': '$/lambda.keras'}", "Lambda of keras.layers"),
        ("network={'name': '$/absent.keras'}", "which is no file"),
        ("network={'name': '$/sequential.keras', 'depth': 8}", "has no argument 'depth'"),
        ("network={'name': 'keras.applications:ResNet9'}", "keras.applications has"),
        ("method={'name': 'OfflineDistillation', 'teacher': '$/absent.onnx'}", "which is not there"),
        ("method={'name': 'OfflineDistillation', 'teacher': {'file': '$', 'size': 3}}", "Received: size"),
        ("method={'name': 'OfflineDistillation', 'teacher': '$/lambda.keras'}", "Lambda of keras.layers"),
        (
            "method={'name': 'OfflineDistillation', 'teacher': '$/sequential.keras'}",
            "Which pixels it takes must be said",
        ),
        ("method={'name': 'OfflineDistillation', 'teacher': 7}", "must be the path of a model"),
    ],
)
def test_bad_models_are_refused_in_one_line_and_nothing_is_written(mine, train, tmp_path, override, words):
    status, _, err = train(tmp_path / "run", override.replace("$", str(mine)))
    (line,) = err.splitlines()
    assert status == 2 and words in line and not (tmp_path / "run").exists()
