"""The whole job by `odtf.workflow`, in small; what its parts do is tested where they are."""

import numpy as np
import pytest
from PIL import Image

from odtf import runs, workflow
from odtf.errors import UserError

SMALL = {
    "network": {"name": "plain_cnn", "widths": (8,), "padding": "symmetric"},
    "method": {"name": "DeepMutualLearning", "num_peers": 2},
    "data.max_train_examples": 128,
    "epochs": 2,
    "export": {"targets": (), "calibration_examples": 64},
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(run, what was called after each epoch: its number and whether there were curves)."""
    workdir, called = tmp_path_factory.mktemp("run"), []

    def after(epoch):
        called.append((epoch, workflow.curves(workdir) is not None))

    return workflow.train(workflow.config("digits", SMALL), workdir, after_epoch=after), called


def test_a_mapping_replaces_what_is_named_and_changes_keys_elsewhere():
    config = workflow.config("digits:epochs=7", {**SMALL, "schedule": {"learning_rate": 0.5}})
    assert config.network.to_dict() == SMALL["network"] and config.epochs == 2
    assert (config.schedule.learning_rate, config.schedule.name) == (0.5, "cosine")
    assert config.export.quantization == "int8" and config.export.calibration_examples == 64
    assert workflow.config("digits:epochs=7").epochs == 7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epoch": 3}, r"^config\.epoch: config has the keys .* \(did you mean epochs\?\)\. Received: 'epoch'\."),
        ({"data": {"nam": "x"}}, r"^config\.data\.nam: config\.data has the keys .* Received: 'nam'\."),
        ({"epochs": "many"}, r"^config\.epochs must be of the type .* Received: 'many'\."),
    ],
)
def test_changes_that_no_config_takes(changes, message):
    with pytest.raises(UserError, match=message):
        workflow.config("digits", changes)


def test_each_epoch_can_be_watched(trained):
    run, called = trained
    assert called == [(1, True), (2, True)]
    assert isinstance(run, runs.Run) and set(run.peers) == {"peer_0", "peer_1"}
    assert workflow.curves(run)._repr_png_().startswith(b"\x89PNG")


def test_a_finished_run_is_not_trained_again(trained):
    run, called = trained
    again = workflow.train(workflow.config("digits", SMALL), run.workdir, after_epoch=called.append)
    assert again.report == run.report and called == [(1, True), (2, True)]


def test_a_file_answers_alike_for_arrays_pictures_and_folders(trained, tmp_path):
    run, _ = trained
    path = workflow.export(run, "soc")
    assert path.is_file() and run.report["exports"][-1]["sha256"]
    images = run.dataset.splits["test"].take(np.arange(3))[0]
    for number, image in enumerate(images):
        Image.fromarray(image[..., 0]).save(tmp_path / f"{number}.png")
    names = list("abcdefghij")
    rows = workflow.predict(path, images, names=names)
    assert [row["image"] for row in rows] == [0, 1, 2] and {row["label"] for row in rows} <= set(names)
    (one,) = workflow.predict(path, tmp_path / "1.png", names=names)
    folder = workflow.predict(path, tmp_path, names=names)
    for field in ("label", "probability", "scores"):
        assert [row[field] for row in folder] == [row[field] for row in rows]
        assert one[field] == rows[1][field]


def test_images_of_another_kind(trained, tmp_path):
    run, _ = trained
    path = workflow.export(run, "soc")
    with pytest.raises(
        UserError, match=r"^Images in memory are uint8.* Received: float64 of the shape \[2, 8, 8, 1\]\."
    ):
        workflow.predict(path, np.zeros((2, 8, 8, 1)))
    with pytest.raises(UserError, match=r"absent\.png"):
        workflow.predict(path, tmp_path / "absent.png")


def test_no_seed_is_no_comparison(tmp_path):
    with pytest.raises(UserError, match=r"one seed at least\. Received: seeds=0\.$"):
        workflow.compare(["digits"], tmp_path, seeds=0)
