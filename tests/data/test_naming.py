"""Names of classes are such that every file can carry them, before anything is trained."""

import os

import numpy as np
import pytest

from odtf import data
from odtf.data import class_tables, renaming
from odtf.data.naming import cleaned
from odtf.errors import UserError
from tests.data.conftest import write_images

COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


def test_names_are_cleaned():
    assert cleaned((" ash ", "birch\t", DECOMPOSED, "traffic light", 7), "set") == (
        *("ash", "birch", COMPOSED, "traffic light", "7"),
    )
    assert cleaned((), "set") == ()


BAD = [
    (("ash", "a\nb"), r"Received: 'a\\nb' of trees, which is no line of text"),
    (("ash", "a\u2028b"), r"'a\\u2028b' of trees, which is no line of text"),
    (("ash", "\x1b[31m"), "no line of text"),
    (("ash", "   "), r"'   ' of trees, which is blank"),
    (("ash", ""), "blank"),
    (("ash", "caf\udce9"), r"'caf\\udce9' of trees, which is no UTF-8"),
    (("ash", "ash "), r"'ash ' of trees, which is equal to 'ash', but for spaces"),
    ((COMPOSED, DECOMPOSED), "the way accents are written"),
    (("ash", "birch", "ash"), "'ash' of trees, which is there twice"),
]


@pytest.mark.parametrize(("names", "message"), BAD, ids=[ascii(names) for names, _ in BAD])
def test_names_that_no_file_can_carry(names, message):
    with pytest.raises(UserError, match=message) as caught:
        cleaned(names, "trees")
    assert "\n" not in str(caught.value) and str(caught.value).isascii()


def _arrays(names):
    images = np.random.default_rng(0).integers(0, 256, (12 * len(names), 4, 4, 1), np.uint8)
    return data.from_arrays((images, np.arange(len(images)) % len(names)), names=names)


def test_arrays_have_such_names():
    assert data.load(_arrays([" ash", DECOMPOSED])).names == ("ash", COMPOSED)
    with pytest.raises(UserError, match="blank"):
        data.load(_arrays(["ash", " "]))


@pytest.mark.parametrize(
    ("folder", "message"),
    [(b"caf\xe9", "no UTF-8"), (b"two\nlines", "no line of text"), (b"ash ", "equal to 'ash'"), (b" ", "blank")],
)
def test_folders_have_such_names(folder, message, tmp_path):
    write_images(tmp_path / "photos", classes=("ash", "birch"), per_class=4)
    os.rename(tmp_path / "photos" / "birch", os.path.join(os.fsencode(tmp_path / "photos"), folder))
    with pytest.raises(UserError, match=message) as caught:
        data.load(f"folder:{tmp_path / 'photos'}")
    assert str(caught.value).isascii()


def test_a_folder_of_a_decomposed_name_is_read(tmp_path):
    dataset = data.load(f"folder:{write_images(tmp_path, classes=('ash', DECOMPOSED), per_class=4)}")
    assert dataset.names == ("ash", COMPOSED) and len(dataset.splits["train"]) > 0


def test_labels_of_a_file_are_cleaned(tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_bytes(f"\ufeffash\r\n {DECOMPOSED} \n".encode())
    assert renaming.read_names(labels) == ["ash", COMPOSED]
    labels.write_text("ash\nash\n", "utf-8")
    with pytest.raises(UserError, match="there twice"):
        renaming.read_names(labels)
    with pytest.raises(UserError, match="no UTF-8"):
        renaming.read_names(["ash", "\udce9"])


def test_a_table_of_masks_may_begin_with_a_mark(tmp_path):
    (tmp_path / "classes.txt").write_bytes("\ufeffsky\nroad\n".encode())
    assert tuple(class_tables.from_file(tmp_path / "classes.txt").names) == ("sky", "road")


def test_domains_are_compared_by_cleaned_names():
    own = data.load(_arrays(["ash", COMPOSED]))
    domain = data.load_domain(own, _arrays(["ash ", DECOMPOSED]))
    assert domain.labels and len(domain.split)
