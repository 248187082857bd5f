"""Pictures along training: drawn as often as asked, of the same images, and on the page of the run."""

import numpy as np
import pytest

from odtf import pictures, runs
from odtf.page import run_page
from odtf.training.config import free
from odtf.training.progress_pictures import drawn
from tests.training.test_experiment import small, train


def translating(**values):
    """A student and two teachers of a few weights, of noisy digits."""
    config = small(epochs=4, batch_size=20)
    config.data.name, config.data.image_size, config.data.max_train_examples = "digit_pictures", (32, 32), 40
    config.data.augment, config.task = free({}), free({"name": "translation"})
    config.optimizer, config.schedule.learning_rate = free({"name": "adam", "beta_1": 0.5}), 2e-3
    network = {"name": "unet_generator", "levels": 3, "width": 2}
    config.network = free(network)
    weights = {"style_weight": 0.0, "feature_weight": 0.0, "discriminator_width": 2}
    teachers = {"wide_network": {**network, "width": 4}, "deep_network": {**network, "deep": True}}
    config.method = free({"name": "OnlineMultiGranularity", **teachers, **weights})
    config.pictures.update(values)
    return config


@pytest.fixture
def drawings(monkeypatch):
    """What was to be drawn, in place of matplotlib's work: (file, images, targets, answers)."""
    found, save = [], pictures.save

    def noted(path, draw, *arguments, **options):
        if path.parent.name != "pictures":
            return save(path, draw, *arguments, **options)
        found.append((path.name, *arguments[1:]))
        return save(path, draw, *arguments, **options)

    monkeypatch.setattr(pictures, "save", noted)
    return found


def test_pictures_are_drawn_as_often_as_the_config_says(tmp_path, drawings):
    config = translating(every_epochs=2, images=3)
    report = train(config, tmp_path)
    assert [epoch for epoch, _ in drawn(tmp_path)] == [2, 4]
    (first, images, targets, answers), (last, *others) = drawings
    assert (first, last) == ("epoch-00002.png", "epoch-00004.png")
    assert images.shape == (3, 32, 32, 1) and images.dtype == np.uint8
    np.testing.assert_array_equal(images, others[0])
    np.testing.assert_array_equal(targets, others[1])
    assert list(answers) == ["peer_0", "wide", "deep"]
    for name, answer in answers.items():
        assert answer.shape == images.shape and -1.0 <= answer.min() < answer.max() <= 1.0
        assert np.abs(answer - others[2][name]).max() > 1e-3  # The network has learned on.

    assert [row.get("role") for row in report["peers"]] == [None, "teacher", "teacher"]
    path = tmp_path / "report.html"
    run_page.write(runs.Run(tmp_path), path, max_examples=20)
    page = path.read_text()
    assert all(f"After epoch {epoch}." in page for epoch in (2, 4)) and "image/webp" in page
    assert "wide (teacher)" in page
    assert "How much smaller the student is" in page and "resnet_generator conv=standard width=64" in page


def test_a_task_that_draws_nothing_says_so_once(tmp_path, capsys):
    config = small(epochs=2, batch_size=512)
    config.network, config.method = free({"name": "plain_cnn", "widths": (4, 6)}), free({"name": "Solo"})
    config.pictures.every_epochs = 1
    train(config, tmp_path)
    assert capsys.readouterr().out.count("no pictures: the task 'classification' draws none") == 1
    assert not (tmp_path / "pictures").exists()


def test_pictures_are_none_by_default(tmp_path, drawings):
    config = translating()
    config.epochs = 1
    train(config, tmp_path)
    assert not drawings and drawn(tmp_path) == []
