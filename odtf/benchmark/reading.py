"""How fast photos are read for training: random-resized crops of JPEGs, by odtf's pipeline and by tf.data alone."""

import functools
import pathlib
import tempfile

import numpy as np
import tensorflow as tf

from odtf import data
from odtf.benchmark.timing import Comparison, interleave
from odtf.data import random_crop

# Files of ImageNet's usual size; of so many there is enough to choose from, and they stay in the system's cache.
_HEIGHT, _WIDTH, _FILES = 375, 500, 256
_SIZE = (224, 224)
_AREA, _RATIO = (0.08, 1.0), (3 / 4, 4 / 3)
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Many more than either pipeline reads ahead.
_BATCHES = 16


def reading(setup, files=_FILES, size=_SIZE):
    """Batches of random-resized crops and flips of streamed JPEG files, normalised.

    Both decode the part that is wanted of a file and no more. tf.data's own pipeline draws its numbers as it goes, so
    that no batch can be made again; odtf's is a pure function of seed and step.

    Args:
        setup: `odtf.benchmark.setup.Setup`.
        files: how many files there are.
        size: (height, width) of the images.
    """
    batch = min(setup.batch_size, files)
    with tempfile.TemporaryDirectory() as folder:
        paths = _write(pathlib.Path(folder), files)
        name = f"folder:{folder}"
        dataset = data.load(name, image_size=size, memory_budget_mb=0, mean=_MEAN, std=_STD)
        augment = {"crop_area": _AREA, "crop_ratio": _RATIO, "flip": True}
        batch = min(batch, len(dataset.splits["train"]))
        sources = {
            "odtf": data.TrainPipeline(dataset, batch_size=batch, seed=0, augment=augment).dataset(),
            "plain": _plain(paths, batch, size),
        }
        runs = {name: functools.partial(_take, source) for name, source in sources.items()}
        times = interleave(runs, setup.repeats, warmup=2)
    per_batch = {name: [value / _BATCHES for value in values] for name, values in times.items()}
    case = f"{batch} JPEGs of {_WIDTH}x{_HEIGHT} to {size[1]}x{size[0]}"
    plain = "tf.data with decode_and_crop_jpeg"
    return [Comparison(case, "odtf's pipeline", per_batch["odtf"], plain, per_batch["plain"], at_most=1.0)]


def _write(folder, count):
    """Writes photos of two classes, smooth with some noise, as large as real ones of their size, and returns paths."""
    from PIL import Image

    random, paths = np.random.default_rng(0), []
    for number in range(count):
        place = folder / str(number % 2)
        place.mkdir(exist_ok=True)
        coarse = Image.fromarray(random.integers(0, 256, (24, 32, 3), np.uint8))
        pixels = np.asarray(coarse.resize((_WIDTH, _HEIGHT), Image.Resampling.BICUBIC), np.float32)
        pixels += random.normal(scale=8.0, size=pixels.shape)
        paths.append(str(place / f"{number}.jpg"))
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(paths[-1], quality=90)
    return paths


def _plain(paths, batch, size):
    """The same in tf.data, as tutorials have it."""
    scale = 255.0 * tf.constant(_STD)
    mean = 255.0 * tf.constant(_MEAN)

    def image(path):
        content = tf.io.read_file(path)
        shape = tf.image.extract_jpeg_shape(content)
        numbers = tf.random.uniform((random_crop.NUM_DRAWS,))
        high, wide = tf.cast(shape[0], tf.float32), tf.cast(shape[1], tf.float32)
        share = _AREA[0] + numbers[0] * (_AREA[1] - _AREA[0])
        low, top = np.log(_RATIO[0]), np.log(_RATIO[1])
        ratio = tf.exp(low + numbers[1] * (top - low))
        height = tf.minimum(tf.sqrt(share * high * wide / ratio), high)
        width = tf.minimum(tf.sqrt(share * high * wide * ratio), wide)
        place = tf.stack([numbers[2] * (high - height), numbers[3] * (wide - width), height, width])
        part = tf.image.decode_and_crop_jpeg(content, tf.cast(place, tf.int32), channels=3)
        part = tf.image.random_flip_left_right(tf.image.resize(part, size))
        return (part - mean) / scale

    paths = tf.data.Dataset.from_tensor_slices(paths).shuffle(len(paths)).repeat()
    images = paths.map(image, num_parallel_calls=tf.data.AUTOTUNE)
    return images.batch(batch, drop_remainder=True).prefetch(tf.data.AUTOTUNE)


def _take(source):
    """Reads from a pipeline that begins now, so that none has read ahead while the other one was timed."""
    iterator = iter(source)
    for _ in range(_BATCHES):
        next(iterator)
