"""Folders of photos as people have them: names of splits, what systems leave behind, formats, twins, small classes."""

import shutil

import numpy as np
import pytest
from PIL import Image, features

from odtf import data
from odtf.data.decoding import decode
from odtf.errors import UserError
from odtf.tasks import Segmentation
from tests.data.conftest import CLASSES, write_images

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64)


@pytest.mark.parametrize(
    "words", [("train", "valid", "test"), ("Train", "Val", "Test"), ("TRAINING", "Validation", "testing")]
)
def test_splits_are_told_by_their_names(words, tmp_path):
    for word, count in zip(words, (5, 3, 2), strict=True):
        write_images(tmp_path / word, per_class=count)
    (tmp_path / "__MACOSX" / "train").mkdir(parents=True)
    (tmp_path / ".cache").mkdir()
    dataset = data.load(f"folder:{tmp_path}")
    assert dataset.names == CLASSES
    assert {name: len(split) for name, split in dataset.splits.items()} == {"train": 15, "validation": 9, "test": 6}
    assert dataset.notes == (f"passed over in {tmp_path}: 1 __MACOSX, 1 hidden",)


def test_two_folders_for_one_split_are_explained(tmp_path):
    for word in ("train", "val", "validation"):
        write_images(tmp_path / word, per_class=2)
    with pytest.raises(UserError, match=r"has one of val, valid, validation: .* Received: .*/val and .*/validation\.$"):
        data.load(f"folder:{tmp_path}")
    with pytest.raises(UserError, match=r"has one of val, valid, validation"):
        data.load(f"folder:{tmp_path}", targets=Segmentation.targets)


def test_a_folder_beside_the_splits_is_named_and_no_test_set_is_to_be_removed(tmp_path):
    for word in ("train", "test", "drafts"):
        write_images(tmp_path / word, per_class=2)
    with pytest.raises(UserError, match=r"^Beside train/ .* move others out of the folder\. Received: .*/drafts\.$"):
        data.load(f"folder:{tmp_path}")


def test_a_split_without_labels_is_explained(tmp_path):
    for word in ("train", "test"):
        write_images(tmp_path / word, per_class=2)
    for path in (tmp_path / "test").glob("*/*"):
        path.rename(tmp_path / "test" / f"{path.parent.name}{path.name}")
    for folder in [path for path in (tmp_path / "test").iterdir() if path.is_dir()]:
        folder.rmdir()
    message = r"the 6 images there have no labels: move it .* Received: .*/test without 'ash'"
    with pytest.raises(UserError, match=message):
        data.load(f"folder:{tmp_path}")


def test_a_folder_around_the_folder_is_found(tmp_path):
    write_images(tmp_path / "download" / "photos", per_class=2)
    with pytest.raises(UserError, match=r"'folder:.*/download/photos' has them\. Received: .*/download with photos\.$"):
        data.load(f"folder:{tmp_path / 'download'}")


def test_what_is_passed_over_is_counted_by_kind(image_folder):
    for name, suffixes in (("ash", (".txt", ".heic", ".heic", "")), ("birch", (".TIF", ".heic"))):
        for i, suffix in enumerate(suffixes):
            (image_folder / name / f"other{i}{suffix}").write_bytes(HEIC)
    (image_folder / "ash" / "older").mkdir()
    (image_folder / "ash" / ".DS_Store").touch()
    shutil.copy(image_folder / "ash" / "00.png", image_folder / "alone.png")
    (note,) = data.load(f"folder:{image_folder}").notes
    start, kinds = note.split(": ", 1)
    assert start == f"passed over in {image_folder}"
    assert kinds.startswith("3 .heic (HEIC is not read: save them as JPEG), ")
    assert sorted(kinds.split(", ")[1:]) == [
        *("1 .tif (TIFF is not read: save them as PNG)", "1 .txt", "1 folders in folders of classes", "1 hidden"),
        *("1 images beside the folders of classes", "1 without a suffix"),
    ]
    for path in (image_folder / "birch").glob("*.png"):
        path.unlink()
    with pytest.raises(UserError, match=r"A class has no images .* with 1 \.\w+ \(.* is not read: save them as"):
        data.load(f"folder:{image_folder}")


