"""What sources say of their images: the same at every opening, and another wherever an image is another."""

import hashlib
import os
import pathlib

import numpy as np
import pytest

from odtf import data
from odtf.data import records
from odtf.errors import UserError
from tests.data import test_masks, test_picture_pairs, test_unpaired
from tests.data.conftest import prepare_tfds, write_images

APART = test_unpaired.TARGETS


def folder_of_classes(root):
    write_images(root)
    return {"name": f"folder:{root}"}


def masks(root):
    return {"name": f"folder:{test_masks.write(root)}", "targets": test_masks.TARGETS}


def pairs(root):
    return {"name": test_picture_pairs.write(root), "targets": test_picture_pairs.PICTURE}


def joined_pairs(root):
    return {"name": test_picture_pairs.write(root, "{part}/{i}.png"), "targets": test_picture_pairs.PICTURE}


def reversed_pairs(root):
    return {**pairs(root), "name": f"reversed:folder:{root}"}


def no_pairs(root):
    return {"name": test_picture_pairs.write(root), "targets": APART, "normalization": (0.5, 0.5)}


FOLDERS = (folder_of_classes, masks, pairs, joined_pairs, reversed_pairs, no_pairs)


def flat(record, prefix=""):
    for key, value in record.items():
        yield from flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(f"{prefix}{key}", value)]


@pytest.mark.parametrize("make", FOLDERS, ids=lambda make: make.__name__)
def test_files_are_told_by_their_names_and_bytes(make, tmp_path):
    options = make(tmp_path / "data")
    first = dict(flat(data.load(**options).records))
    assert {key.rpartition(".")[2] for key in first} == {"images", "files", "bytes"}
    assert dict(flat(data.load(**options, memory_budget_mb=0).records)) == first
    for path in sorted((tmp_path / "data").rglob("*.png"))[:1]:
        with open(path, "ab") as file:
            file.write(b"more")
    changed = {key for key, value in flat(data.load(**options).records) if value != first[key]}
    assert len(changed) == 1 and changed.pop().endswith(".bytes")
    moved = make(tmp_path / "elsewhere")
    assert dict(flat(data.load(**moved).records)) == first


def test_the_digest_is_that_of_names_below_the_folder_in_their_order(tmp_path):
    for name in ("b", "ä"):
        (tmp_path / name).write_bytes(name.encode())
    record = records.of_files([str(tmp_path / "b"), (tmp_path / "ä", str(tmp_path / "b"))], tmp_path)
    assert record([0]) == {"files": hashlib.sha256(b"b\0").hexdigest(), "bytes": 1}
    assert record([1, 0]) == {"files": hashlib.sha256("ä\0b\0b\0".encode()).hexdigest(), "bytes": 4}
    (tmp_path / "b").unlink()
    with pytest.raises(UserError, match=r"cannot be read.*Received: .*/b \(No such file"):
        record([0])


def test_a_name_that_is_no_text_is_a_name(tmp_path):
    name = os.fsdecode(b"caf\xe9.png")
    (tmp_path / name).write_bytes(b"x")
    record = records.of_files([os.path.join(tmp_path, name)], tmp_path)
    assert record([0])["files"] == hashlib.sha256(b"caf\xe9.png\0").hexdigest()


def test_a_tfds_set_is_told_by_version_and_digest(tiny_tfds, tmp_path):
    record = data.load("tiny", data_dir=tiny_tfds).records
    assert {split["version"] for split in record.values()} == {"1.0.0"}
    assert len({split["rows"] for split in record.values()}) == 3
    assert data.load("tiny", data_dir=prepare_tfds(tmp_path / "again")).records == record
    for folder, options in (("more", {"images": 33}), ("larger", {"shape": (9, 9, 3)})):
        other = data.load("tiny", data_dir=prepare_tfds(tmp_path / folder, **options)).records
        assert {split["digest"] for split in other.values()}.isdisjoint(split["digest"] for split in record.values())


def test_a_newer_version_is_another_set(tmp_path):
    """Without a version in its name, the newest one that is there is read."""
    folder = pathlib.Path(prepare_tfds(tmp_path)) / "tiny" / "1.0.0"
    record = data.load("tiny", data_dir=tmp_path).records
    newer = folder.rename(folder.with_name("1.1.0"))
    info = newer / "dataset_info.json"
    info.write_text(info.read_text().replace('"1.0.0"', '"1.1.0"'))
    found = data.load("tiny", data_dir=tmp_path).records
    assert {split["version"] for split in found.values()} == {"1.1.0"}
    assert {part: {**split, "version": "1.0.0"} for part, split in found.items()} == record


def test_arrays_are_told_by_their_checksum_and_rows():
    images = np.zeros((40, 4, 4, 3), np.uint8)
    labels = np.arange(40) % 2
    name = data.from_arrays((images, labels))
    record = data.load(name).records
    assert record["train"]["checksum"] == name.rpartition("-")[2]
    assert data.load(name, seed=1).records["train"]["rows"] != record["train"]["rows"]
    assert data.load(name, seed=1).records["test"] == record["test"]


def test_what_cannot_be_decoded_is_in_no_record(tmp_path):
    write_images(tmp_path / "trees")
    (tmp_path / "trees" / "ash" / "04.png").write_bytes(b"no image")
    with pytest.warns(UserWarning, match="1 corrupt images skipped"):
        skipped = data.load(f"folder:{tmp_path / 'trees'}", image_size=(6, 5), skip_corrupt=True).records
    (tmp_path / "trees" / "ash" / "04.png").unlink()
    assert data.load(f"folder:{tmp_path / 'trees'}", image_size=(6, 5)).records == skipped
