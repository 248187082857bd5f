"""The path layer: on a disk it is pathlib, on a store it does the same by tf.io.gfile; tried in TensorFlow's memory."""

import errno
import hashlib
import io
import os
import pathlib
import pickle
import subprocess
import sys

import numpy as np
import pytest

from odtf import atomic_files, digests, files, paths, sealed, workdir_lock
from odtf.errors import UserError
from odtf.store_path import StorePath
from tests.conftest import folder_on_store


@pytest.fixture(params=["disk", "store"])
def folder(request, tmp_path):
    """An empty folder, on a disk and on a store; what is true of one is true of the other."""
    if request.param == "disk":
        yield paths.at(str(tmp_path))
        return
    with folder_on_store("test_paths/folder") as place:
        yield place


@pytest.fixture
def store():
    """An empty folder on a store."""
    with folder_on_store("test_paths/store") as place:
        yield place


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# Paths themselves ---------------------------------------------------------------------------------------------------


def test_only_a_url_is_a_path_of_a_store():
    assert isinstance(paths.at("gs://bucket/a"), StorePath) and isinstance(paths.at("hdfs://host:8020/a"), StorePath)
    for text in ("a/b", "/a", "C://a", "folder:x", "a//b", "digits:data=gs://b/c", pathlib.Path("a")):
        assert type(paths.at(text)) is type(pathlib.Path()) and str(paths.at(text)) == str(pathlib.Path(text))
    assert paths.at("file:///tmp/a") == paths.at("file://localhost/tmp/a") == pathlib.Path("/tmp/a")
    with pytest.raises(UserError, match=r"names its bucket or host: hdfs://BUCKET/folder. Received: hdfs:///user/a"):
        paths.at("hdfs:///user/a")


def test_a_url_stays_one_whatever_is_done_to_it():
    path = paths.at("gs://bucket/run/") / "checkpoints" / "step-1"
    assert str(path) == f"{path}" == "gs://bucket/run/checkpoints/step-1"
    assert [str(each) for each in path.parents] == ["gs://bucket/run/checkpoints", "gs://bucket/run"]
    assert str(path.parents[-1].parent) == "gs://bucket" == str(paths.at("gs://bucket").parent)
    assert str(path.with_name("a.tar.gz")) == "gs://bucket/run/checkpoints/a.tar.gz"
    assert str((path / "a.json").with_suffix(".png")) == f"{path}/a.png"
    assert str(path.relative_to("gs://bucket/run")) == "checkpoints/step-1" == paths.relative(path, "gs://bucket/run")
    assert pickle.loads(pickle.dumps(path)) == path and {path: 1}[paths.at(str(path))] == 1
    assert path.absolute() == path.resolve() == path.expanduser() == path
    with pytest.raises(ValueError, match="is not below"):
        path.relative_to("gs://other")


def test_what_takes_a_path_of_this_machine_refuses_a_store_in_a_line(tmp_path):
    for refusing in (open, os.stat, lambda path: os.path.join(tmp_path, path)):
        with pytest.raises(UserError, match=r"^Here a path must be one of this machine: .*Received: gs://b/c\.$"):
            refusing(paths.at("gs://b/c"))
    with pytest.raises(UserError, match=r"^A config must be on a disk of this machine: .* Received: gs://b/c\.$"):
        paths.local("gs://b/c", "A config")
    assert paths.local("a/b", "A config") == pathlib.Path("a/b")


def test_a_scheme_that_tensorflow_does_not_know_is_one_line():
    message = r"^TensorFlow has no file system for s3://: it has gs://, ram://, .*tensorflow-io.* Received: s3://b/c\.$"
    path = paths.at("s3://b/c")
    for asked in (path.exists, path.read_bytes, path.mkdir, lambda: files.check_directory(path), path.unlink):
        with pytest.raises(UserError, match=message):
            asked()


