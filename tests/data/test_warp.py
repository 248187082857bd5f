"""Scale, rotation and colour against plain NumPy; image and mask alike; a pure function of seed and step."""

import numpy as np
import pytest
import tensorflow as tf

from odtf import data
from odtf.data import warp

VOID = 255
MASK = data.Target(None, "uint8", "nearest", VOID)
CONFIG = {"scale": (0.5, 2.0), "rotate": 20.0}


def made(targets, count=24, height=12, width=10):
    """Images of areas of one colour, whose mask follows from their first channel."""
    pixels = np.random.RandomState(0).randint(1, 5, (count, 3, 2, 3)).astype(np.uint8) * 40
    pixels = pixels.repeat(height // 3, axis=1).repeat(width // 2, axis=2)
    return data.MemoryStore(pixels, {"mask": pixels[..., 0] // 40}, {"mask": MASK})


@pytest.fixture(scope="module")
def dataset():
    split = data.Split(made(None))
    return data.ImageDataset("made", (), (12, 10, 3), (0,) * 3, (1 / 255,) * 3, {"train": split})


def place(numbers, height, width, scale, rotate):
    """Where the pixels of the result come from: rows and columns, float64, by complex numbers."""
    factor = scale[0] * (scale[1] / scale[0]) ** numbers[0]
    turn = np.exp(1j * np.radians(rotate * (2 * numbers[1] - 1)))
    spare = abs(factor - 1) / 2
    middle = (width - 1) / 2 + 1j * (height - 1) / 2
    move = (2 * numbers[3] - 1) * spare * width + 1j * (2 * numbers[2] - 1) * spare * height
    rows, columns = np.mgrid[:height, :width]
    # Forth: grow and turn about the middle, then move. This is the way back.
    back = (columns + 1j * rows - middle - move) / factor / turn + middle
    return back.imag, back.real


def looked_up(image, rows, columns, fill):
    """Bilinear, pixel by pixel; what lies outside has the value `fill`."""
    padded = np.pad(image.astype(float), ((1, 1), (1, 1), (0, 0)), constant_values=fill)
    out = np.empty((*rows.shape, image.shape[-1]))
    for i in np.ndindex(rows.shape):
        y, x = rows[i] + 1, columns[i] + 1
        if not (0 <= y < padded.shape[0] - 1 and 0 <= x < padded.shape[1] - 1):
            out[i] = fill
            continue
        a, b = int(y), int(x)
        p, q = y - a, x - b
        out[i] = (1 - p) * ((1 - q) * padded[a, b] + q * padded[a, b + 1]) + p * (
            (1 - q) * padded[a + 1, b] + q * padded[a + 1, b + 1]
        )
    return out


def test_both_against_numpy():
    random = np.random.RandomState(1)
    images = random.randint(0, 256, (20, 9, 7, 3)).astype(np.uint8)
    masks = random.randint(0, 20, (20, 9, 7)).astype(np.int32)
    numbers = random.rand(20, warp.NUM_DRAWS).astype(np.float32)
    where = warp.transforms(numbers, 9, 7, (0.6, 1.8), 25.0)
    moved = warp.warped(images, where, 0, "bilinear").numpy()
    classes = warp.warped(masks, where, -1, "nearest").numpy()
    assert moved.dtype == np.uint8 and classes.dtype == np.int32
    outside = 0
    for image, mask, draw, got, kept in zip(images, masks, numbers, moved, classes, strict=True):
        rows, columns = place(draw.astype(float), 9, 7, (0.6, 1.8), 25.0)
        np.testing.assert_allclose(got, looked_up(image, rows, columns, 0), atol=0.51)
        y, x = np.rint(rows).astype(int), np.rint(columns).astype(int)
        inside = (y >= 0) & (y < 9) & (x >= 0) & (x < 7)
        want = np.where(inside, mask[y.clip(0, 8), x.clip(0, 6)], -1)
        # Halfway between two pixels either may be the nearest.
        clear = (abs(rows % 1 - 0.5) > 1e-3) & (abs(columns % 1 - 0.5) > 1e-3)
        np.testing.assert_array_equal(kept[clear], want[clear])
        outside += (~inside).sum()
    assert outside > 100


def test_nothing_moves_where_nothing_is_asked_for():
    images = np.random.RandomState(2).randint(0, 256, (4, 9, 7, 3)).astype(np.uint8)
    numbers = np.random.RandomState(3).rand(4, warp.NUM_DRAWS).astype(np.float32)
    where = warp.transforms(numbers, 9, 7, (1.0, 1.0), 0.0)
    for how in ("nearest", "bilinear"):
        np.testing.assert_array_equal(warp.warped(images, where, 9, how), images)
    np.testing.assert_array_equal(warp.coloured(images, numbers, 0.0), images)


def test_a_larger_image_is_seen_in_part_and_a_smaller_one_lies_inside():
    values = np.ones((200, 16, 16), np.uint8)
    numbers = np.random.RandomState(4).rand(200, warp.NUM_DRAWS).astype(np.float32)
    larger = warp.warped(values, warp.transforms(numbers, 16, 16, (2.0, 2.0), 0.0), VOID, "nearest").numpy()
    assert (larger == 1).all()
    smaller = warp.warped(values, warp.transforms(numbers, 16, 16, (0.5, 0.5), 0.0), VOID, "nearest").numpy()
    assert abs((smaller == 1).sum(axis=(1, 2)) - 64).max() <= 17
    assert (smaller[:, 0] == 1).any() and (smaller[:, -1] == 1).any() and (smaller[:, :, 0] == 1).any()


def test_colours_change_as_the_formula_says():
    images = np.random.RandomState(5).randint(60, 160, (6, 5, 4, 3)).astype(np.uint8)
    numbers = np.random.RandomState(6).rand(6, warp.NUM_DRAWS).astype(np.float32)
    got = warp.coloured(images, numbers, 0.3).numpy()
    for image, draw, changed in zip(images.astype(float), numbers, got, strict=True):
        brightness, contrast, saturation = 1 + 0.3 * (2 * draw[4:7].astype(float) - 1)
        want = image * brightness
        want = (want - want.mean()) * contrast + want.mean()
        grey = want.mean(-1, keepdims=True)
        np.testing.assert_allclose(changed, ((want - grey) * saturation + grey).clip(0, 255), atol=0.52)


@pytest.mark.parametrize("num_views", [1, 2])
def test_image_and_mask_move_alike(dataset, num_views):
    config = {"scale": (0.7, 3.0), "rotate": 30.0, "flip": True, "pad": 2}
    pipeline = data.TrainPipeline(dataset, batch_size=24, seed=0, augment=config, num_views=num_views)
    images, mask = (x.numpy() for x in pipeline.batch(1))
    assert mask.shape == images.shape[:-1]
    inside = mask != VOID
    assert inside.mean() > 0.4 and (~inside).mean() > 0.05
    # Far enough from the edge of an area every channel has the value of one.
    pure = np.all(np.isclose(images % 40, 0, atol=1e-3) & (images > 1), axis=-1)
    assert pure.mean() > 0.2
    assert np.mean(np.rint(images[..., 0] / 40)[pure] == mask[pure]) > 0.99


def test_colour_leaves_masks_alone_and_nothing_else_changes(dataset):
    plain, changed = (
        data.TrainPipeline(dataset, batch_size=8, seed=0, augment={"pad": 2, "flip": True, **more}).batch(3)
        for more in ({}, {"color": 0.4})
    )
    np.testing.assert_array_equal(plain[1], changed[1])
    assert np.abs(plain[0] - changed[0]).max() > 5


@pytest.mark.parametrize("num_views", [1, 2])
def test_a_step_is_the_same_again_and_on_two_replicas(dataset, num_views):
    config = {**CONFIG, "color": 0.3, "flip": True, "pad": 1}
    pipelines = [
        data.TrainPipeline(dataset, batch_size=8, seed=3, augment=config, num_views=num_views) for _ in range(2)
    ]
    for step in (0, 4):
        images, masks = pipelines[0].batch(step)
        shards = [pipelines[1].batch(step, replica, 2) for replica in range(2)]
        np.testing.assert_array_equal(np.concatenate([shard[0] for shard in shards]), images)
        np.testing.assert_array_equal(np.concatenate([shard[1] for shard in shards]), masks)
    later = next(iter(pipelines[1].dataset(4)))
    np.testing.assert_array_equal(later[1], masks)
    assert not np.array_equal(pipelines[0].batch(5)[1], masks)
    other = data.TrainPipeline(dataset, batch_size=8, seed=4, augment=config, num_views=num_views)
    assert not np.array_equal(other.batch(4)[1], masks)


def test_lists_of_a_config_file_do_as_well(dataset):
    tuples, lists = (
        data.TrainPipeline(dataset, batch_size=8, seed=0, augment={"scale": scale}).batch(0)
        for scale in ((0.5, 2.0), [0.5, 2.0])
    )
    np.testing.assert_array_equal(tuples[0], lists[0])
    assert tf.reduce_any(tuples[1] == VOID)
