"""Files appear whole or not at all."""

import errno
import os
import zipfile

import keras
import numpy as np
import pytest

from odtf import atomic_files, models, teachers
from odtf.errors import UserError
from odtf.export import publish, save_student
from odtf.quiet import quiet
from odtf.tasks.translation.judges import Judge
from tests.export.conftest import normalized


def _full(*args, **kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _fails_on(call, number):
    calls = []

    def wrapper(*args, **kwargs):
        calls.append(args)
        return _full() if len(calls) == number else call(*args, **kwargs)

    return wrapper


def _content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_publish_makes_the_directory_and_keeps_its_other_files(tmp_path):
    folder = tmp_path / "a" / "b"
    paths = publish(folder, {"one": b"1", "two": b"2"})
    assert paths == [folder / "one", folder / "two"]
    publish(folder, {"two": b"22"})
    assert _content(folder) == {"one": b"1", "two": b"22"}


@pytest.mark.parametrize("number", [1, 2, 3])
def test_failure_while_writing_changes_nothing(number, tmp_path, monkeypatch):
    publish(tmp_path, {"one": b"1", "two": b"2"})
    monkeypatch.setattr(atomic_files, "_write", _fails_on(atomic_files._write, number))
    with pytest.raises(UserError, match="No space left on device"):
        publish(tmp_path, {"one": b"new", "two": b"new", "three": b"new"})
    assert _content(tmp_path) == {"one": b"1", "two": b"2"}


@pytest.mark.parametrize("number", [1, 2, 3])
def test_failure_while_replacing_changes_nothing(number, tmp_path, monkeypatch):
    publish(tmp_path, {"two": b"2", "three": b"3"})
    replace = os.replace
    calls = []

    def failing(source, destination):
        calls.append(destination)
        # Only the first time: what puts the old files back works again.
        return _full() if len(calls) == number else replace(source, destination)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(UserError, match="No space left on device"):
        publish(tmp_path, {"one": b"new", "two": b"new", "three": b"new"})
    assert _content(tmp_path) == {"two": b"2", "three": b"3"}


def test_failure_leaves_no_directory(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic_files, "_write", _full)
    with pytest.raises(UserError, match="Cannot write"):
        publish(tmp_path / "a" / "b", {"one": b"1"})
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_the_directory_should_be(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(UserError, match="Cannot write"):
        publish(tmp_path / "out", {"one": b"1"})
    assert (tmp_path / "out").read_text() == "mine"


def test_saved_student_is_keras_alone_and_equal(student, digits, tmp_path):
    network = student("resnet8 ghost")
    path = save_student(network, tmp_path / "new" / "student.keras")
    with zipfile.ZipFile(path) as archive:
        assert b"odtf" not in archive.read("config.json")
    images = normalized(digits.splits["test"].take(np.arange(16))[0], digits)
    loaded = keras.models.load_model(path)
    np.testing.assert_allclose(loaded(images), network(images, training=False)["logits"], atol=1e-5)
    assert [file.name for file in path.parent.iterdir()] == ["student.keras"]


@pytest.mark.parametrize("form", ["resnet8 ghost", "resnet8 line"])
def test_a_student_with_its_data_takes_pixels(form, student, digits, tmp_path):
    network = student(form)
    path = save_student(network, tmp_path / "student.keras", info=digits.info)
    images, _ = digits.splits["test"].take(np.arange(64))
    wanted = network(normalized(images, digits), training=False)["logits"]
    loaded = keras.models.load_model(path)
    assert images.dtype == np.uint8 and images.max() > 200
    # The same weights in the same layers: the front has none.
    assert {v.path for v in loaded.weights} <= {v.path for v in models.deploy(network).weights}
    for given in (images, images.astype(np.float32)):
        np.testing.assert_allclose(loaded(given), models.deploy(network)(normalized(images, digits)), atol=1e-5)
    np.testing.assert_allclose(loaded.predict(images, verbose=0), wanted, atol=1e-5)


def test_everything_that_reads_a_student_knows_its_pixels(student, digits, tmp_path):
    network = student("resnet8 ghost")
    path = save_student(network, tmp_path / "student.keras", info=digits.info)
    images, _ = digits.splits["test"].take(np.arange(16))
    fed = normalized(images, digits)
    wanted = network(fed, training=False)["logits"]
    options = {"normalization": (digits.mean, digits.std), "weights": "keep"}
    again = models.from_keras(path, **options)(seed=0, name="again")
    np.testing.assert_allclose(again(fed, training=False)["logits"], wanted, atol=1e-4)
    teacher = teachers.load(path, digits.info)
    np.testing.assert_allclose(teacher(fed, training=False)["logits"], wanted, atol=1e-4)
    judge = Judge(str(tmp_path), "logits")
    np.testing.assert_allclose(judge(images / 127.5 - 1.0), wanted, atol=1e-4)
    (answers,) = models.perceptual_features(path, taps=[keras.models.load_model(path).layers[-1].name])(
        images / 127.5 - 1.0
    )
    np.testing.assert_allclose(answers, wanted, atol=1e-4)
    said = (digits.mean, digits.std)
    for read in (
        lambda: models.from_keras(path, pixels=said),
        lambda: teachers.load(path, digits.info, pixels="given"),
        lambda: models.perceptual_features(path, taps=["x"], pixels=said),
    ):
        with pytest.raises(UserError, match=r"normalises them itself: leave pixels out\. Received: pixels="):
            read()


def test_failed_save_leaves_the_old_student(student, tmp_path, monkeypatch):
    path = tmp_path / "student.keras"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "replace", _full)
    with pytest.raises(UserError, match=r"Cannot write .*student\.keras: No space left"):
        save_student(student("resnet8 line"), path)
    assert _content(tmp_path) == {"student.keras": b"old"}


def test_quiet_swallows_native_output(capfd):
    with quiet():
        os.write(2, b"chatter")
    os.write(2, b"afterwards")
    assert capfd.readouterr().err == "afterwards"


def test_quiet_gives_back_what_explains_an_error(capfd):
    with pytest.raises(RuntimeError), quiet():
        os.write(2, b"the reason")
        raise RuntimeError
    assert capfd.readouterr().err == "the reason"