def test_paths_of_this_machine_need_no_tensorflow():
    code = (
        "import sys; from odtf import paths, files, runs\n"
        "paths.at('a').exists(); paths.at('gs://b/c').parent; files.check_directory('a')\n"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# Files and folders, on both -----------------------------------------------------------------------------------------


def test_contents(folder):
    path = folder / "sub" / "a.txt"
    path.parent.mkdir(parents=True)
    assert not path.exists() and not path.is_file() and path.parent.is_dir() and not path.is_dir()
    assert path.write_bytes(b"one\r\ntwo\n") == 9
    assert path.exists() and path.is_file() and not path.is_dir() and path.stat().st_size == 9
    assert path.read_bytes() == b"one\r\ntwo\n" and path.read_text("utf-8") == "one\ntwo\n"
    (folder / "b.txt").write_text("ä", "utf-8")
    assert (folder / "b.txt").read_bytes() == b"\xc3\xa4"
    assert digests.sha256_of(path) == hashlib.sha256(b"one\r\ntwo\n").hexdigest()
    path.unlink()
    path.unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError):
        path.unlink()


def test_a_file_is_read_with_seek(folder):
    content = np.random.default_rng(0).bytes(3 * 2**20 + 5)
    (folder / "a").write_bytes(content)
    with (folder / "a").open("rb") as file:
        assert file.seek(0, io.SEEK_END) == len(content) == file.tell()
        assert file.read() == b""
        file.seek(-3, io.SEEK_END)
        assert file.read() == content[-3:]
        file.seek(2**20 + 1)
        assert file.read(7) == content[2**20 + 1 : 2**20 + 8] and file.tell() == 2**20 + 8
        file.seek(0)
        assert file.read() == content
    with (folder / "a").open("rb", buffering=0) as file:
        file.seek(10)
        assert file.read(5) == content[10:15]


def test_a_file_is_written_from_front_to_back_and_appended_to(folder):
    arrays = {"a": np.arange(5), "b": np.ones((2, 3), np.float32)}
    with (folder / "a.npz").open("wb") as file:
        np.savez(file, **arrays)
        assert file.tell() > 0
    with (folder / "a.npz").open("rb") as file, np.load(file) as found:
        np.testing.assert_array_equal(found["b"], arrays["b"])
    for text in ("x\n", "y\n"):
        with (folder / "log").open("a", encoding="utf-8") as file:
            file.write(text)
            file.flush()
    assert (folder / "log").read_text("utf-8") == "x\ny\n"


def test_what_is_not_there(folder):
    missing = folder / "missing"
    for failing in (missing.read_bytes, lambda: missing.open("rb"), missing.stat, lambda: list(missing.iterdir())):
        with pytest.raises(FileNotFoundError) as error:
            failing()
        assert error.value.errno == errno.ENOENT and str(error.value.filename) == str(missing)
    assert list(missing.glob("*")) == []


def test_folders(folder):
    for name in ("step-1", "step-2", "other"):
        (folder / name / "deep").mkdir(parents=True)
        (folder / name / "deep" / "f.png").write_bytes(b"1")
    assert names(folder) == ["other", "step-1", "step-2"]
    assert sorted(path.name for path in folder.glob("step-*")) == ["step-1", "step-2"]
    assert len(list(folder.glob("*/deep/*.png"))) == 3 and list(folder.glob("*/*.png")) == []
    assert len([path for path in folder.rglob("*") if path.is_file()]) == 3
    (folder / "other").mkdir(exist_ok=True)
    with pytest.raises(FileExistsError):
        (folder / "other").mkdir()
    with pytest.raises(OSError):
        (folder / "other").rmdir()
    with pytest.raises(NotADirectoryError):
        (folder / "other" / "deep" / "f.png" / "below").mkdir(parents=True)
    paths.remove_folder(folder / "step-1")
    assert names(folder) == ["other", "step-2"]
    with paths.scanned(folder / "other") as found:
        assert [(entry.name, entry.path, entry.is_dir()) for entry in found] == [
            ("deep", str(folder / "other" / "deep"), True)
        ]
    assert [found.st_size for found in paths.stats([folder / "other" / "deep" / "f.png"])] == [1]


def test_copies(folder, tmp_path):
    (folder / "run" / "sub").mkdir(parents=True)
    (folder / "run" / "sub" / "a.bin").write_bytes(b"12")
    paths.copy(folder / "run" / "sub" / "a.bin", folder / "b.bin")
    assert (folder / "b.bin").read_bytes() == b"12"
    with paths.local_copy(folder / "run") as here, open(here / "sub" / "a.bin", "rb") as file:
        assert here.name == "run" and file.read() == b"12"
    with paths.written_locally(folder / "c.bin") as place, open(place, "wb") as file:
        file.write(b"345")
    assert (folder / "c.bin").read_bytes() == b"345"


