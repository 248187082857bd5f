"""`load`: from the name of a data set to its splits."""

import warnings

import numpy as np

from odtf.data import arguments, splits
from odtf.data.dataset import ImageDataset, Split, channel_statistics
from odtf.errors import UserError

_TEST_FRACTION = 0.2
# A constant, so that runs with different seeds are compared on the same test images.
_TEST_SEED = 0


def load(
    name,
    *,
    data_dir=None,
    image_size=None,
    validation_fraction=0.1,
    seed=0,
    memory_budget_mb=2048,
    max_train_examples=None,
    skip_corrupt=False,
    mean=None,
    std=None,
):
    """Opens a data set and makes the splits that it lacks.

    A missing test split is made first: 20 % of the training images, always the same ones. The validation split is then
    taken from the training images by `seed`. Both are stratified for `digits` and folders, and plainly random for TFDS
    sets, whose labels are not known before all files were read. Splits do not depend on the memory budget.

    Args:
        name: "digits", "folder:PATH" (see `odtf.data.sources.folder`), or a TFDS set by `name[/config][:version]`.
        data_dir: where TFDS prepared the set; None for TFDS_DATA_DIR or ~/tensorflow_datasets. Nothing is downloaded.
        image_size: int, or (height, width), to which images are resized; may be None where all have one size.
        validation_fraction: float in (0, 1), of the training images.
        seed: int, of the validation split and of `max_train_examples`.
        memory_budget_mb: number of MiB (2**20 bytes) of uint8 pixels that may be held; a larger set streams from its
            files.
        max_train_examples: int, train on a seeded subset of at most this size, or None.
        skip_corrupt: drop images that cannot be decoded, with a warning, instead of refusing the set; costs one more
            pass over all images.
        mean: floats per channel for pixels scaled to [0, 1]; None for those of the training split.
        std: likewise, all positive.

    Returns:
        `ImageDataset` with the splits "train", "validation", "test".

    Raises:
        UserError: for data that are missing, damaged or of the wrong kind, and for arguments out of range.
    """
    size = arguments.image_size(image_size)
    fraction = arguments.fraction("validation_fraction", validation_fraction)
    seed = arguments.seed(seed)
    budget = arguments.integer("memory_budget_mb", memory_budget_mb, 0) * 2**20
    if max_train_examples is not None:
        max_train_examples = arguments.integer("max_train_examples", max_train_examples, 1)
    names, found, stratify = _open(name, data_dir, size)
    image_shape = found["train"].store.image_shape
    # Checked before any image is read.
    mean = None if mean is None else arguments.channel_values("mean", mean, image_shape[2])
    std = None if std is None else arguments.channel_values("std", std, image_shape[2], positive=True)
    if skip_corrupt:
        _drop_corrupt(found)
    _make_missing(found, names, fraction, seed, stratify)
    if max_train_examples is not None:
        rows = found["train"].rows
        found["train"] = Split(found["train"].store, rows[splits.subset(len(rows), max_train_examples, seed)])
    if sum(map(len, found.values())) * int(np.prod(image_shape)) <= budget:
        found = _in_memory(found)
    if mean is None or std is None:
        computed = channel_statistics(found["train"], seed)
        mean, std = mean or computed[0], std or computed[1]
    ordered = {part: found[part] for part in ("train", "validation", "test")}
    return ImageDataset(name, names, image_shape, mean, std, ordered)


def _open(name, data_dir, size):
    """(class names, the splits that the source has, whether its labels are known without reading images)."""
    # Each source imports what it alone needs.
    if not isinstance(name, str) or not name or name == "folder:":
        raise UserError(f"A data set is 'digits', 'folder:PATH' or a TFDS name such as 'cifar10'. Received: {name!r}.")
    if name == "digits":
        from odtf.data.sources.digits import digits

        return (*digits(size), True)
    if name.startswith("folder:"):
        from odtf.data.sources.folder import folder

        return (*folder(name.removeprefix("folder:"), size), True)
    from odtf.data.sources.tfds import tfds

    return (*tfds(name, data_dir, size), False)


def _drop_corrupt(found):
    for part, split in found.items():
        if split.store.streaming:
            rows = split.store.readable(split.rows)
            if len(rows) < len(split):
                warnings.warn(f"{len(split) - len(rows)} corrupt images skipped in {part}.", stacklevel=3)
            found[part] = Split(split.store, rows)


def _make_missing(found, names, validation_fraction, seed, stratify):
    """Carves "test", then "validation", out of "train" where the source has none."""
    for part, fraction, part_seed in (
        ("test", _TEST_FRACTION, _TEST_SEED),
        ("validation", validation_fraction, seed),
    ):
        if part in found:
            continue
        train = found["train"]
        if stratify:
            rest, taken = splits.stratified(train.labels, fraction, part_seed, names)
        else:
            rest, taken = splits.uniform(len(train), fraction, part_seed)
        found[part] = Split(train.store, train.rows[taken])
        found["train"] = Split(train.store, train.rows[rest])


def _in_memory(found):
    """The same splits on stores in memory; splits that share a store go on sharing one, and each image is held once."""
    moved = {}
    for store in {id(split.store): split.store for split in found.values()}.values():
        sharing = {part: split for part, split in found.items() if split.store is store}
        rows = np.unique(np.concatenate([split.rows for split in sharing.values()]))
        memory = store.in_memory(rows) if store.streaming else store
        for part, split in sharing.items():
            moved[part] = Split(memory, np.searchsorted(rows, split.rows) if store.streaming else split.rows)
    return moved
