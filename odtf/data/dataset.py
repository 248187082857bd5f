"""A data set as the rest of odtf sees it: named splits of uint8 images, and the constants that normalise them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from odtf.data import arguments
from odtf.data import splits as splitting
from odtf.data.framing import STRETCH
from odtf.data.samples import as_batch
from odtf.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any


# Images a streamed training split is normalised from: the error of a mean over these is far below one grey level.
_STATISTICS_SAMPLE = 10_000
_CHUNK = 1024


class Split:
    """Rows of a store; several splits may share one.

    Args:
        store: `MemoryStore` or `FileStore`.
        rows: int array of the store's rows that belong to this split.
    """

    def __init__(self, store: Any, rows: np.ndarray | None = None) -> None:
        self.store = store
        self.rows = np.arange(len(store)) if rows is None else np.asarray(rows, np.int64)

    def __len__(self):
        return len(self.rows)

    @property
    def targets(self) -> np.ndarray | dict[str, np.ndarray]:
        """The one target of all images, an array `[n, ...]`, or several of them by name.

        Read now, for a streamed set from its files: `take` what is needed of a large split.
        """
        return as_batch(self.store.read_targets(self.rows))

    @property
    def images(self) -> np.ndarray:
        """uint8 array `[n, height, width, channels]`, read or copied now: `take` what is needed of a large split."""
        return self.take(np.arange(len(self)))[0]

    @property
    def keys(self) -> np.ndarray:
        """The source's own number of each image, an int64 array: the same however the source is split."""
        origin = getattr(self.store, "origin", None)
        return self.rows if origin is None else np.asarray(origin, np.int64)[self.rows]

    def take(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray | dict[str, np.ndarray]]:
        """Images and targets by their position in the split.

        Args:
            indices: int array `[k]`, each in `[0, len(self))`.

        Returns:
            uint8 array `[k, height, width, channels]`, and the one target, an array `[k, ...]`, or several by name.

        Raises:
            UserError: if an image of a streamed split is corrupt.
        """
        images, values = self.store.read(self.rows[np.asarray(indices, np.int64)])
        return images, as_batch(values)

    def part(self, size: int | None, seed: int = 0) -> Split:
        """Returns a seeded choice of `size` of its rows, in their order, as a split; itself where it has no more.

        Args:
            size: int, or None for all.
            seed: int.
        """
        if size is None or size >= len(self):
            return self
        return Split(self.store, self.rows[splitting.subset(len(self), size, seed)])

    def divided(self, fraction: float, seed: int, names: Sequence[str] = ()) -> tuple[Split, Split]:
        """Returns what is left without a seeded share of the rows, and that share: two splits.

        Args:
            fraction: float in (0, 1), the share.
            seed: int.
            names: of the classes. Where the one target is an integer that stands for one of them, and is known without
                reading the images, the share is stratified.

        Raises:
            UserError: if there is too little to divide, or a label is none.
        """
        labels = labels_of(self, names)
        if labels is not None:
            rest, taken = splitting.stratified(labels, fraction, seed, names)
        else:
            rest, taken = splitting.uniform(len(self), fraction, seed)
        return Split(self.store, self.rows[rest]), Split(self.store, self.rows[taken])

    @property
    def num_files(self) -> int:
        """How many images, or files, it is made of: its length, unless it has two sets."""
        return len(self)

    def record(self) -> dict[str, Any]:
        """Returns what tells its images from others: how many they are, and what the store says of them.

        Returns:
            dict that JSON can hold; of a store of the user's own that has no `record(rows)`, their number alone.
        """
        say = getattr(self.store, "record", None)
        return {"images": len(self), **(say(self.rows) if say else {})}

    def readable(self) -> Split:
        """Returns those of its rows that decode, as a split; itself where nothing is decoded."""
        return Split(self.store, self.store.readable(self.rows)) if self.store.streaming else self


def labels_of(split, names):
    """Returns the class of each image, an array `[n]`; None where there is no such thing, or only the files know it.

    Args:
        split: `Split`.
        names: of the classes.

    Raises:
        UserError: if a label is none of them.
    """
    targets = list(split.store.targets.values())
    one = len(targets) == 1 and targets[0].shape == () and targets[0].dtype != "float32" and targets[0].ignore is None
    if not names or not one or not split.store.known:
        return None
    labels = split.targets
    strange = labels[(labels < 0) | (labels >= len(names))]
    if len(strange):
        raise UserError(f"Labels must be positions in the {len(names)} names, from 0. Received: {strange[0]}.")
    return labels


