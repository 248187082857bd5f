"""One or two files over one split of a data set."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from typing import TYPE_CHECKING

import numpy as np
import tqdm

from odtf import data
from odtf.data.splits import chunk, subset
from odtf.errors import UserError
from odtf.metrics import references_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from odtf.evaluation.image_file import ImageFile
    from odtf.models.annotations import Path
    from odtf.tasks import Task
    from odtf.tasks.study import Study


ALL = "all"
_CHUNK = 64


def evaluate(
    file: ImageFile,
    name: str | Callable[..., Any],
    task: Task,
    *,
    against: ImageFile | None = None,
    options: Mapping[str, Any] | None = None,
    data_dir: Path | None = None,
    split: str = "test",
    seed: int = 0,
    validation_fraction: float = 0.1,
    max_examples: int | None = None,
    max_train_examples: int | None = None,
    skip_corrupt: bool = False,
) -> tuple[dict[str, Any], Study]:
    """Runs a file over a split and judges its answers.

    Args:
        file: `ImageFile`.
        name: data set, as `odtf.data.load` takes it; its images come in the file's size.
        task: `odtf.tasks.Task`, which knows what the file's output means.
        against: another `ImageFile` or None, for the agreement of the two.
        options: mapping of further arguments of the task's `reader`, or None.
        data_dir: where TFDS prepared the set.
        split: "test", "validation" or "train"; "all" for the images of each, as of a folder that is judged whole.
        seed, validation_fraction: of the validation split, where it is taken from the training images: those of the
            run, or the file is judged by images that it was trained on.
        max_examples: evaluate on a seeded choice of that many; None for all.
        max_train_examples: `config.data.max_train_examples` of the run, for tasks that compare with training images.
        skip_corrupt: pass over images that cannot be decoded.

    Returns:
        `(result, study)`: a dict that JSON can hold, see `odtf.commands.evaluate`, and the `Study` that shows it.

    Raises:
        UserError: if the data or the split do not exist, the file is none for them, or the task has no such option.
    """
    options = options or {}
    check_options(task, options)
    both = [file] + ([against] if against else [])
    references = references_of(task.metrics)
    if split in references or (split == ALL and references):
        taken = split if split in references else next(iter(references))
        raise UserError(f"The task {task.name!r} compares with the {taken} split itself. Received: --split={split}.")

    def load(image_size, resize, channels):
        # Streamed, and with one training image: only what is evaluated is read.
        whole = split in ("train", ALL) or "train" in references
        return data.load(
            name,
            data_dir=data_dir,
            image_size=None if name == "digits" else image_size,
            **data.framing_options(name, task.targets, resize, channels),
            validation_fraction=validation_fraction,
            seed=seed,
            memory_budget_mb=0,
            max_train_examples=max_train_examples if whole else 1,
            skip_corrupt=skip_corrupt,
            targets=task.targets,
            divide=split != ALL,
        )

    sets = {key: load(*key) for key in dict.fromkeys(map(_images_of, both))}
    if split == ALL:
        sets = {key: dataclasses.replace(one, splits={ALL: _Whole(one.splits)}) for key, one in sets.items()}
    dataset = sets[_images_of(file)]
    if split not in dataset.splits:
        raise UserError(f"--split must be one of {', '.join(dataset.splits)}. Received: --split={split}.")
    readers = [task.reader(one, dataset.info, against=one is not file, **options) for one in both]
    study = task.study(dataset.info)
    parts = {key: one.parts({split: max_examples, **study.references}) for key, one in sets.items()}
    for targets, outputs in _outputs(both, readers, parts, split):
        study.add(targets, *outputs)
    for reference in study.references:
        for targets, outputs in _outputs(both, readers, parts, reference):
            study.refer(reference, targets, *outputs)

    def pictures(part, positions):
        return parts[_images_of(file)][part or split].take(positions)[0]

    study.pictures = pictures
    found = study.result()
    result = {
        "task": task.name,
        "file": _describe(file, readers[0]),
        "data": name,
        "split": split,
        "examples": len(parts[_images_of(file)][split]),
        **({"notes": list(dataset.notes)} if dataset.notes else {}),
        **found,
    }
    if against:
        result["against"] = {"file": _describe(against, readers[1]), **found["against"]}
    return result, study


class _Whole:
    """The images of all splits of a data set, one after the other: what `odtf.data.dataset.Split` does for one.

    Args:
        splits: mapping from a name to a `Split`.
        positions: int array, which of the images; None: all.
    """

    def __init__(self, splits, positions=None):
        self._splits = splits
        self._starts = np.cumsum([0, *map(len, splits.values())])
        self._positions = np.arange(self._starts[-1]) if positions is None else positions

    def __len__(self):
        return len(self._positions)

    def part(self, size, seed=0):
        """Returns a seeded choice of `size` of them, in their order; itself where it has no more, or for None."""
        if size is None or size >= len(self):
            return self
        return _Whole(self._splits, self._positions[subset(len(self), size, seed)])

    def take(self, indices):
        """Images and targets by their position, as of a `Split`."""
        wanted = self._positions[np.asarray(indices, np.int64)]
        owners = np.searchsorted(self._starts, wanted, side="right") - 1
        found = []
        for owner, (start, split) in enumerate(zip(self._starts, self._splits.values(), strict=False)):
            places = np.flatnonzero(owners == owner)
            if len(places):
                found.append((places, *split.take(wanted[places] - start)))
        order = np.argsort(np.concatenate([places for places, _, _ in found]))
        images, targets = ([each[part] for each in found] for part in (1, 2))
        if isinstance(targets[0], dict):
            joined = {name: np.concatenate([one[name] for one in targets])[order] for name in targets[0]}
        else:
            joined = np.concatenate(targets)[order]
        return np.concatenate(images)[order], joined


def _images_of(file):
    """What tells the images that a file takes from those of another: (size, resize, channels)."""
    return file.image_size, file.resize, file.channels


def check_options(task: Task, options: Mapping[str, Any]) -> None:
    """Raises UserError if the task's `reader` does not take these options."""
    known = inspect.signature(task.reader).parameters
    for option, value in options.items():
        if option not in known:
            raise UserError(f"The task {task.name!r} has no flag --{option}. Received: --{option}={value}.")


def _describe(file, reader):
    """The part of a result that says which file it is, and how it was fed and read."""
    return {
        "path": file.path,
        "bytes": file.bytes,
        "input": [*file.image_size, file.channels],
        "pixels": file.pixels.source,
        "resize": file.resize,
        **reader.facts,
    }


def _outputs(files, readers, parts, name):
    """Yields the targets of a batch of a part and the list of what each file gives for it."""
    total = len(parts[_images_of(files[0])][name])
    bar = tqdm.tqdm(total=total, unit="image", file=sys.stderr, disable=not sys.stderr.isatty(), leave=False)
    with bar:
        step = min(chunk(_CHUNK, size) for size, _, _ in parts)
        for start in range(0, total, step):
            rows = np.arange(start, min(start + step, total))
            taken = {key: own[name].take(rows) for key, own in parts.items()}
            images = [taken[_images_of(file)][0] for file in files]
            targets = taken[_images_of(files[0])][1]
            yield targets, [reader(file.answers(own)) for file, reader, own in zip(files, readers, images, strict=True)]
            bar.update(len(rows))
