"""Images of any shape in one size, and grey ones: in folders, TFDS sets and sources of one's own."""

import numpy as np
import pytest
from PIL import Image

from odtf import data
from odtf.data.framing import framed
from odtf.errors import UserError
from odtf.tasks import Segmentation
from tests.data.conftest import prepare_tfds, write_images

LEFT, MIDDLE, RIGHT = (200, 40, 0), (10, 220, 30), (0, 60, 240)


def wide(height=8, width=16):
    """A quarter, a half and a quarter of its width in one colour each."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:, : width // 4], pixels[:, width // 4 : -width // 4], pixels[:, -width // 4 :] = LEFT, MIDDLE, RIGHT
    return pixels


# What becomes of the middle of each of four columns, in every row that is no padding.
WANTED = {"stretch": (LEFT, MIDDLE, MIDDLE, RIGHT), "crop": (MIDDLE,) * 4, "fit": (LEFT, MIDDLE, MIDDLE, RIGHT)}


# The columns of eight that antialiasing does not mix with a neighbour of another colour.
PURE = [0, 3, 4, 7]


@pytest.mark.parametrize("mode", WANTED)
@pytest.mark.parametrize("turned", [False, True])
def test_each_mode_against_numpy(mode, turned):
    pixels = wide().swapaxes(0, 1) if turned else wide()
    got = np.asarray(framed(Image.fromarray(np.ascontiguousarray(pixels)), (8, 8), mode))
    got = got.swapaxes(0, 1) if turned else got
    rows = range(3, 5) if mode == "fit" else range(8)
    for row in rows:
        np.testing.assert_array_equal(got[row, PURE], WANTED[mode])
    if mode == "crop":
        # What is outside of the part is not even mixed in.
        np.testing.assert_array_equal(got, np.broadcast_to(np.uint8(MIDDLE), (8, 8, 3)))
    if mode == "fit":
        assert not got[:2].any() and not got[-2:].any() and got[2:-2].any(axis=-1).all()


@pytest.mark.parametrize("mode", WANTED)
def test_an_image_of_the_shape_is_what_it_is(mode):
    pixels = wide(8, 8)
    np.testing.assert_array_equal(framed(Image.fromarray(pixels), (8, 8), mode), pixels)


@pytest.mark.parametrize("mode", WANTED)
def test_folders_and_tfds_sets_do_it(mode, tmp_path):
    write_images(tmp_path / "photos", per_class=4, size=(6, 12))
    dataset = data.load(f"folder:{tmp_path / 'photos'}", image_size=8, resize=mode, memory_budget_mb=0)
    first = tmp_path / "photos" / "ash" / "00.png"
    want = np.asarray(framed(Image.open(first), (8, 8), mode))
    np.testing.assert_array_equal(dataset.splits["train"].store.read([0])[0][0], want)
    assert dataset.info.resize == mode == dataset.resize
    assert (f"({mode})" in dataset.describe()) == (mode != "stretch")
    if mode == "fit":
        prepared = data.load("tiny", data_dir=prepare_tfds(tmp_path, shape=(4, 8, 3)), image_size=4, resize=mode)
        images = prepared.splits["train"].images
        assert not images[:, [0, 3]].any() and images[:, 1:3].reshape(len(images), -1).min(1).max() > 0


def test_grey_images_are_those_of_pillow(image_folder, tiny_tfds):
    dataset = data.load(f"folder:{image_folder}", channels=1, memory_budget_mb=0)
    assert dataset.image_shape == (6, 5, 1) and len(dataset.mean) == 1
    got = dataset.splits["train"].store.read([0])[0][0, ..., 0]
    np.testing.assert_array_equal(got, Image.open(image_folder / "ash" / "00.png").convert("L"))
    assert data.load("tiny", data_dir=tiny_tfds, channels=1).image_shape == (6, 5, 1)
    domain = data.load_domain(dataset, f"folder:{image_folder}", labels=True)
    assert domain.split.store.image_shape == (6, 5, 1)


def test_a_source_of_ones_own_may_take_them():
    def photos(image_size, resize="stretch", channels=3):
        said.append((resize, channels))
        images = np.zeros((12, *image_size, channels), np.uint8)
        return ("a", "b"), {"train": (images, np.arange(12) % 2)}

    def other(image_size):
        return photos(image_size)

    said = []
    assert data.load(photos, image_size=(4, 4), resize="fit", channels=1).image_shape == (4, 4, 1)
    assert data.load(photos, image_size=(4, 4)).image_shape == (4, 4, 3)
    assert said == [("fit", 1), ("stretch", 3)]
    with pytest.raises(UserError, match=r"resize is for folders of classes, .*leave it out. Received: resize='crop' f"):
        data.load(other, image_size=(4, 4), resize="crop")
    assert data.load(lambda: "digits").image_shape == (8, 8, 1)
    with pytest.raises(UserError, match=r"leave it out. Received: channels=3 for digits\.$"):
        data.load(lambda: "digits", channels=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resize": "pad"}, r"resize must be one of stretch, fit, crop\. Received: resize='pad'\.$"),
        ({"resize": "fit"}, r"leave it out\. Received: resize='fit' for digits\.$"),
        ({"channels": 1}, r"leave it out\. Received: channels=1 for digits\.$"),
        ({"channels": 2}, r"channels must be 1, 3 or None, .* Received: channels=2\.$"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(UserError, match=message):
        data.load("digits", **options)


def test_masks_are_stretched(tmp_path):
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    with pytest.raises(UserError, match=r"Received: resize='fit' for a folder of mask\.$"):
        data.load(f"folder:{tmp_path}", image_size=8, resize="fit", targets=Segmentation.targets)
