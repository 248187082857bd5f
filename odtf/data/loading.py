"""`load`: from the name of a data set to its splits."""

from __future__ import annotations

import functools
import warnings
from typing import TYPE_CHECKING

import numpy as np

from odtf.data import arguments, naming, remarks, sources
from odtf.data.dataset import ImageDataset, Split, channel_statistics, labels_of
from odtf.data.framing import STRETCH, check_mode
from odtf.data.samples import LABEL, check
from odtf.errors import UserError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from odtf.data.samples import Target

_PARTS = ("train", "validation", "test")
_TEST_FRACTION = 0.2
# A constant, so that runs with different seeds are compared on the same test images.
_TEST_SEED = 0


def load(
    name: str | Callable[..., Any],
    *,
    data_dir: str | os.PathLike[str] | None = None,
    image_size: int | tuple[int, int] | None = None,
    validation_fraction: float = 0.1,
    seed: int = 0,
    memory_budget_mb: int = 2048,
    max_train_examples: int | None = None,
    skip_corrupt: bool = False,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    targets: Mapping[str, Target] | None = None,
    normalization: tuple[float, float] | None = None,
    resize: str = STRETCH,
    channels: int | None = None,
    stratify: bool = False,
    divide: bool = True,
) -> ImageDataset:
    """Opens a data set and makes the splits that it lacks.

    A missing test split is made first: 20 % of the training images, always the same ones. The validation split is then
    taken from the training images by `seed`. Both are stratified where the one target is an integer that has names and
    is known without reading the images, as in `digits` and folders; they are plainly random elsewhere, as in TFDS sets,
    if `stratify` does not have their labels read first. Splits do not depend on the memory budget.

    Args:
        name: "digits", "digit_scenes", "digit_pictures", "folder:PATH" (see `odtf.data.sources.folder`), a TFDS set by
            `name[/config][:version]`, what `odtf.data.from_arrays` returned, or a function of the user's own, itself
            (its name is then the set's) or by package.module:FUNCTION or FILE.py:FUNCTION; see `odtf.data.sources`.
        data_dir: where TFDS prepared the set; None for TFDS_DATA_DIR or ~/tensorflow_datasets. Nothing is downloaded;
            see `odtf.data.download`.
        image_size: int, or (height, width), to which images are resized; may be None where all have one size.
        validation_fraction: float in (0, 1), of the training images.
        seed: int, of the validation split and of `max_train_examples`.
        memory_budget_mb: number of MiB (2**20 bytes) of images and targets that may be held; a larger set streams from
            its files.
        max_train_examples: int, train on a seeded subset of at most this size, or None.
        skip_corrupt: drop images that cannot be decoded, with a warning, instead of refusing the set; costs one more
            pass over all images.
        mean: floats per channel for pixels scaled to [0, 1]; None for those of the training split.
        std: likewise, all positive.
        targets: mapping from a name to `Target`, what a task learns from; None for classification's integer "label".
        normalization: pair (mean, std) of numbers for all channels, in place of those of the training split, where
            `mean` or `std` is None; a task may have one, as where networks take pixels from -1 to 1.
        resize: "stretch", "fit" (all of an image, centred on black) or "crop" (its centre): the way to `image_size` of
            images of another shape, in folders of classes and TFDS sets with labels.
        channels: 1 for grey images, 3 for colours; None for the source's own. For the same sets.
        stratify: bool, whether labels are read before the splits are made, so that these are stratified in TFDS sets
            too; costs a pass over the files of the training split.
        divide: bool; False leaves the images in the splits that the source has, of which a class may have few.

    Returns:
        `ImageDataset` with the splits "train", "validation", "test"; without `divide`, with those of them that there
        are.

    Raises:
        UserError: for data that are missing, damaged or of the wrong kind, for names of classes that no file can carry,
            and for arguments out of range.
    """
    size = arguments.image_size(image_size)
    check_mode(resize)
    fraction = arguments.fraction("validation_fraction", validation_fraction)
    seed = arguments.seed(seed)
    budget = arguments.integer("memory_budget_mb", memory_budget_mb, 0) * 2**20
    if max_train_examples is not None:
        max_train_examples = arguments.integer("max_train_examples", max_train_examples, 1)
    title = title_of(name)
    open_source, argument = sources.find(name)
    targets = dict(LABEL if targets is None else targets)
    further = sources.further(open_source, title, resize, channels)
    names, found = open_source(argument, data_dir=data_dir, image_size=size, targets=targets, **further)
    found, colors, notes = dict(found), getattr(names, "colors", ()), getattr(names, "notes", ())
    names = naming.cleaned(names, title)
    image_shape = checked(title, found, targets, size)
    # Checked before any image is read.
    mean = None if mean is None else arguments.channel_values("mean", mean, image_shape[2])
    std = None if std is None else arguments.channel_values("std", std, image_shape[2], positive=True)
    if skip_corrupt:
        drop_corrupt(found)
    if stratify:
        _learn_labels(found, names, title)
    if divide:
        _make_missing(found, names, fraction, seed)
    if max_train_examples is not None:
        found["train"] = found["train"].part(max_train_examples, seed)
    there = [part for part in _PARTS if part in found]
    records = {part: found[part].record() for part in there}  # In memory, images have lost their names.
    all_remarks = functools.partial(remarks.of, names, notes, dict(found))
    found = within(budget, found)
    if mean is None or std is None:
        fixed = normalization and [(float(value),) * image_shape[2] for value in normalization]
        computed = fixed or channel_statistics(found["train"], seed)
        mean, std = mean or computed[0], std or computed[1]
    pixels = tuple(mean), tuple(std)
    ordered = {part: found[part] for part in there}
    return ImageDataset(title, names, image_shape, *pixels, ordered, colors, records, resize, notes, all_remarks)