def test_what_is_mapped_lies_in_the_cache_while_it_is_the_same(store, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for content in (np.arange(3), np.arange(4)):
        with (store / "a.npy").open("wb") as file:
            np.save(file, content)
        np.testing.assert_array_equal(np.load(paths.cached(store / "a.npy"), mmap_mode="r"), content)
        assert len(list((tmp_path / "odtf" / "files").iterdir())) == 1
    assert paths.cached(tmp_path / "a.npy") == tmp_path / "a.npy"


# What is made of them, on both --------------------------------------------------------------------------------------


def test_files_appear_whole(folder, monkeypatch):
    path = folder / "a.json"
    files.write_json(path, {"a": 1})
    sealed.write(folder / "b.json", {"b": 2})
    assert sealed.read(folder / "b.json", {"b": int}, "") == {"b": 2}
    monkeypatch.setattr(files, "synced", fails)
    with pytest.raises(UserError, match=r"Cannot write \S+a\.json: No space left on device\. What was there is unto"):
        files.write_json(path, {"a": 2})
    assert path.read_text() == '{\n  "a": 1\n}\n' and names(folder) == ["a.json", "b.json"]


def fails(file, content):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_files_of_a_result_appear_together_or_not_at_all(folder):
    (folder / "old").write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), atomic_files.AtomicFiles() as atomic:
        atomic.add(folder / "new", {"a": b"1"})
        atomic.add(folder, {"old": b"2"})
        raise ZeroDivisionError
    assert names(folder) == ["old"] and (folder / "old").read_bytes() == b"old"
    with atomic_files.AtomicFiles() as atomic:
        atomic.add(folder / "new", {"a": b"1"})
        with atomic.writing(folder / "new" / "b.keras") as place:
            assert isinstance(place, pathlib.Path) and place.suffix == ".keras"
            place.write_bytes(b"3")
        assert atomic.content(folder / "new" / "b.keras") == b"3"
        atomic.remove(folder / "old")
    assert names(folder) == ["new"] and names(folder / "new") == ["a", "b.keras"]


def test_what_the_dead_left_is_swept(folder):
    left = files.partial(folder / "a").name.replace(f"-{os.getpid()}-", "-999999999-")
    (folder / left).write_bytes(b"1")
    (folder / "kept").write_bytes(b"1")
    files.sweep(folder)
    assert names(folder) == ["kept"]


def test_checks_of_what_is_to_be_written(folder):
    (folder / "file").write_bytes(b"")
    files.check_directory(folder / "new" / "deep")
    files.check_file(folder / "new.json", "json")
    assert files.make_directory(folder / "made" / "deep").is_dir()
    for refused in (files.check_directory, files.make_directory):
        with pytest.raises(UserError, match=r"cannot be written to.*Not a directory"):
            refused(folder / "file" / "below")
    with pytest.raises(UserError, match="--json must name a file, not a directory"):
        files.check_file(folder, "json")


# What a store has not -----------------------------------------------------------------------------------------------


def test_a_warning_takes_the_place_of_the_lock(store):
    lines = []
    with workdir_lock.writing(store / "run", lines.append):
        with workdir_lock.writing(store / "run", lines.append):
            assert names(store / "run") == [".lock-owner.json"]
        workdir_lock.check(store / "run")
        (store / "run" / "a").write_bytes(b"1")
    assert lines == [
        f"note: {store / 'run'} is on a store, which has no locks: that nobody else writes to it is not checked"
    ]
    assert names(store / "run") == ["a"]


def test_who_has_not_said_that_it_ended_is_named(store):
    owner = {"host": "elsewhere", "process": 7, "since": "2026-01-01 00:00:00"}
    files.write_json(store / ".lock-owner.json", owner)
    lines = []
    with workdir_lock.writing(store, lines.append):
        assert "note: process 7 on elsewhere, which began 2026-01-01 00:00:00, has not said" in lines[1]


def test_a_file_of_a_store_is_not_written_in_the_middle(store):
    with pytest.raises(io.UnsupportedOperation):
        (store / "a").open("r+b")
