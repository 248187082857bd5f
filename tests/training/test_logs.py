"""What a run writes while it goes: TensorBoard's two lines on one chart, and a disk that is full."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from odtf.errors import UserError
from odtf.training.logs import Log


@pytest.mark.skipif(not pathlib.Path("/dev/full").exists(), reason="no /dev/full")
def test_the_line_of_a_full_disk_is_what_one_sees(tmp_path):
    """The file holds what it could not write, and would complain again when it is closed."""
    log = Log(tmp_path)
    log.start(0, 10)
    log._file.close()
    log._file = open("/dev/full", "w")  # noqa: SIM115 (closed by the log)
    with pytest.raises(UserError, match=r"^Cannot write .*log\.jsonl: No space left on device"):
        try:
            log.values(1, "train", {"loss": 1.0})
        finally:
            log.close()


def board(workdir, kind):
    """Returns what TensorBoard finds of a kind."""
    found = EventAccumulator(str(workdir / "tensorboard" / kind), size_guidance={"tensors": 0})
    return found.Reload()


def test_training_and_validation_are_one_chart(tmp_path):
    log = Log(tmp_path)
    log.start(0, 10)
    log.introduce({"epochs": 7}, lambda: np.full((3, 2, 2, 1), 200, np.uint8))
    log.values(5, "train", {"peer_0/supervised": 2.0, "learning_rate": 0.1})
    log.values(10, "validation", {"epoch": 1, "peer_0/supervised": 1.5})
    log.close()
    train, validation = (board(tmp_path, kind) for kind in ("train", "validation"))
    for found, step, value in ((train, 5, 2.0), (validation, 10, 1.5)):
        (event,) = found.Tensors("peer_0/supervised")
        assert event.step == step and tf.make_ndarray(event.tensor_proto) == value
    (text,) = train.Tensors("config")
    assert b'"epochs": 7' in tf.make_ndarray(text.tensor_proto).item()
    (images,) = train.Tensors("training images")
    width, height, *pictures = tf.make_ndarray(images.tensor_proto)
    assert (width, height, len(pictures)) == (b"2", b"2", 3)
    assert np.all(tf.io.decode_png(pictures[0]).numpy() == 200)


def test_a_corrupt_image_is_left_to_the_training(tmp_path):
    def corrupt():
        raise UserError("Corrupt image: a.png")

    log = Log(tmp_path)
    log.start(0, 10)
    log.introduce({}, corrupt)
    log.close()
    assert board(tmp_path, "train").Tags()["tensors"] == ["config"]


def test_workers_write_nothing(tmp_path):
    log = Log(tmp_path, is_chief=False)
    log.start(0, 10)
    log.introduce({}, lambda: 1 / 0)
    assert list(tmp_path.iterdir()) == []