def _learn_labels(found, names, title):
    """Has the labels read by which missing splits are stratified."""
    store = found["train"].store
    learn = getattr(store, "learn_targets", None)
    if learn is not None and len(store.targets) == 1 and not next(iter(store.targets.values())).spatial:
        learn()
    if labels_of(found["train"], names) is None:
        raise UserError(
            "stratify is for images that have a class and nothing else: leave it out. "
            f"Received: stratify=True for {title} with {', '.join(store.targets)}."
        )


def title_of(name):
    """Returns the name of a data set that was named by a function or a source itself; text as it is."""
    return getattr(name, "__name__", type(name).__name__) if callable(name) else name


def checked(name, found, targets, size):
    """Checks what a source returned, which a user may have written, and returns the shape of its images.

    Args:
        name: of the data set, for errors.
        found: dict of `Split` by name.
        targets: mapping from a name to `Target`, what was wanted; None: images alone.
        size: (height, width) that was wanted, or None.

    Raises:
        UserError: if it is something else.
    """
    if "train" not in found or set(found) - set(_PARTS):
        raise UserError(
            f"A source gives 'train', and may give 'validation' and 'test'. Received: {name}: {list(found)}."
        )
    for split in found.values() if targets is not None else ():
        check(name, split.store.targets, targets)
    shapes = {split.store.image_shape for split in found.values()}
    if len(shapes) > 1:
        raise UserError(f"Images of all splits must have one shape. Received: {name}: {sorted(shapes)}.")
    shape = shapes.pop()
    if size not in (None, shape[:2]):
        raise UserError(f"A source must resize images as asked, to {size}. Received: {name}: {shape}.")
    return shape


def _sample_bytes(store):
    """Bytes of an image and its targets."""
    targets = [(target.array_shape(store.image_shape), target.dtype) for target in store.targets.values()]
    arrays = [(store.image_shape, "uint8"), *targets]
    return sum(int(np.prod(shape)) * np.dtype(dtype).itemsize for shape, dtype in arrays)


def drop_corrupt(found):
    """Takes images that cannot be decoded out of splits, with a warning."""
    for part, split in found.items():
        found[part] = split.readable()
        if skipped := split.num_files - found[part].num_files:
            warnings.warn(f"{skipped} corrupt images skipped in {part}.", stacklevel=3)


def within(budget, found):
    """Returns splits, a dict by name: on stores in memory, if all of them together are at most `budget` bytes."""
    fits = sum(map(len, found.values())) * _sample_bytes(found["train"].store) <= budget
    return _in_memory(found) if fits else found


def _make_missing(found, names, validation_fraction, seed):
    """Carves "test", then "validation", out of "train" where the source has none."""
    for part, fraction, part_seed in (
        ("test", _TEST_FRACTION, _TEST_SEED),
        ("validation", validation_fraction, seed),
    ):
        if part in found:
            continue
        found["train"], found[part] = found["train"].divided(fraction, part_seed, names)


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
