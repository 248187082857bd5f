"""Runs of quantisation-aware cohorts: schedule, choice, resume, replicas, export."""

import os
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf import data, export, methods, models, quantization, run_exports, runs, stopping
from odtf.errors import UserError
from odtf.training import config_checks, experiment
from odtf.training.config import default_config, free
from tests.quantization.conftest import aware, randomized
from tests.training.test_experiment import assert_same_weights, last_weights, log_of, train


def config_of(**values):
    """Three epochs of one tiny student on digits: float, quantised, frozen."""
    config = default_config()
    config.deterministic = True
    config.batch_size, config.epochs = 256, 3
    config.network = free({"name": "plain_cnn", "padding": "symmetric", "widths": (4, 6), "embedding": 0})
    config.schedule.learning_rate = 0.02
    config.export.targets = ()
    config.quantization.update(aware=True, delay_epochs=1, freeze_batch_norm_epochs=1)
    config.update_from_flattened_dict(values)
    return config


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder, train(config_of(), folder)


@pytest.mark.parametrize("stop_at", [4, 7])  # Before quantisation begins, and after.
def test_resumed_in_any_phase_is_bit_equal(stop_at, whole, tmp_path, monkeypatch):
    add = experiment.Window.add

    def add_and_stop(window, step, values):
        if step == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        add(window, step, values)

    monkeypatch.setattr(experiment.Window, "add", add_and_stop)
    with pytest.raises(stopping.Stopped):
        train(config_of(), tmp_path)
    monkeypatch.undo()
    train(config_of(), tmp_path)
    assert_same_weights(last_weights(tmp_path), last_weights(whole[0]))


def test_the_student_is_chosen_among_quantised_epochs(whole):
    folder, report = whole
    assert report["student"]["epoch"] in (2, 3)
    values = [line["peer_0/top1"] for line in log_of(folder) if line["kind"] == "validation"]
    assert report["student"]["val_top1"] == pytest.approx(max(values[1:]), abs=1e-4)


def test_a_finished_run_is_exported_with_the_ranges_of_training(whole, monkeypatch):
    folder, report = whole
    monkeypatch.setattr("odtf.export.student.calibration_images", None)
    dataset, network = runs.Run(folder).dataset, runs.Run(folder).network()
    bounds = network.layers[1].bounds.numpy()
    np.testing.assert_allclose(bounds, quantization.pixel_range(dataset.mean, dataset.std), rtol=1e-6)
    row = run_exports.export_workdir(folder, "soc")["exports"][0]
    assert row["calibration"] == "training"
    assert row["agreement"] > 0.99
    assert row["test_top1"] == pytest.approx(report["student"]["test_top1"], abs=0.01)
    assert keras.saving.load_model(folder / "student.keras")(np.zeros((1, *dataset.image_shape))).shape == (1, 10)
    with pytest.raises(UserError, match=r"int8.*Received: quantization=float32"):
        run_exports.export_workdir(folder, "phone", "float32")


def test_a_phone_file_of_a_grouped_network(tmp_path):
    dataset = data.load("digits")
    pixels, _ = dataset.splits["train"].take(np.arange(64))
    images = ((pixels / np.float32(255) - np.float32(dataset.mean)) / np.float32(dataset.std)).astype("float32")
    network = aware(randomized(models.resnet8((8, 8, 1), 10, conv="group", groups=2, width=(4, 6, 8))), images)
    row = export.export_student(network, dataset, tmp_path, target="phone", max_examples=16, max_drop=1.0)
    assert row["calibration"] == "training"
    found = export.Runner(row["path"]).predict(pixels)
    expected = keras.ops.softmax(network(images)["logits"])
    assert np.abs(found - expected).max() < 6 / 256
    assert row["ops"]["DEQUANTIZE"] == row["ops"]["SOFTMAX"] == 1, "its scores alone are float"


def test_layers_in_float_are_for_targets_that_run_them(tmp_path):
    dataset = data.load("digits")
    pixels, _ = dataset.splits["train"].take(np.arange(64))
    images = ((pixels / np.float32(255) - np.float32(dataset.mean)) / np.float32(dataset.std)).astype("float32")
    image = keras.Input((8, 8, 1))
    x = keras.layers.LayerNormalization()(keras.layers.Conv2D(8, 3, activation="relu")(image))
    logits = keras.layers.Dense(10, name="logits")(keras.layers.GlobalAveragePooling2D()(x))
    network = aware(keras.Model(image, {"logits": logits}), images)
    row = export.export_student(network, dataset, tmp_path, target="phone", max_examples=16, max_drop=1.0)
    # One of each stands at an end of the file, where pixels are uint8 and scores float32.
    assert row["ops"]["DEQUANTIZE"] == row["ops"]["QUANTIZE"] == 2 and "CAST" not in row["ops"]
    with pytest.raises(export.VerificationError, match="DEQUANTIZE"):
        export.export_student(network, dataset, tmp_path, target="soc", max_examples=16, max_drop=1.0)


def test_what_was_never_trained_quantised_is_not_exported(tmp_path):
    dataset = data.load("digits")
    network = quantization.quantization_aware(
        models.od_cheap_resnet((8, 8, 1), 10, depth=8, width=4), quantization.Schedule()
    )
    with pytest.raises(UserError, match="never observed"):
        export.export_student(network, dataset, tmp_path)


def test_one_replica_is_two(mirrored):
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(16, 8, 8, 1)).astype("float32"), rng.integers(0, 10, 16).astype("int32")

    def run(strategy):
        replicas = strategy.num_replicas_in_sync
        share = tf.data.Dataset.from_tensor_slices((images, labels)).batch(16 // replicas).repeat()
        schedule = quantization.Schedule()

        def network(*, seed, name):
            plain = models.plain_cnn(
                (8, 8, 1), 10, widths=(4, 6), padding="symmetric", seed=seed, name=name, synchronized=True
            )
            return quantization.quantization_aware(plain, schedule, momentum=0.5)

        with strategy.scope():
            method = methods.Solo(network, seed=1)
            method.compile(keras.optimizers.SGD(0.01))
        iterator = iter(strategy.distribute_datasets_from_function(lambda _: share) if replicas > 1 else share)
        step = method.step_function
        for _ in range(3):
            step(iterator)
        return {v.path: v.numpy() for v in method.variables}

    one, two = run(tf.distribute.get_strategy()), run(mirrored)
    assert any("bounds" in path and value.any() for path, value in one.items())
    for path, value in one.items():
        np.testing.assert_allclose(two[path], value, atol=2e-3, err_msg=path)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"precision": "mixed_bfloat16"}, "config.precision must be float32"),
        ({"export.targets": ("phone",), "export.quantization": "float16"}, "config.export.quantization must be int8"),
        ({"quantization.delay_epochs": 3}, "less than the 3 epochs"),
        ({"quantization.range_momentum": 1.0}, "config.quantization.range_momentum"),
        ({"quantization.aware": 1}, "config.quantization.aware"),
    ],
)
def test_bad_configs(values, message):
    config = config_of()
    for key, value in values.items():
        part, _, leaf = key.rpartition(".")
        with config.ignore_type():
            (config[part] if part else config)[leaf] = value
    with pytest.raises(UserError, match=message):
        config_checks.check(config)
