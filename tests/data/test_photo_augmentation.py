"""Augmentations of photographs against plain NumPy, and their batches on any number of replicas and after a resume."""

import colorsys
import math

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from odtf import data
from odtf.data import hue, mixing, pixel_tables, rand_augment, random_crop
from odtf.data.augment import Augmentation
from odtf.errors import UserError
from odtf.tasks import Segmentation
from tests.data.conftest import make_dataset

RANDOM = np.random.RandomState(3)
IMAGES = RANDOM.randint(0, 256, (28, 9, 11, 3)).astype(np.uint8)


def bilinear(image, rows, columns):
    """An image at real positions, the border continued."""
    height, width = image.shape[:2]
    low, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    down, right = (rows - low)[:, None, None], (columns - left)[None, :, None]

    def at(row, column):
        return image[np.clip(row, 0, height - 1)][:, np.clip(column, 0, width - 1)].astype(np.float64)

    top = at(low, left) * (1 - right) + at(low, left + 1) * right
    bottom = at(low + 1, left) * (1 - right) + at(low + 1, left + 1) * right
    return top * (1 - down) + bottom * down


@pytest.mark.parametrize("area", [(0.08, 1.0), (0.3, 0.3), (1.0, 1.0)])
def test_random_crops(area):
    draws, ratio = RANDOM.rand(len(IMAGES), random_crop.NUM_DRAWS).astype(np.float32), (3 / 4, 4 / 3)
    where = random_crop.transforms(tf.constant(draws), 9, 11, area, ratio)
    got = random_crop.cropped(tf.constant(IMAGES), where, "bilinear").numpy()
    assert got.dtype == np.uint8 and got.shape == IMAGES.shape
    for image, (u, v, row, column), out in zip(IMAGES, draws.astype(np.float64), got, strict=True):
        size = (area[0] + u * (area[1] - area[0])) * 9 * 11
        shape = math.exp(math.log(ratio[0]) + v * math.log(ratio[1] / ratio[0]))
        high, wide = min(math.sqrt(size / shape), 9), min(math.sqrt(size * shape), 11)
        rows = row * (9 - high) + (np.arange(9) + 0.5) * high / 9 - 0.5
        columns = column * (11 - wide) + (np.arange(11) + 0.5) * wide / 11 - 0.5
        np.testing.assert_allclose(out, bilinear(image, rows, columns), atol=0.52)


def test_a_crop_of_all_is_the_image_and_masks_go_with_it():
    where = random_crop.transforms(tf.fill((28, 4), 0.5), 9, 9, (1.0, 1.0), (1.0, 1.0))
    np.testing.assert_array_equal(
        random_crop.cropped(tf.constant(IMAGES[:, :, :9]), where, "bilinear"), IMAGES[:, :, :9]
    )
    where = random_crop.transforms(tf.constant(RANDOM.rand(28, 4), tf.float32), 9, 11, (0.2, 0.9), (0.5, 2.0))
    masks = random_crop.cropped(tf.constant(IMAGES[..., 0].astype(np.int32)), where, "nearest").numpy()
    assert all(set(mask.flat) <= set(image[..., 0].flat) for mask, image in zip(masks, IMAGES, strict=True))


def test_hues_turn():
    draws = RANDOM.rand(len(IMAGES), 1).astype(np.float32)
    got = hue.turned(tf.constant(IMAGES), tf.constant(draws), 0.3).numpy()

    def turned(pixel, turn):
        h, s, v = colorsys.rgb_to_hsv(*(pixel / 255.0))
        return np.array(colorsys.hsv_to_rgb((h + turn) % 1.0, s, v)) * 255.0

    for image, draw, out in zip(IMAGES, draws[:, 0], got, strict=True):
        want = np.apply_along_axis(turned, -1, image, 0.3 * (2.0 * draw - 1.0))
        np.testing.assert_allclose(out, want, atol=0.51)


