"""Data on a store, in TensorFlow's memory, are those that they are on a disk; and the index of a TFRecord set."""

import numpy as np
import pytest

from odtf import data, paths
from odtf.data import record_index
from odtf.errors import UserError
from tests.conftest import folder_on_store
from tests.data.conftest import prepare_tfds, write_images


def put(folder, store):
    """Copies a folder of this machine to a store."""
    for path in folder.rglob("*"):
        if path.is_file():
            target = store / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())


@pytest.fixture
def store(tmp_path, monkeypatch):
    """An empty folder on a store; the cache of this machine is empty too."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with folder_on_store("test_data") as place:
        yield place


def test_a_folder_of_pictures(store, tmp_path):
    write_images(tmp_path / "trees", per_class=6)
    put(tmp_path / "trees", store / "trees")
    loaded = [
        data.load(f"folder:{root / 'trees'}", memory_budget_mb=budget)
        for root in (tmp_path, store)
        for budget in (0, 9)
    ]
    for dataset in loaded[1:]:
        assert dataset.names == loaded[0].names and dataset.records == loaded[0].records
        for part, split in dataset.splits.items():
            np.testing.assert_array_equal(split.images, loaded[0].splits[part].images)
    with pytest.raises(UserError, match=r"cannot be read\. Received: ram://test_data/none \(No such file"):
        data.load(f"folder:{store / 'none'}")


def test_a_set_that_tfds_prepared(store, tmp_path, tiny_tfds):
    put(paths.at(tiny_tfds), store / "tfds")
    one, other = (data.load("tiny", data_dir=str(place), memory_budget_mb=0) for place in (tiny_tfds, store / "tfds"))
    assert one.names == other.names and one.records == other.records
    for part, split in one.splits.items():
        np.testing.assert_array_equal(split.images, other.splits[part].images)
    with pytest.raises(UserError, match="mnist is not prepared there"):
        data.load("mnist", data_dir=str(store / "tfds"))
    with pytest.raises(UserError, match="The data_dir of a download must be on a disk of this machine"):
        data.download("mnist", str(store / "tfds"))


def test_a_set_on_a_store_names_no_code_to_import(store, tiny_tfds):
    put(paths.at(tiny_tfds), store / "tfds")
    (described,) = store.glob("tfds/tiny/1.0.0/features.json")
    own = "tensorflow_datasets.core.features.image_feature.Image"
    assert own in described.read_text()
    described.write_text(described.read_text().replace(own, "evil.features.Image"))
    with pytest.raises(UserError, match=r"code run\. Received: evil\.features\.Image in ram://test_data/tfds/tiny"):
        data.load("tiny", data_dir=str(store / "tfds"))


def test_what_only_a_disk_can_give_is_refused(store, tmp_path):
    prepare_tfds(tmp_path, file_format="array_record")
    put(tmp_path / "tiny", store / "tiny")
    with pytest.raises(
        UserError, match=r"must be in TFRecord files: .* Received: tiny in array_record, ram://test_data"
    ):
        data.load("tiny", data_dir=str(store), memory_budget_mb=0)


# The index ----------------------------------------------------------------------------------------------------------


def write_records(path, contents):
    """Writes a TFRecord file; the checksums, which nobody reads, are zeros."""
    frames = (len(one).to_bytes(8, "little") + bytes(4) + one + bytes(4) for one in contents)
    path.write_bytes(b"".join(frames))


@pytest.fixture(params=["disk", "store"])
def record_files(request, store, tmp_path):
    """Two record files, whose records have 0, 1, 2, ... bytes."""
    folder = store / "set" if request.param == "store" else tmp_path / "set"
    folder.mkdir()
    files = [folder / f"a.tfrecord-0000{number}-of-00002" for number in (0, 1)]
    for number, path in enumerate(files):
        write_records(path, [bytes([number]) * length for length in range(50)])
    return files


@pytest.fixture
def counted(monkeypatch):
    """A list that grows with every look through files."""
    looks, found = [], record_index._found
    monkeypatch.setattr(record_index, "_found", lambda *given: looks.append(1) or found(*given))
    monkeypatch.setattr(record_index, "KEPT_FROM", 50)
    return looks


def test_an_index_is_made_once_and_lies_beside_the_files(record_files, counted):
    for _ in range(3):
        index = record_index.RecordIndex(record_files)
        assert len(index) == 100
        assert [index.read(row) for row in (0, 49, 50, 99)] == [b"", b"\0" * 49, b"", b"\1" * 49]
    assert counted == [1]
    (kept,) = (path for path in record_files[0].parent.iterdir() if path not in record_files)
    assert kept.name.startswith(".odtf-index-") and kept.stat().st_size < 2000
    # Of one file of the two there is another one.
    assert len(record_index.RecordIndex(record_files[:1])) == 50 and counted == [1, 1]


def test_an_index_of_other_files_is_made_anew(record_files, counted):
    record_index.RecordIndex(record_files)
    write_records(record_files[1], [b"other"])
    for _ in range(2):
        index = record_index.RecordIndex(record_files)
        assert len(index) == 51 and index.read(50) == b"other"
    assert len(counted) == 2
    (kept,) = (path for path in record_files[0].parent.iterdir() if path not in record_files)
    for damage in (b"", b"PK damaged", kept.read_bytes()[:200]):
        kept.write_bytes(damage)
        assert len(record_index.RecordIndex(record_files)) == 51
        assert len(kept.read_bytes()) > 200


def test_where_nothing_may_be_written_the_index_is_in_the_cache(record_files, counted, monkeypatch, tmp_path):
    def refuse(path, content):
        if not paths.identity(path).startswith(str(tmp_path / "cache")):
            raise UserError("read-only")
        path.write_bytes(content)

    monkeypatch.setattr(record_index, "write_bytes", refuse)
    for _ in range(2):
        assert len(record_index.RecordIndex(record_files)) == 100
    assert counted == [1]
    assert len(list((tmp_path / "cache" / "odtf" / "indices").iterdir())) == 1


def test_few_records_on_a_disk_leave_nothing_behind(store, tmp_path):
    write_records(tmp_path / "a", [b"1", b"2"])
    assert len(record_index.RecordIndex([tmp_path / "a"])) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]
    write_records(tmp_path / "a", [b"1"])
    (tmp_path / "a").write_bytes((tmp_path / "a").read_bytes()[:-1])
    with pytest.raises(UserError, match="ends inside a record"):
        record_index.RecordIndex([tmp_path / "a"])
    with pytest.raises(UserError, match="cannot be read: prepare it again"):
        record_index.RecordIndex([tmp_path / "none"])
