"""Further domains: training images of other data sets that join a data set's own in the batches."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from odtf.data import arguments, loading, naming, sources
from odtf.data.dataset import Split
from odtf.data.joined_stores import Unlabelled
from odtf.errors import UserError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from typing import Any

    from odtf.data.dataset import ImageDataset


@dataclasses.dataclass(frozen=True)
class Domain:
    """Images that join the training images of a data set in some epochs.

    Attributes:
        name: of the data set that they are from.
        split: `Split`, whose store has the targets of the data set that they join.
        epochs: (first, end), 0-based, the second excluded; end None: to the last.
        labels: whether their targets count.
        record: what `Split.record` says of them, as their source opened them.
    """

    name: str
    split: Split
    epochs: tuple[int, int | None] = (0, None)
    labels: bool = True
    record: dict[str, Any] = dataclasses.field(default_factory=dict)

    def joins(self, epoch: int) -> bool:
        """Whether the images are there in an epoch."""
        first, end = self.epochs
        return first <= epoch and (end is None or epoch < end)

    def describe(self) -> str:
        """One line for the log of a run."""
        first, end = self.epochs
        when = "all epochs" if (first, end) == (0, None) else f"epochs {first} to {'the last' if end is None else end}"
        return f"{len(self.split)} images of {self.name} {'with' if self.labels else 'without'} labels join in {when}"


def load_domain(
    dataset: ImageDataset,
    name: str | Callable[..., Any],
    *,
    images: int | None = None,
    epochs: tuple[int, int | None] | None = None,
    labels: bool = True,
    seed: int = 0,
    data_dir: str | os.PathLike[str] | None = None,
    memory_budget_mb: int = 2048,
    skip_corrupt: bool = False,
) -> Domain:
    """Opens a data set whose training images are to join those of another.

    Only what its source calls "train" is taken, all of it: nothing is validated or tested on, so nothing is split off.
    Sizes are those of the data set that is joined, and so is what normalises.

    Args:
        dataset: `ImageDataset` that it joins.
        name: as for `odtf.data.load`. Without labels, "folder:PATH" may have images alone.
        images: int, a seeded choice of at most so many; None for all.
        epochs: (first, end), when they join, 0-based, the second excluded; end None: to the last; None for all epochs.
        labels: bool. False: their targets, if they have any, count for nothing, see `Unlabelled`.
        seed: int.
        data_dir, memory_budget_mb, skip_corrupt: as for `odtf.data.load`.

    Returns:
        `Domain`.

    Raises:
        UserError: as `odtf.data.load`; or if its images have other channels, or its labels other names, than those of
            the data set.
    """
    budget = arguments.integer("memory_budget_mb", memory_budget_mb, 0) * 2**20
    span = (0, None) if epochs is None else arguments.span("epochs", epochs)
    if images is not None:
        images = arguments.integer("images", images, 1)
    title = loading.title_of(name)
    targets, size = dataset.splits["train"].store.targets, dataset.image_shape[:2]
    options = {"resize": dataset.resize, "channels": 1 if dataset.image_shape[2] == 1 else None}
    names, found = sources.open_training(name, labels, data_dir=data_dir, image_size=size, targets=targets, **options)
    shape = loading.checked(title, found, targets if labels else None, size)
    if shape != tuple(dataset.image_shape):
        raise UserError(
            f"Images of all domains have the channels of {dataset.name}, {dataset.image_shape[2]}. "
            f"Received: {title} of {shape[2]}."
        )
    names = naming.cleaned(names, title) if labels else ()
    if labels and names != tuple(dataset.names):
        raise UserError(
            f"A domain with labels has the names of {dataset.name}, {', '.join(dataset.names)}; labels=False would "
            f"leave its own out. Received: {title} with {', '.join(names)}."
        )
    found = {"train": found["train"]}
    if skip_corrupt:
        loading.drop_corrupt(found)
    part = found["train"].part(images, seed)
    record = part.record()
    part = loading.within(budget, {"train": part})["train"]
    if not labels:
        part = Split(Unlabelled(part.store, targets), part.rows)
    return Domain(title, part, span, labels, record)
