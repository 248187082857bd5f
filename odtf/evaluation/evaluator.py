"""One or two files over one split of a data set."""

import inspect
import sys

import numpy as np
import tqdm

from odtf import data
from odtf.data.splits import chunk
from odtf.errors import UserError
from odtf.metrics import references_of

_CHUNK = 64


def evaluate(
    file,
    name,
    task,
    *,
    against=None,
    options=None,
    data_dir=None,
    split="test",
    seed=0,
    validation_fraction=0.1,
    max_examples=None,
    max_train_examples=None,
    skip_corrupt=False,
):
    """Runs a file over a split and judges its answers.

    Args:
        file: `ImageFile`.
        name: data set, as `odtf.data.load` takes it; its images come in the file's size.
        task: `odtf.tasks.Task`, which knows what the file's output means.
        against: another `ImageFile` or None, for the agreement of the two.
        options: mapping of further arguments of the task's `reader`, or None.
        data_dir: where TFDS prepared the set.
        split: "test", "validation" or "train".
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
    if split in references:
        raise UserError(f"The task {task.name!r} compares with the {split} split itself. Received: --split={split}.")

    def load(image_size, resize, channels):
        # Streamed, and with one training image: only what is evaluated is read.
        whole = split == "train" or "train" in references
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
        )

    sets = {key: load(*key) for key in dict.fromkeys(map(_images_of, both))}
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


def _images_of(file):
    """What tells the images that a file takes from those of another: (size, resize, channels)."""
    return file.image_size, file.resize, file.channels


def check_options(task, options):
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