def test_nothing_is_said_of_a_clean_folder(image_folder):
    dataset = data.load(f"folder:{image_folder}")
    assert dataset.notes == () and dataset.remarks() == []


@pytest.mark.parametrize(("form", "suffix"), [("WEBP", "webp"), ("AVIF", "avif"), ("JPEG", "jfif"), ("JPEG", "jpe")])
def test_formats_of_photos(form, suffix, image_folder):
    if form == "AVIF" and not features.check("avif"):
        pytest.skip("Pillow was built without AVIF.")
    smooth = np.full((6, 5, 3), (200, 100, 50), np.uint8)
    path = image_folder / "ash" / f"zz.{suffix}"
    Image.fromarray(smooth).save(path, form)
    dataset = data.load(f"folder:{image_folder}", memory_budget_mb=0)
    store = dataset.splits["train"].store
    assert len(store) == 31
    np.testing.assert_allclose(store.read([10])[0][0], smooth, atol=8)


@pytest.mark.parametrize("form", ["WEBP", "JPEG", "PNG"])
def test_a_format_is_told_by_content(form, image_folder):
    path = image_folder / "ash" / "00.png"
    Image.fromarray(np.full((6, 5, 3), 90, np.uint8)).save(path, form)
    dataset = data.load(f"folder:{image_folder}", memory_budget_mb=0)
    np.testing.assert_allclose(dataset.splits["train"].store.read([0])[0][0], 90, atol=2)


def test_heic_is_said_clearly():
    with pytest.raises(UserError, match=r"IMG_1\.jpg \(by its content it is HEIC, .*: save it as JPEG\)\.$"):
        decode(HEIC, name="IMG_1.jpg")


def test_small_classes_get_a_word(tmp_path):
    write_images(tmp_path, per_class=12)
    for path in sorted((tmp_path / "birch").iterdir())[:8]:
        path.unlink()
    (remark,) = data.load(f"folder:{tmp_path}").remarks()
    assert remark == "classes with fewer than 10 images in all splits together: 'birch' (4)"


@pytest.mark.parametrize("budget", [0, 100])
def test_pictures_in_two_splits_get_a_word(budget, tmp_path):
    write_images(tmp_path / "train", per_class=12, seed=1)
    write_images(tmp_path / "test", per_class=12, seed=2)
    (tmp_path / "test" / "ash" / "00.png").unlink()
    shutil.copy(tmp_path / "train" / "birch" / "03.png", tmp_path / "test" / "ash" / "copy.png")
    shutil.copy(tmp_path / "train" / "birch" / "03.png", tmp_path / "train" / "birch" / "again.png")
    (remark,) = data.load(f"folder:{tmp_path}", memory_budget_mb=budget, validation_fraction=0.01).remarks()
    assert remark.startswith("the same picture stands in two splits, 1 of them: ")
    assert "test/ash/copy.png (test)" in remark and "train/birch/" in remark


def test_files_of_one_size_and_end_are_compared_whole(tmp_path):
    """BMP files of one size whose last 4 KiB are equal, and which differ in one pixel."""
    for part, value in (("train", 0), ("test", 1)):
        for name in ("a", "b"):
            (tmp_path / part / name).mkdir(parents=True)
            for i in range(12):
                pixels = np.zeros((64, 64, 3), np.uint8)
                pixels[0, 0] = value * 24 + i + 12 * (name == "b")
                # The lines of a BMP begin with the last: its end is the top of the picture.
                Image.fromarray(pixels[::-1].copy()).save(tmp_path / part / name / f"{i}.bmp")
    assert data.load(f"folder:{tmp_path}").remarks() == []