def test_tables_are_those_of_pillow():
    images = np.stack([IMAGES[0], IMAGES[1] // 4 + 60, np.full((9, 11, 3), 77, np.uint8), IMAGES[2] // 100 * 100])
    large = np.repeat(np.repeat(images, 8, 1), 7, 2)
    large[0] = np.clip(RANDOM.normal(120, 30, large[0].shape), 0, 255).astype(np.uint8)
    tables = pixel_tables.equalized(tf.constant(large), tf.constant([True, True, True, False])).numpy()
    assert not tables[3].any()
    for image, table in list(zip(large, tables, strict=True))[:3]:
        got = np.stack([table[c][image[..., c]] for c in range(3)], -1)
        np.testing.assert_array_equal(got, ImageOps.equalize(Image.fromarray(image)))
    tables = pixel_tables.autocontrasted(tf.constant(large)).numpy()
    for image, table in zip(large, tables, strict=True):
        got = np.stack([table[c][image[..., c]] for c in range(3)], -1).astype(int)
        # Pillow cuts the fraction off where it is rounded here.
        assert np.abs(got - np.asarray(ImageOps.autocontrast(Image.fromarray(image))).astype(int)).max() <= 1


def rand_oracle(image, name, sign, strength):
    """One operation on one image, in NumPy."""
    share, factor = strength / 30, 1.0 + 0.9 * strength / 30 * sign
    height, width, _ = image.shape
    real = image.astype(np.float64)
    grey = (image.astype(int) @ np.array([299, 587, 114]) + 500) // 1000

    def blend(base):
        return np.clip(np.rint(base + factor * (real - base)), 0, 255)

    def moved(column_of, row_of):
        out = np.zeros_like(image)
        for y in range(height):
            for x in range(width):
                column, row = (math.floor(f(x, y) + 0.5) for f in (column_of, row_of))
                if 0 <= row < height and 0 <= column < width:
                    out[y, x] = image[row, column]
        return out

    v, angle = 0.3 * share * sign, math.radians(30 * share) * sign
    cx, cy, cos, sin = (width - 1) / 2, (height - 1) / 2, math.cos(angle), math.sin(angle)
    right, down = (math.floor(150 / 331 * side * share) * sign for side in (width, height))
    smooth = real.copy()
    window = sum(real[1 + dy : height - 1 + dy, 1 + dx : width - 1 + dx] for dy in (-1, 0, 1) for dx in (-1, 0, 1))
    smooth[1:-1, 1:-1] = np.rint((window + 4 * real[1:-1, 1:-1]) / 13)
    bits = 8 - round(strength / 7.5)
    return {
        "identity": lambda: image,
        "shear_x": lambda: moved(lambda x, y: x + v * y, lambda x, y: y),
        "shear_y": lambda: moved(lambda x, y: x, lambda x, y: y + v * x),
        "translate_x": lambda: moved(lambda x, y: x + right, lambda x, y: y),
        "translate_y": lambda: moved(lambda x, y: x, lambda x, y: y + down),
        "rotate": lambda: moved(
            lambda x, y: cx + cos * (x - cx) + sin * (y - cy), lambda x, y: cy - sin * (x - cx) + cos * (y - cy)
        ),
        "brightness": lambda: blend(0.0),
        "color": lambda: blend(grey[..., None]),
        "contrast": lambda: blend(float((grey.sum() + height * width // 2) // (height * width))),
        "sharpness": lambda: blend(smooth),
        "posterize": lambda: image & ((255 << (8 - bits)) & 255),
        "solarize": lambda: np.where(image < 256 - 256 * share, image, 255 - image),
        "autocontrast": lambda: np.stack([stretched(image[..., c].astype(int)) for c in range(3)], -1),
        "equalize": lambda: np.asarray(ImageOps.equalize(Image.fromarray(image))),
    }[name]()


def stretched(channel):
    low, span = channel.min(), np.ptp(channel)
    return ((channel - low) * 510 + span) // (2 * span) if span else channel


@pytest.mark.parametrize("strength", [9, 23])
def test_each_operation_of_rand_augment(strength):
    count = len(rand_augment.OPERATIONS)
    chosen = np.tile(np.arange(count), 2)
    draws = np.stack([(chosen + 0.5) / count, np.repeat([0.2, 0.8], count)], 1).astype(np.float32)
    got = rand_augment.changed(tf.constant(IMAGES), tf.constant(draws), strength).numpy()
    for image, index, out, sign in zip(IMAGES, chosen, got, np.repeat([-1, 1], count), strict=True):
        name = rand_augment.OPERATIONS[index]
        # A product of single precision may lie on the other side of a half.
        blended = name in ("brightness", "color", "contrast", "sharpness")
        np.testing.assert_allclose(out, rand_oracle(image, name, sign, strength), atol=int(blended), err_msg=name)


def test_operations_follow_each_other():
    draws = tf.constant(RANDOM.rand(28, 4), tf.float32)
    once = rand_augment.changed(tf.constant(IMAGES), draws[:, :2], 9)
    twice = rand_augment.changed(once, draws[:, 2:], 9)
    np.testing.assert_array_equal(rand_augment.changed(tf.constant(IMAGES), draws, 9), twice)
    grey = rand_augment.changed(tf.constant(IMAGES[..., :1]), draws, 9)
    assert grey.shape == (28, 9, 11, 1) and grey.dtype == tf.uint8


def dataset(count=24):
    return make_dataset(count, (9, 11, 3))


# Each draws numbers of its own for every image and step, so that one case may have them all.
IMAGES_ALONE = {"crop_area": (0.2, 1.0), "flip": True, "color": 0.4, "hue": 0.1, "rand_augment": (2, 9), "cutout": 3}
SPECS = {
    "mixup": {"mixup": 0.8},
    "cutmix": {"cutmix": 1.0},
    "all": {**IMAGES_ALONE, "mixup": 0.2, "cutmix": 1.0},
}


@pytest.mark.parametrize(("name", "num_views"), [("mixup", 1), ("cutmix", 2), ("all", 1), ("all", 2)])
def test_one_replica_equals_two_and_a_resume_equals_the_run(name, num_views):
    pipeline = data.TrainPipeline(dataset(), batch_size=8, seed=5, augment=SPECS[name], num_views=num_views)
    for step in (0, 4):
        whole = pipeline.batch(step)
        halves = [pipeline.batch(step, replica, 2) for replica in (0, 1)]
        for one, parts in zip(whole, zip(*halves, strict=True), strict=True):
            np.testing.assert_array_equal(one, np.concatenate(parts))
    run = [batch for batch, _ in zip(pipeline.dataset(), range(5), strict=False)]
    resumed = next(iter(pipeline.dataset(start_step=4)))
    for one, other, again in zip(run[4], resumed, whole, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(one, again)
    assert not np.array_equal(run[0][0], pipeline.batch(3)[0])


def unmixed(step=0, **options):
    images, labels = data.TrainPipeline(dataset(), batch_size=8, seed=5, **options).batch(step)
    return images.numpy(), np.eye(3, dtype=np.float32)[labels.numpy()]


def test_mixup_in_numpy():
    images, labels = unmixed()
    got, mixed = data.TrainPipeline(dataset(), batch_size=8, seed=5, augment={"mixup": 0.8}).batch(0)
    factor = float(mixing.beta(mixing.step_numbers(5, tf.constant(0, tf.int64))[1], 0.8))
    assert 0 < factor < 1
    np.testing.assert_allclose(got, factor * images + (1 - factor) * images[::-1], atol=2e-4)
    np.testing.assert_allclose(mixed, factor * labels + (1 - factor) * labels[::-1], atol=1e-6)
    assert mixed.dtype == tf.float32 and mixed.shape == (8, 3)


def test_cutmix_in_numpy():
    pipeline = data.TrainPipeline(dataset(), batch_size=8, seed=5, augment={"cutmix": 1.0})
    shares = []
    for step in range(6):
        images, labels = unmixed(step)
        got, mixed = pipeline.batch(step)
        numbers, seed = mixing.step_numbers(5, tf.constant(step, tf.int64))
        side = np.sqrt(np.float32(1) - np.float32(mixing.beta(seed, 1.0)))
        box = np.zeros((9, 11), bool)
        spans = []
        for length, place in zip((9, 11), numbers.numpy()[1:], strict=True):
            half, centre = int(side * np.float32(length)), int(place * np.float32(length))
            spans.append(slice(max(centre - half // 2, 0), max(centre - half // 2 + half, 0)))
        box[tuple(spans)] = True
        np.testing.assert_array_equal(got, np.where(box[..., None], images[::-1], images))
        np.testing.assert_allclose(mixed, labels * (1 - box.mean()) + labels[::-1] * box.mean(), atol=1e-6)
        shares.append(box.mean())
    assert len({round(float(share), 3) for share in shares}) > 3


def test_factors_have_their_distribution():
    """The variance of Beta(a, a) is 1 / (4 (2 a + 1)); half of the steps mix one way and half the other."""
    steps = [mixing.step_numbers(7, tf.constant(step, tf.int64)) for step in range(600)]
    for alpha in (0.2, 1.0):
        factors = np.array([float(mixing.beta(seed, alpha)) for _, seed in steps])
        assert abs(factors.mean() - 0.5) < 0.06 and np.all((factors >= 0) & (factors <= 1))
        assert abs(factors.var() * 4 * (2 * alpha + 1) - 1) < 0.15
    assert abs(np.mean([float(numbers[0]) < 0.5 for numbers, _ in steps]) - 0.5) < 0.08


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"crop_area": 0.5}, r"crop_area must be None, or \(least, most\) in \(0, 1\]"),
        ({"crop_area": (0.0, 1.0)}, r"crop_area must be None"),
        ({"crop_area": (0.5, 0.2)}, r"in this order\. Received: crop_area=\(0\.5, 0\.2\)"),
        ({"crop_area": (0.1, 1.0), "pad": 2}, r"crop_area and pad are two ways to crop: .* Received: pad=2"),
        ({"crop_area": (0.1, 1.0), "scale": (0.5, 2.0)}, r"Received: scale=\(0\.5, 2\.0\)"),
        ({"hue": 0.6}, r"hue must be a number in \[0, 0\.5\]"),
        ({"rand_augment": 2}, r"rand_augment must be None, or \(operations, strength\)"),
        ({"rand_augment": (0, 9)}, r"Received: rand_augment=\(0, 9\)"),
        ({"rand_augment": (2, 31)}, r"Received: rand_augment=\(2, 31\)"),
        ({"mixup": -1}, r"mixup must be a number of at least 0"),
        ({"cutmix": True}, r"cutmix must be a number of at least 0"),
    ],
)
def test_what_is_refused(spec, message):
    with pytest.raises(UserError, match=message):
        Augmentation.from_config(spec, (9, 11, 3))


def test_what_does_not_go_with_the_images_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"hue is for images with colours\. Received: hue=0\.1 for 1 channel"):
        Augmentation.from_config({"hue": 0.1}, (9, 11, 1))
    scenes = data.load("digit_scenes", targets=Segmentation.targets)
    for spec, message in (({"rand_augment": (2, 9)}, "moves images alone"), ({"mixup": 0.2}, "that have a class")):
        with pytest.raises(UserError, match=message):
            data.TrainPipeline(scenes, batch_size=8, seed=0, augment=spec)
