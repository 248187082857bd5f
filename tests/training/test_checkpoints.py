"""Checkpoints: whole, exact, found again when the newest is damaged."""

import functools
import json
import os
import pathlib
import shutil
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from odtf import methods
from odtf.errors import UserError
from odtf.training.checkpoints import Checkpoints, load_weights
from tests.methods.tiny import least


def make(seed=0):
    method = methods.DeepMutualLearning(least, seed=seed)
    method.compile(keras.optimizers.SGD(0.1, momentum=0.9))
    return method


def step(method, seed):
    rng = np.random.default_rng(seed)
    images = tf.constant(rng.normal(size=(8, 8, 8, 1)), "float32")
    method.step((images, tf.constant(rng.integers(0, 10, 8), "int32")))


def state(method):
    return [v.numpy() for v in [*method.variables, *method.optimizer.variables]]


def assert_same(one, two):
    assert len(one) == len(two)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def flip_largest(path):
    """Flips one bit in the largest array of an archive."""
    with zipfile.ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda member: member.compress_size)
    content = bytearray(path.read_bytes())
    content[largest.header_offset + largest.compress_size // 2] ^= 0x04
    path.write_bytes(content)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A run with checkpoints of the steps 1, 2 and 3, and the state at each; as `run` gives everyone a copy of it."""
    folder, method, states, lines = tmp_path_factory.mktemp("saved") / "run", make(), {}, []
    checkpoints = Checkpoints(folder, method, keep=3, log=lines.append)
    for number in (1, 2, 3):
        step(method, number)
        chosen = {"step": number, "peer": "peer_0", "sha256": checkpoints.save_chosen(number)}
        checkpoints.save({"step": number, "chosen": chosen})
        states[number] = state(method)
    return folder, states


@pytest.fixture
def run(saved, tmp_path):
    """A copy of that run, and the state at each of its steps."""
    return pathlib.Path(shutil.copytree(saved[0], tmp_path / "run")), saved[1]


def test_variables_optimizer_and_progress_come_back_exactly(run):
    workdir, states = run
    other = make(seed=5)
    progress = Checkpoints(workdir, other).restore()
    assert progress["step"] == progress["chosen"]["step"] == 3
    assert_same(state(other), states[3])


def test_nothing_to_restore(tmp_path):
    assert Checkpoints(tmp_path, make()).restore() is None


@pytest.mark.parametrize(
    "damage",
    [
        *("truncated", "flipped", "no index", "no progress", "half progress"),
        *("another peer", "no such peer", "chosen gone", "chosen flipped", "chosen of another step", "chosen a pipe"),
        "chosen of an unknown compression",
    ],
)
def test_damaged_newest_falls_back_with_a_warning(run, damage):
    workdir, states = run
    newest = workdir / "checkpoints" / "step-3"
    data = next(newest.glob("variables.data*"))
    if damage == "truncated":
        data.write_bytes(data.read_bytes()[:100])
    elif damage == "flipped":
        content = bytearray(data.read_bytes())
        content[len(content) // 2] ^= 0xFF
        data.write_bytes(content)
    elif damage == "no index":
        (newest / "variables.index").unlink()
    elif damage == "no progress":
        (newest / "progress.json").unlink()
    elif damage == "another peer":
        change(newest / "progress.json", '"peer_0"', '"peer_1"')
    elif damage == "no such peer":  # Of a run that was begun before there were digests.
        progress = {"step": 3, "chosen": {"step": 3, "peer": "peer_9"}}
        (newest / "progress.json").write_text(json.dumps(progress))
    elif damage == "chosen gone":
        (workdir / "chosen" / "step-3.npz").unlink()
    elif damage == "chosen a pipe":
        (workdir / "chosen" / "step-3.npz").unlink()
        os.mkfifo(workdir / "chosen" / "step-3.npz")
    elif damage == "chosen flipped":
        flip_largest(workdir / "chosen" / "step-3.npz")
    elif damage == "chosen of an unknown compression":
        content = bytearray((workdir / "chosen" / "step-3.npz").read_bytes())
        for mark, offset in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
            content[content.index(mark) + offset] = 77
        (workdir / "chosen" / "step-3.npz").write_bytes(content)
    elif damage == "chosen of another step":
        shutil.copyfile(workdir / "chosen" / "step-1.npz", workdir / "chosen" / "step-3.npz")
    else:
        (newest / "progress.json").write_text('{"step": 3, "cho')
    other, lines = make(seed=5), []
    checkpoints = Checkpoints(workdir, other, log=lines.append)
    assert checkpoints.restore()["step"] == 2
    assert_same(state(other), states[2])
    assert len(lines) == 1
    assert "step 3 is damaged" in lines[0]
    step(other, 3)
    checkpoints.save({"step": 3, "chosen": None})  # The damaged one is replaced.
    assert Checkpoints(workdir, make()).restore()["step"] == 3


def test_a_checkpoint_of_before_without_digests_is_read(run):
    workdir, states = run
    progress = {"step": 3, "chosen": {"step": 3, "peer": "peer_0"}, "seconds": 1.0}
    (workdir / "checkpoints" / "step-3" / "progress.json").write_text(json.dumps(progress))
    other, lines = make(seed=5), []
    assert Checkpoints(workdir, other, log=lines.append).restore() == progress
    assert_same(state(other), states[3])
    assert lines == []


def test_equal_weights_have_one_digest_and_others_another(tmp_path, saved):
    method = make()
    first, again = (Checkpoints(tmp_path, method).save_chosen(number) for number in (1, 2))
    method.variables[0].assign_add(1e-6 + method.variables[0])
    assert first == again != Checkpoints(tmp_path, method).save_chosen(3)


def test_all_damaged_is_an_error_that_names_them(run):
    workdir, _ = run
    for path in (workdir / "checkpoints").glob("*/variables.index"):
        path.write_bytes(b"")
    with pytest.raises(UserError, match="step 1, 2, 3"):
        Checkpoints(workdir, make(), log=lambda line: None).restore()


def test_remains_of_a_kill_are_ignored_and_swept(run):
    workdir, _ = run
    remains = workdir / "checkpoints" / ".step-4.tmp"
    remains.mkdir()
    (remains / "variables.data-00000-of-00001").write_bytes(b"half")
    method = make()
    checkpoints = Checkpoints(workdir, method)
    assert checkpoints.restore()["step"] == 3
    checkpoints.save({"step": 4, "chosen": None})
    assert not remains.exists()


def test_only_what_is_referred_to_is_kept(run):
    workdir, _ = run
    method = make()
    checkpoints = Checkpoints(workdir, method, keep=2)
    checkpoints.save({"step": 4, "chosen": {"step": 2}})
    assert sorted(p.name for p in (workdir / "checkpoints").iterdir()) == ["step-3", "step-4"]
    assert sorted(p.name for p in (workdir / "chosen").iterdir()) == ["step-2.npz", "step-3.npz"]


def test_who_is_not_the_chief_writes_nothing(tmp_path):
    checkpoints = Checkpoints(tmp_path, make(), is_chief=False)
    checkpoints.save({"step": 1, "chosen": None})
    checkpoints.save_chosen(1)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_clear_line_and_harms_nothing(run, monkeypatch):
    workdir, states = run

    def full(*args, **kwargs):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    method = make()
    checkpoints = Checkpoints(workdir, method)
    checkpoints.restore()
    monkeypatch.setattr(tf.train.Checkpoint, "write", full)
    with pytest.raises(UserError, match="No space left on device"):
        checkpoints.save({"step": 4, "chosen": None})
    other = make(seed=5)
    assert Checkpoints(workdir, other).restore()["step"] == 3
    assert_same(state(other), states[3])


def test_weights_of_another_network_are_refused(run, tmp_path):
    workdir, _ = run
    other = methods.Solo(functools.partial(least, width=8))
    with pytest.raises(UserError, match="are not those of the network"):
        load_weights(other, workdir / "chosen" / "step-3.npz")
    with pytest.raises(UserError, match=r"absent\.npz: has the training .* ended\? Received: no such file"):
        load_weights(other, pathlib.Path(tmp_path) / "absent.npz")


class Harmful:
    """A pickle of it touches a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return pathlib.Path.touch, (self.path,)


def test_a_pickle_among_the_weights_is_refused(run, tmp_path):
    workdir, _ = run
    path = workdir / "chosen" / "step-3.npz"
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    name = next(name for name in arrays if not name.startswith("peers/"))
    np.savez(path, **{**arrays, name: np.array([Harmful(tmp_path / "HARM")], object)})
    with pytest.raises(UserError, match=r"are damaged.*pickle"):
        load_weights(make(), path)
    assert not (tmp_path / "HARM").exists()
