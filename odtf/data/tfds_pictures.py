"""Pictures of TFDS sets without pairs: CycleGAN's, whose splits are trainA, trainB, testA and testB."""

import numpy as np

from odtf.data.dataset import Split
from odtf.data.decoding import decode
from odtf.data.picture_pairs import channels_of
from odtf.data.stores import FileStore
from odtf.data.tfds_records import example_reader, record_of
from odtf.data.unpaired import Unpaired
from odtf.errors import UserError

_PARTS = {"train": ("trainA", "trainB"), "test": ("testA", "testB")}


def open_pictures(builder, size, target, targets):
    """Opens the splits of a set. A is the image and B the picture; sizes are reached bicubically.

    Args:
        builder: read-only TFDS builder.
        size: (height, width) to resize to; None where all images have one size.
        target: `Target` of the picture.
        targets: mapping from a name to `Target`, all of them.

    Returns:
        (), splits by name.

    Raises:
        UserError: if a task wants pairs, the set has no such splits, or its images differ in size and `size` is None.
    """
    from tensorflow_datasets import features as kinds

    name, features, splits = builder.info.name, builder.info.features, builder.info.splits
    if not target.apart:
        raise UserError(f"A TFDS set of pictures has no pairs: paired=False would be right. Received: {name}.")
    images = [key for key, feature in features.items() if type(feature) is kinds.Image]
    labels = [key for key, feature in features.items() if type(feature) is kinds.ClassLabel]
    missing = [split for pair in _PARTS.values() for split in pair if split not in splits]
    if len(images) != 1 or len(labels) != 1 or missing:
        raise UserError(
            "A TFDS set of pictures has one image and its label, in the splits trainA, trainB, testA and testB. "
            f"Received: {name} with {', '.join(sorted(features))} in {', '.join(sorted(splits))}."
        )
    size = size or features[images[0]].shape[:2]
    if None in size:
        raise UserError(f"Images of {name} differ in size: give image_size. Received: image_size=None.")
    if np.dtype(features[images[0]].np_dtype) != np.uint8:
        raise UserError(f"{name} must hold 8-bit images. Received: {np.dtype(features[images[0]].np_dtype)}.")

    def opened(split, channels):
        example = example_reader(builder, split, images[0], labels[0])

        def read_one(row):
            return decode(example(row)[0], size, channels, f"{name}, {split} example {row}", "bicubic"), {}

        count, record = splits[split].num_examples, record_of(builder, split)
        return Split(FileStore(count, (*size, channels), read_one, {}, record=record))

    channels = 3, channels_of(target)
    return (), {part: Unpaired(*map(opened, pair, channels), targets) for part, pair in _PARTS.items()}
