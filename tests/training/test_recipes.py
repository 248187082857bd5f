"""Recipes of a config in whole runs: what is chosen and exported, that a resumed run is bit-equal, what is refused."""

import os
import signal

import keras
import numpy as np
import pytest

from odtf import runs, stopping
from odtf.errors import UserError
from odtf.models.whitening import whitening_filters
from odtf.training import config_checks, experiment, preparation, recipes, strategy
from odtf.training.config import free
from tests.training.test_experiment import assert_same_weights, last_weights, small, train


def with_recipes(kind="ema"):
    """Two peers on digits with all recipes at once."""
    config = small()
    with config.unlocked():  # Which ends in a pooling over the whole map, and so takes any size.
        config.network = free({"name": "od_cheap_resnet", "depth": 8, "conv": "depthwise", "width": 4})
    config.average.update({"name": kind, "decay": 0.9, "every_steps": 2, "power": 1.0, "norm_batches": 3})
    config.recipe.update({"norm_bias_rate": 4.0, "norm_decay": False, "whitened_stem": True})
    config.recipe.sizes = ((0, 6), (1, 8, 8))
    config.data.augment = free({"pad": 1, "pad_mode": "reflect", "flip": True, "alternate": True})
    config_checks.check(config)
    return config


def prepared(config, workdir):
    return preparation.prepare(config, workdir, strategy.make_placement(), None)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run without any interruption: (workdir, report)."""
    workdir = tmp_path_factory.mktemp("recipes")
    return workdir, train(with_recipes(), workdir)


def test_stopped_in_an_epoch_and_resumed_is_bit_equal(whole, tmp_path, monkeypatch):
    add = experiment.Window.add

    def add_and_stop(window, step, values):
        if step == 15:
            os.kill(os.getpid(), signal.SIGTERM)
        add(window, step, values)

    monkeypatch.setattr(experiment.Window, "add", add_and_stop)
    with pytest.raises(stopping.Stopped, match="step 15"):
        train(with_recipes(), tmp_path)
    monkeypatch.undo()
    report = train(with_recipes(), tmp_path)
    assert any(name.startswith("average") for name in last_weights(tmp_path))
    assert_same_weights(last_weights(tmp_path), last_weights(whole[0]))
    for key in ("peers", "student", "teacher"):
        assert report[key] == whole[1][key]


def test_what_is_chosen_is_the_average(whole, tmp_path):
    """Of the last epoch, if that was chosen: the averages of its checkpoint, which are not its weights."""
    workdir, report = whole
    assert report["student"]["epoch"] == 2, "another seed would choose the last epoch"
    restored = prepared(with_recipes(), tmp_path)
    checkpoints = experiment.Checkpoints(workdir, restored.method)
    checkpoints.restore()
    network = runs.Run(workdir).network()
    position = {id(v): i for i, v in enumerate(restored.method.trainable_variables)}
    peer = restored.method.peers[report["student"]["name"]]
    for weight, chosen in zip(peer.trainable_variables, network.trainable_variables, strict=True):
        average = restored.method.averaging.averages[position[id(weight)]]
        np.testing.assert_array_equal(chosen.numpy(), average.numpy(), err_msg=weight.path)
        assert (chosen.numpy() != weight.numpy()).any()


def test_stems_begin_as_what_whitens(tmp_path):
    made = prepared(with_recipes(), tmp_path)
    recipes.begin(with_recipes(), made.method, made.pipeline.batch)
    images = np.concatenate([made.pipeline.batch(step)[0] for step in range(8)])[:1024]
    expected = whitening_filters(images, (3, 3))[..., :2]
    for peer in made.method.peers.values():
        stem = next(layer for layer in peer.layers if isinstance(layer, keras.layers.Conv2D))
        np.testing.assert_allclose(stem.kernel[..., :2], expected, rtol=1e-4, atol=1e-5)


def test_norms_are_those_of_the_config(tmp_path):
    norms = prepared(with_recipes("lookahead"), tmp_path).method.norms
    assert (norms.bias_rate, norms.decays) == (4.0, False)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"recipe.sizes": ((0, 6),)},
            r"sizes must end, before the run does, with the size that the data have, \(8, 8\)",
        ),
        ({"recipe.sizes": ((0, 6), (2, 8))}, r"sizes must end, before the run does"),
        ({"recipe.sizes": ((1, 6), (2, 8))}, r"sizes must be a tuple of \(epoch, side\)"),
        ({"recipe.sizes": ((0, 2), (1, 8))}, "sizes must be .*, or of sizes that all networks take: .* Received: 2x2"),
        ({"average.decay": 0.5}, r"average\.decay acts where config\.average\.name is ema or lookahead alone"),
        ({"average.name": "ema", "quantization.aware": True}, "must be 'none' where config.quantization.aware"),
        ({"recipe.norm_bias_rate": 2.0, "precision": "mixed_float16"}, "norm_bias_rate needs a second optimizer"),
    ],
)
def test_what_has_no_meaning_is_refused(values, message, tmp_path):
    config = small()
    for key, value in values.items():
        part, _, leaf = key.rpartition(".")
        (config[part] if part else config)[leaf] = value
    with pytest.raises(UserError, match=message):
        prepared(config, tmp_path)


def test_averages_over_phases_are_refused(tmp_path):
    config = small()
    config.average.name = "ema"
    with config.unlocked():
        config.method = free({"name": "FitNets", "teacher_network": {"name": "plain_cnn", "widths": (4, 8)}})
        config.method.update({"teacher_epochs": 1, "hint_epochs": 1})
    config.epochs = 4
    with pytest.raises(UserError, match="FitNets trains in phases, and an average would mix the weights"):
        prepared(config, tmp_path)
