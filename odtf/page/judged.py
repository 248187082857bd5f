"""A student judged by its task on the images of a split: the sections that the task has of its answers."""

import functools
import sys

import numpy as np
import tqdm

from odtf import targets
from odtf.data.splits import chunk
from odtf.export.verification import student_of

_CHUNK = 64


def sections(run, split, max_examples):
    """Runs the student over a split.

    Args:
        run: `odtf.runs.Run`.
        split: name of the split.
        max_examples: a seeded choice of at most so many images.

    Returns:
        list of `odtf.sections.Section`.

    Raises:
        UserError: if the data or the weights are not there any more.
    """
    task, dataset = run.task, run.dataset
    study, finished = task.study(dataset.info), targets.find("phone")
    predict = student_of(run.network(), dataset, task.output)
    parts = dataset.parts({split: max_examples, **study.references})
    takers = {name: study.add if name == split else functools.partial(study.refer, name) for name in parts}
    for name, examples in parts.items():
        for images, truth in _batches(examples, chunk(_CHUNK, dataset.image_shape)):
            answers = task.folded(predict(images), finished)
            takers[name](truth, task.comparable(answers, dataset.info, finished))
    study.pictures = lambda part, positions: parts[part or split].take(positions)[0]
    return study.sections({**study.result(), "split": split, "examples": len(parts[split])})


def _batches(examples, size):
    total = len(examples)
    with tqdm.tqdm(total=total, unit="image", file=sys.stderr, disable=not sys.stderr.isatty(), leave=False) as bar:
        for start in range(0, total, size):
            rows = np.arange(start, min(start + size, total))
            yield examples.take(rows)
            bar.update(len(rows))
