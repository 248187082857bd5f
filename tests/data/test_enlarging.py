"""The random part of enlarged images, against Pillow."""

import numpy as np
import pytest
from PIL import Image

from odtf.data.augment import NUM_DRAWS, Augmentation
from odtf.data.enlarging import random_part
from odtf.errors import UserError


def test_it_is_a_part_of_what_pillow_enlarges():
    random = np.random.RandomState(0)
    # Pillow rounds, and clips, after the rows and again after the columns.
    images = random.randint(60, 196, (6, 12, 10, 3)).astype(np.uint8)
    draws = random.rand(6, NUM_DRAWS).astype(np.float32)
    draws[0], draws[1] = 0.0, np.nextafter(np.float32(1), np.float32(0))
    got = random_part(images_tensor(images), draws, (15, 14), "bicubic").numpy()
    for part, image, (row, column) in zip(got, images, draws[:, :2], strict=True):
        large = np.asarray(Image.fromarray(image).resize((14, 15), Image.Resampling.BICUBIC), np.int32)
        top, left = int(row * 4), int(column * 5)
        assert np.abs(part - large[top : top + 12, left : left + 10]).max() <= 1


def test_masks_hold_the_values_that_they_had():
    masks = np.random.RandomState(0).randint(0, 5, (3, 8, 8)).astype(np.int32) * 1000
    got = random_part(images_tensor(masks), np.full((3, 2), 0.5, np.float32), (10, 10), "nearest").numpy()
    assert got.dtype == np.int32 and set(np.unique(got)) <= set(np.unique(masks))


def images_tensor(values):
    import tensorflow as tf

    return tf.constant(values)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"load_size": 7}, r"must not be smaller than the images.*load_size=7 for \(8, 8\)"),
        ({"load_size": 9, "pad": 2}, "two ways to crop.*pad=2"),
        ({"load_size": (9, 9, 9)}, r"one integer, or height and width.*\(9, 9, 9\)"),
        ({"load_size": "large"}, "an integer of at least 1.*'large'"),
    ],
)
def test_what_is_refused(config, message):
    with pytest.raises(UserError, match=message):
        Augmentation.from_config(config, (8, 8, 3))