@dataclasses.dataclass(frozen=True)
class Info:
    """Facts about the data that a network and a file have to know.

    Attributes:
        name: of the data set, as given to `load`.
        image_shape: (height, width, channels).
        names: tuple of str: what the values of integer targets stand for, such as classes; empty for other targets.
        normalization: pair (mean, std) of pixels scaled to [0, 1], by which networks get the images; None: unknown.
        colors: tuple of (red, green, blue), those of the names in pictures; empty where the data have none.
        resize: one of `odtf.data.framing.MODES`, the way of images to their shape.
    """

    name: str
    image_shape: tuple[int, int, int]
    names: tuple[str, ...] = ()
    normalization: tuple[tuple[float, ...], tuple[float, ...]] | None = dataclasses.field(default=None, compare=False)
    colors: tuple[tuple[int, ...], ...] = ()
    resize: str = dataclasses.field(default=STRETCH, compare=False)


@dataclasses.dataclass
class ImageDataset:
    """Images, each with its targets.

    Attributes:
        name: as given to `load`.
        names: tuple of str; an integer target is a position in it.
        image_shape: (height, width, channels).
        mean: tuple of one float per channel, of pixels scaled to [0, 1].
        std: likewise, all above 0.
        splits: `Split` by name: "train", "validation", "test".
        colors: as in `Info`.
        records: what `Split.record` says of each split as its source opened it; empty for a set made by hand.
        resize: as in `Info`.
        notes: lines of text that its source has to say of it, such as what was passed over.
        remarks: function that returns these and what else its user would want to know, a list of lines; it may take
            seconds, for it may read files.
    """

    name: str
    names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    splits: dict[str, Split]
    colors: tuple[tuple[int, ...], ...] = ()
    records: dict[str, Any] = dataclasses.field(default_factory=dict)
    resize: str = STRETCH
    notes: tuple[str, ...] = ()
    remarks: Callable[[], list[str]] = list

    def parts(self, limits: Mapping[str, int | None]) -> dict[str, Split]:
        """Returns seeded parts of some splits, see `Split.part`.

        Args:
            limits: mapping from the name of a split to how many rows at most, None for all, as
                `odtf.metrics.references_of` returns it.

        Returns:
            dict from the name to a `Split`.
        """
        return {name: self.splits[name].part(limit) for name, limit in limits.items()}

    @property
    def info(self) -> Info:
        """The `Info` of the data set."""
        normalization = tuple(self.mean), tuple(self.std)
        height, width, channels = self.image_shape
        names, colors = tuple(self.names), tuple(self.colors)
        return Info(self.name, (height, width, channels), names, normalization, colors, self.resize)

    def describe(self) -> str:
        """One line for the log of a run."""
        height, width, channels = self.image_shape
        counts = ", ".join(f"{name} {len(split)}" for name, split in self.splits.items())
        mean, std = ("/".join(f"{v:.4f}" for v in values) for values in (self.mean, self.std))
        where = "streamed from files" if self.splits["train"].store.streaming else "in memory"
        classes = f"{len(self.names)} classes, " if self.names else ""
        shape = f"{classes}{height}x{width}x{channels}"
        shape += "" if self.resize == STRETCH else f" ({self.resize})"
        return f"{self.name}: {shape}, {counts}, {where}, mean {mean}, std {std}"


def channel_statistics(split, seed):
    """Mean and standard deviation of each channel, of pixels scaled to [0, 1].

    Exact for a split in memory; from a seeded sample of 10,000 images for a streamed one. A channel that never varies
    gets the deviation 1, so that dividing by it is harmless.
    """
    streamed = split.store.streaming
    picked = splitting.subset(len(split), _STATISTICS_SAMPLE, seed) if streamed else np.arange(len(split))
    pixels, total, squares = 0, 0, 0
    for start in range(0, len(picked), _CHUNK):
        images, _ = split.take(picked[start : start + _CHUNK])
        flat = images.reshape(-1, images.shape[-1])
        pixels += len(flat)
        total += flat.sum(axis=0, dtype=np.int64)
        squares += np.square(flat, dtype=np.uint16).sum(axis=0, dtype=np.int64)
    mean = total / pixels / 255.0
    variance = np.maximum(squares / pixels / 255.0**2 - mean**2, 0.0)
    return tuple(mean.tolist()), tuple(np.where(variance > 1e-12, np.sqrt(variance), 1.0).tolist())


def calibration_images(dataset: ImageDataset, count: int, seed: int) -> np.ndarray:
    """A seeded choice of training images, as a representative data set for quantisation.

    Args:
        dataset: `ImageDataset`.
        count: int; a smaller training split gives all it has.
        seed: int.

    Returns:
        uint8 array `[n, height, width, channels]`.

    Raises:
        UserError: if `count` is not positive.
    """
    train = dataset.splits["train"]
    return train.take(splitting.subset(len(train), arguments.integer("count", count, 1), arguments.seed(seed)))[0]
