"""Sets of images, with a class, mask or picture each, that TensorFlow Datasets has prepared in a folder; read offline.

The folder is found by looking, not by asking TFDS, which may import the set's own code and reach for the network. That
is done where a download is asked for.
"""

import os
import re
import sys

import numpy as np

from odtf import names as names_lib
from odtf import paths
from odtf.data import sources, tfds_folder, tfds_masks, tfds_pictures
from odtf.data.dataset import Split
from odtf.data.decoding import decode
from odtf.data.framing import STRETCH
from odtf.data.masks import mask_of
from odtf.data.picture_pairs import picture_of
from odtf.data.samples import LABEL, check
from odtf.data.stores import FileStore
from odtf.data.tfds_features import check_features
from odtf.data.tfds_records import example_reader, record_of
from odtf.errors import UserError

FORM = "a TFDS name such as 'cifar10' or 'svhn_cropped:3.1.0'"

_NAME = re.compile(r"(?P<name>\w+)(/(?P<config>[\w.\-]+))?(:(?P<version>\d+\.\d+\.\d+))?")


def open_source(argument, *, data_dir, image_size, targets, resize=STRETCH, channels=None):
    """Opens a prepared set.

    Args:
        argument: `name`, `name/config` or either with `:version`; without a version the newest one there is read.
        data_dir: folder given to TFDS when it prepared the set; None for TFDS_DATA_DIR or ~/tensorflow_datasets.
        image_size: (height, width) to resize to; needed where the set's images differ in size.
        targets: an integer "label", a mask, or a picture.
        resize: one of `odtf.data.framing.MODES`; for sets with labels.
        channels: 1 or 3; None for as many as the set has. Likewise.

    Returns:
        Names of the classes, splits by name: "train", "test" and "validation" as far as the set has them. A set with a
        labelled validation split and no test split, as ImageNet, is tested on its validation split.

    Raises:
        UserError: if other targets are wanted, or the set is not there, or is not one of images with one label each.
    """
    mask, picture = mask_of(targets), picture_of(targets)
    if mask is None and picture is None:
        check(argument, LABEL, targets)
    else:
        sources.further(tfds_masks.open_masks, f"{argument} with {', '.join(targets)}", resize, channels)
    folder = _find(argument, data_dir)
    check_features(folder)
    try:
        builder = tfds_folder.open_builder(folder)
        features, splits = builder.info.features, builder.info.splits
    except Exception as error:  # Whatever a damaged dataset_info.json or features.json makes TFDS raise.
        reason = str(error).split("\n")[0]
        raise UserError(
            f"The TFDS set cannot be opened: prepare it again. Received: {folder} ({type(error).__name__}: {reason})."
        ) from error
    if picture is not None:
        return tfds_pictures.open_pictures(builder, image_size, picture[1], targets)
    image_key, label_key = _keys(argument, builder.info) if mask is None else tfds_masks.keys(argument, features)
    shape = _image_shape(argument, features[image_key], image_size, channels)
    if "train" not in splits:
        raise UserError(
            f"{argument} has no split 'train' to learn from. Received: splits {', '.join(splits) or 'none'}."
        )
    wanted = {"train": "train", "test": "test", "validation": "validation"}
    if "test" not in splits:
        wanted = {"train": "train", "test": "validation"}
    wanted = {ours: theirs for ours, theirs in wanted.items() if theirs in splits and splits[theirs].num_examples}
    if mask is not None:
        return tfds_masks.open_masks(builder, wanted, (image_key, label_key), shape, *mask)
    names = tuple(features[label_key].names)
    return names, {
        ours: Split(_store(builder, theirs, image_key, label_key, shape, len(names), targets, resize))
        for ours, theirs in wanted.items()
    }


def download(argument, data_dir):
    """Has TFDS download and prepare a set, unless it is there.

    Args:
        argument: as for `open_source`.
        data_dir: likewise.

    Raises:
        UserError: if TFDS has no such set, or cannot prepare it.
    """
    if _look(argument, data_dir):
        return
    paths.local(_root(data_dir), "The data_dir of a download")
    import tensorflow_datasets as tfds

    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    try:
        tfds.builder(argument, data_dir=str(_root(data_dir)), try_gcs=False).download_and_prepare()
    except Exception as error:  # Whatever the network, the disk and the set's own code make TFDS raise.
        reason = str(error).strip().split("\n")[0]
        raise UserError(
            f"TFDS could not prepare {argument!r} in {_root(data_dir)}; what it has prepared before is untouched. "
            f"Received: {type(error).__name__}: {reason}"
        ) from error


