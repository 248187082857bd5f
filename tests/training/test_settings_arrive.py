"""What a config says arrives where it acts: the second test of rows of test_settings.py whose first takes no config."""

import contextlib

import keras
import numpy as np
import pytest

from odtf import data, models
from odtf.training import config_data, preparation, strategy
from odtf.training.config import default_config, free
from odtf.training.schedules import make_schedule
from tests.training.test_experiment import small
from tests.training.test_recipes import prepared, with_recipes

# Keys of config.data that are not about the reading of images; the pipeline has them.
_OF_PIPELINE = {"name", "domains", "augment", "balanced", "num_views"}


def test_all_that_is_said_of_data_arrives_where_they_are_read(monkeypatch):
    others = {"data_dir": "/data", "image_size": (4, 6), "resize": "crop", "channels": 1, "validation_fraction": 0.5}
    others |= {"stratify": True, "memory_budget_mb": 7, "max_train_examples": 9, "skip_corrupt": True}
    others |= {"mean": (0.25,), "std": (0.75,)}
    config, given = default_config(), {}
    assert set(others) | _OF_PIPELINE == set(config.data)
    assert all(config.data[key] != value for key, value in others.items())
    config.data.update({**others, "name": "folder:/photos", "domains": ({"name": "folder:/more", "epochs": (0, 2)},)})
    config.seed = 5
    monkeypatch.setattr(data, "load", lambda name, **options: given.update(options, name=name))
    config_data.load_dataset(config)
    assert given.items() >= {**others, "name": "folder:/photos", "seed": 5}.items()
    monkeypatch.setattr(data, "load_domain", lambda dataset, name, **options: {"name": name, **options})
    (domain,) = config_data.load_domains(config, None)
    kept = {key: others[key] for key in ("data_dir", "memory_budget_mb", "skip_corrupt")}
    assert domain == {"name": "folder:/more", "epochs": (0, 2), "seed": 5, **kept}


@pytest.fixture(scope="module")
def digits():
    return config_data.load_dataset(default_config())


@pytest.mark.parametrize(
    ("key", "value"), [("pad", 2), ("pad_mode", "reflect"), ("flip", True), ("cutout", 4), ("scale", (0.5, 1.0))]
)
def test_the_augmentation_is_that_of_the_config(key, value, digits):
    config = small(batch_size=64)
    config.data.augment = free({"pad": 1, "pad_mode": "zero", "flip": False, "cutout": 0})
    before = config_data.make_pipeline(config, digits).batch(0)[0]
    config.data.augment = free({**config.data.augment.to_dict(), key: value})
    images = config_data.make_pipeline(config, digits).batch(0)[0]
    options = {"batch_size": 64, "seed": config.seed, "augment": config.data.augment.to_dict()}
    np.testing.assert_array_equal(images, data.TrainPipeline(digits, **options).batch(0)[0])
    assert np.abs(images - before).max() > 0.1


def test_classes_are_balanced_where_the_config_says_so(digits):
    config, counts = small(batch_size=100), []
    for config.data.balanced in (False, True):
        counts.append(np.bincount(config_data.make_pipeline(config, digits).batch(0)[1], minlength=10))
    assert set(counts[1]) == {10} != set(counts[0])


@pytest.mark.parametrize("kind", ["ema", "lookahead"])
def test_recipes_are_those_of_the_config(kind, tmp_path):
    config = with_recipes(kind)
    made = prepared(config, tmp_path)
    average = made.method.averaging
    assert (average.kind, average.decay, average.every, average.power) == (kind, 0.9, 2, 1.0)
    assert average.total_steps == made.total_steps
    assert made.method.resizing.stages == [(0, 6, 6), (1, 8, 8)]
    asked = []
    average.applied = lambda method, batches: asked.append(batches()[1]) or contextlib.nullcontext()
    for step in (2, 9):
        with made._averaged(step):
            pass
    assert asked == [2, 3]  # As many as there were, and as many as are wanted.


def test_a_start_waits_and_learns_as_the_config_says(tmp_path):
    config = small(epochs=3)
    spec = {"name": "plain_cnn", "widths": (4, 8)}
    config.network, config.method = free({**spec, "init": "mine"}), free({"name": "Solo"})
    config.init.frozen_epochs, config.init.body_rate = 2, 0.25
    weights = {v.path: v.numpy() for v in models.build(spec, (8, 8, 1), 10, seed=5).variables}
    placement = strategy.make_placement()
    made = preparation.prepare(config, tmp_path, placement, None, load_start=lambda source: weights)
    assert (made.method.warm_start.frozen_epochs, made.method.warm_start.body_rate) == (2, 0.25)


def test_optimizer_rate_decay_and_depth_are_those_of_the_config(tmp_path):
    config = small(epochs=4, weight_decay=0.125)
    options = {"beta_1": 0.5, "beta_2": 0.75, "epsilon": 1e-3, "amsgrad": True, "clipnorm": 2.0}
    config.optimizer = free({"name": "adam", **options})
    config.network = free({"name": "cifar_resnet", "depth": 14, "width": 4})
    config.method = free({"name": "Solo"})
    config.schedule.update({"name": "cosine", "learning_rate": 0.3, "final_fraction": 0.1, "warmup_epochs": 0.5})
    config.schedule.restarts = (2,)
    method = prepared(config, tmp_path).method
    made = method.optimizer.get_config()
    assert isinstance(method.optimizer, keras.optimizers.Adam) and {key: made[key] for key in options} == options
    assert method.weight_decay == 0.125
    rate = make_schedule(config.schedule, method.steps_per_epoch, 4)
    for step in (1, method.steps_per_epoch, 2 * method.steps_per_epoch + 3):
        method.optimizer.iterations.assign(step)
        assert method.current_rate == pytest.approx(float(rate(step))) and method.current_rate < 0.3
    (peer,) = method.peers.values()
    wanted = models.build({"name": "cifar_resnet", "depth": 14, "width": 4}, (8, 8, 1), 10, seed=0)
    assert peer.count_params() == wanted.count_params()
