"""Small data sets: in memory, as folders of images, and prepared by TFDS."""

import numpy as np
import pytest
from PIL import Image

from odtf import data
from odtf.data.stores import MemoryStore

CLASSES = ("ash", "birch", "cedar")


def make_dataset(count=40, shape=(6, 5, 3), mean=None, std=None):
    """A data set in memory; the first pixel of image i is (i, i, i), so that batches tell which images they hold."""
    images = np.random.RandomState(0).randint(0, 256, (count, *shape)).astype(np.uint8)
    images[:, 0, 0, :] = np.arange(count)[:, np.newaxis]
    train = data.Split(MemoryStore(images, {"label": np.arange(count) % 3}))
    channels = shape[2]
    return data.ImageDataset(
        "made", CLASSES, shape, mean or (0.0,) * channels, std or (1.0 / 255.0,) * channels, {"train": train}
    )


def image_ids(images):
    """Which images a batch of `make_dataset` (not augmented, its default constants) holds."""
    return np.rint(np.asarray(images)[:, 0, 0, 0]).astype(int)


def write_images(root, per_class=10, size=(6, 5), classes=CLASSES, seed=0):
    """Fills `root/<class>/<number>.png`."""
    random = np.random.RandomState(seed)
    for name in classes:
        (root / name).mkdir(parents=True)
        for i in range(per_class):
            pixels = random.randint(0, 256, (*size, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i:02d}.png")
    return root


@pytest.fixture
def image_folder(tmp_path):
    return write_images(tmp_path / "trees")


def prepare_tfds(
    data_dir,
    name="tiny",
    *,
    images=30,
    shape=(6, 5, 3),
    file_format="tfrecord",
    features=None,
    label=lambda i: i % 3,
    **splits,
):
    """Has TFDS write a small set in three files; image i is of one colour, (i, i, i), and of class i modulo 3."""
    import tensorflow_datasets as tfds

    features = features or {
        "image": tfds.features.Image(shape=shape),
        "label": tfds.features.ClassLabel(names=list(CLASSES)),
    }

    def examples(count):
        for i in range(count):
            example = {}
            for key, feature in features.items():
                if isinstance(feature, tfds.features.Image):
                    sides = [side or 4 + i % 2 for side in feature.shape]
                    example[key] = np.full(sides, i, feature.np_dtype)
                else:
                    example[key] = label(i)
            yield i, example

    class Tiny(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            keys = ("image", "label") if {"image", "label"} <= set(features) else None
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features), supervised_keys=keys
            )

        def _split_generators(self, dl_manager):
            return {split: examples(count) for split, count in (splits or {"train": images}).items()}

        def _generate_examples(self):
            raise NotImplementedError

    Tiny.name = name
    config = tfds.download.DownloadConfig(num_shards=3)
    Tiny(data_dir=str(data_dir)).download_and_prepare(file_format=file_format, download_config=config)
    return str(data_dir)


@pytest.fixture(scope="session")
def tiny_tfds(tmp_path_factory):
    return prepare_tfds(tmp_path_factory.mktemp("tfds"))