def _root(data_dir):
    return paths.at(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def _find(name, data_dir):
    """The folder `data_dir/name[/config]/version` of a prepared set."""
    if versions := _look(name, data_dir):
        return versions[-1]
    root, whole = _root(data_dir), name.partition(":")[0]
    if whole != name and (versions := _look(whole, data_dir)):
        raise UserError(
            f"{name} is not prepared there, but other versions are: name one of "
            f"{', '.join(f'{whole}:{folder.name}' for folder in versions)}. Received: data_dir={str(root)!r}."
        )
    prepared = [child.name for child in _children(root) if child.name != "downloads"]
    there = ", ".join(prepared[:20]) or ("no data set" if root.is_dir() else "no folder: it does not exist")
    meant = names_lib.meant(name, [*prepared, *(set(names_lib.sources()) - {names_lib.FALLBACK})])
    raise UserError(
        f"{name} is not prepared there: --download (odtf.data.download) prepares it where there is a network, or name "
        f"another data_dir{meant}. Received: data_dir={str(root)!r}, which holds {there}."
    )


def _look(name, data_dir):
    """The prepared folders that a name may mean, oldest version first."""
    parsed = _NAME.fullmatch(name)
    if not parsed:
        raise sources.unknown(name)
    folder = _root(data_dir) / parsed["name"]
    if parsed["config"]:
        folder /= parsed["config"]
    versions = _versions(folder)
    if not versions and not parsed["config"]:
        configs = [child for child in _children(folder) if _versions(child)]
        if len(configs) > 1:
            names = ", ".join(f"{parsed['name']}/{config.name}" for config in configs)
            raise UserError(f"{name} has several configurations: name one of {names}. Received: {name!r}.")
        versions = _versions(configs[0]) if configs else []
    if parsed["version"]:
        versions = [folder for folder in versions if folder.name == parsed["version"]]
    return versions


def _children(folder):
    try:
        return sorted(child for child in folder.iterdir() if child.is_dir())
    except OSError:
        return []


def _versions(folder):
    """Prepared versions of a set, oldest first."""
    found = [c for c in _children(folder) if re.fullmatch(r"\d+\.\d+\.\d+", c.name) and (c / "features.json").is_file()]
    return sorted(found, key=lambda version: tuple(map(int, version.name.split("."))))


def _keys(name, info):
    """The features that hold the image and its label."""
    from tensorflow_datasets import features as kinds

    if not isinstance(info.features, kinds.FeaturesDict):
        raise UserError(f"{name} is no set of labelled images. Received: features {info.features}.")
    chosen = []
    for kind, what in ((kinds.Image, "image"), (kinds.ClassLabel, "class label")):
        # Not subclasses: a LabeledImage is a segmentation map.
        keys = [key for key, feature in info.features.items() if type(feature) is kind]
        supervised = [key for key in keys if key in (info.supervised_keys or ())]
        keys = supervised if len(supervised) == 1 else keys
        if len(keys) != 1:
            # Sorted: the order of what TFDS reads from its file is another every time.
            listed = ", ".join(sorted(f"{key}: {type(feature).__name__}" for key, feature in info.features.items()))
            raise UserError(f"{name} must have exactly one {what} feature to classify by. Received: {listed}.")
        chosen.append(keys[0])
    num_classes = info.features[chosen[1]].num_classes
    if not num_classes or num_classes < 2:
        raise UserError(f"{name} must have at least 2 classes. Received: {num_classes}.")
    return chosen


def _image_shape(name, feature, image_size, channels=None):
    height, width, own = feature.shape
    if np.dtype(feature.np_dtype) != np.uint8:
        raise UserError(f"{name} must hold 8-bit images. Received: {np.dtype(feature.np_dtype)}.")
    if image_size is None and None in (height, width):
        raise UserError(f"Images of {name} differ in size: give image_size. Received: image_size=None.")
    return (*(image_size or (height, width)), channels or (1 if own == 1 else 3))


def _store(builder, split, image_key, label_key, shape, num_classes, targets, resize):
    """A store that reads single examples; rows are in the order of the files."""
    name = builder.info.name
    example = example_reader(builder, split, image_key, label_key)

    def read_targets(row):
        return checked(row, example(row)[1])

    def checked(row, label):
        if not 0 <= label < num_classes:
            raise UserError(
                f"Labels of {name} must lie in 0 to {num_classes - 1}; the split {split!r} seems to be unlabelled."
                f" Received: {label} in example {row}."
            )
        return {"label": label}

    def read_file(row):
        data, label = example(row)
        return data, f"{name}, {split} example {row}", checked(row, label)

    def read_one(row):
        data, title, values = read_file(row)
        return decode(data, shape[:2], shape[2], title, resize=resize), values

    count = builder.info.splits[split].num_examples
    options = {"read_targets": read_targets, "record": record_of(builder, split), "read_file": read_file}
    return FileStore(count, shape, read_one, targets, **options)
