"""Runs on photos: mixed labels through the real loop, also after a stop; and what is said of the data at the start."""

import types
from contextlib import nullcontext

import pytest

from odtf import stopping
from odtf.data import remarks
from odtf.errors import UserError
from odtf.methods.shared.divergence import Divergence
from odtf.tasks import Classification, Retrieval, Segmentation
from odtf.training import experiment, preparation
from odtf.training.config import free
from tests.data.conftest import write_images
from tests.training.test_experiment import assert_same_weights, last_weights, small, train
from tests.training.test_phases import _stopping


@pytest.mark.parametrize(
    ("task", "divergence", "mixes", "refused"),
    [
        (Classification(), "kl", True, None),
        (Classification(), "dist", True, None),
        (Classification(), "dkd", True, "the divergence 'dkd'"),
        (Classification(), "kl", False, "the method 'OnlineDistillationCheap'"),
        (Retrieval(), "kl", True, "the task 'retrieval'"),
        (Segmentation(), "kl", True, "the task 'segmentation'"),
    ],
)
def test_who_takes_mixed_labels(task, divergence, mixes, refused):
    method = types.SimpleNamespace(divergence=Divergence(divergence, task), task=task, mixes=mixes)
    expected = pytest.raises(UserError, match=rf"0 would be right for both\. Received: {refused}\.$")
    with nullcontext() if refused is None else expected:
        preparation._check_mixed(small(), method, types.SimpleNamespace(mixes=True))
    preparation._check_mixed(small(), method, types.SimpleNamespace(mixes=False))


def test_a_run_with_mixed_labels_and_balanced_classes_goes_on_bit_by_bit(tmp_path, monkeypatch):
    config = small(epochs=1, batch_size=256)
    config.data.augment = free({"crop_area": (0.5, 1.0), "mixup": 0.4, "cutmix": 1.0})
    config.data.balanced = True
    monkeypatch.setattr(remarks, "of", lambda names, notes, splits: ["a remark"])
    whole = train(config, tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(experiment.Window, "add", _stopping(experiment.Window.add, 2))
        with pytest.raises(stopping.Stopped):
            train(config, tmp_path / "parts")
    parts = train(config, tmp_path / "parts")
    assert (parts["peers"], parts["remarks"]) == (whole["peers"], ["a remark"])
    assert_same_weights(last_weights(tmp_path / "parts"), last_weights(tmp_path / "whole"))


def test_grey_cropped_photos_are_trained_and_remarks_stand_in_log_and_report(tmp_path, capsys):
    root = write_images(tmp_path / "photos", per_class=9, size=(12, 20))
    (root / "ash" / "notes.txt").write_text("no picture")
    config = small(epochs=1, batch_size=8)
    config.data.name, config.data.image_size = f"folder:{root}", 8
    config.data.resize, config.data.channels = "crop", 1
    config.export.targets = ()
    report = train(config, tmp_path / "run")
    said = capsys.readouterr().out
    assert f"note: passed over in {root}: 1 .txt" in said
    few = "classes with fewer than 10 images in all splits together: 'ash' (9), 'birch' (9), 'cedar' (9)"
    assert f"note: {few}" in said and report["remarks"] == [f"passed over in {root}: 1 .txt", few]
    assert report["resize"] == "crop" and len(report["normalization"]["mean"]) == 1
