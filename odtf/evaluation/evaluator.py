"""One or two classifiers over one split of a data set."""

import sys

import numpy as np
import tqdm

from odtf import data
from odtf.data.splits import subset
from odtf.errors import UserError
from odtf.evaluation import figures

_CHUNK = 64


def evaluate(
    classifier,
    name,
    *,
    against=None,
    data_dir=None,
    split="test",
    seed=0,
    validation_fraction=0.1,
    max_examples=None,
    label_offset=0,
    skip_corrupt=False,
):
    """Runs a classifier over a split.

    Args:
        classifier: `Classifier`.
        name: data set, as `odtf.data.load` takes it; its images come in the classifier's size.
        against: another `Classifier` or None, for their agreement.
        data_dir: where TFDS prepared the set.
        split: "test", "validation" or "train".
        seed, validation_fraction: of the validation split, where it is taken from the training images: those of the
            run, or the file is judged by images that it was trained on.
        max_examples: evaluate on a seeded choice of that many; None for all.
        label_offset: the output of the first class, see `Classifier.columns`.
        skip_corrupt: pass over images that cannot be decoded.

    Returns:
        `(result, matrix)`: a dict that JSON can hold, see `odtf.commands.evaluate`, and the confusion
        matrix as an int array.

    Raises:
        UserError: if the data or the split do not exist, or their classes are not the file's.
    """
    both = [classifier] + ([against] if against else [])

    def load(image_size):
        # Streamed, and with one training image: only what is evaluated is read.
        return data.load(
            name,
            data_dir=data_dir,
            image_size=None if name == "digits" else image_size,
            validation_fraction=validation_fraction,
            seed=seed,
            memory_budget_mb=0,
            max_train_examples=None if split == "train" else 1,
            skip_corrupt=skip_corrupt,
        )

    sets = {one.image_size: load(one.image_size) for one in both}
    dataset = sets[classifier.image_size]
    if split not in dataset.splits:
        raise UserError(f"--split must be one of {', '.join(dataset.splits)}. Received: --split={split}.")
    # The other file may have no background class where this one does.
    offsets = [0 if one is against and one.num_outputs == dataset.num_classes else label_offset for one in both]
    columns = [one.columns(dataset.class_names, offset) for one, offset in zip(both, offsets, strict=True)]
    count = len(dataset.splits[split])
    rows = np.arange(count) if max_examples is None else subset(count, max_examples, 0)
    probabilities, labels = _run(both, columns, sets, split, rows)
    first = probabilities[0]
    result = {
        "file": describe(classifier),
        "data": name,
        "split": split,
        "examples": len(rows),
        **_accuracies(first, labels),
        "calibration": figures.calibration(first, labels),
    }
    matrix, result["classes"] = figures.confusion(labels, first.argmax(axis=1), dataset.class_names)
    if against:
        result["against"] = {"file": describe(against), **_compare(first, probabilities[1], labels)}
    return result, matrix


def describe(classifier):
    """What a result says of a file and of how it was fed, as a dict."""
    return {
        "path": classifier.path,
        "bytes": classifier.bytes,
        "input": [*classifier.image_size, classifier.channels],
        "classes": classifier.num_outputs,
        "pixels": classifier.pixels.source,
        "scores": classifier.scores,
    }


def _run(classifiers, columns, sets, split, rows):
    found, labels = [[] for _ in classifiers], []
    bar = tqdm.tqdm(total=len(rows), unit="image", file=sys.stderr, disable=not sys.stderr.isatty(), leave=False)
    with bar:
        for start in range(0, len(rows), _CHUNK):
            part = rows[start : start + _CHUNK]
            taken = {size: dataset.splits[split].take(part) for size, dataset in sets.items()}
            for classifier, outputs, kept in zip(classifiers, columns, found, strict=True):
                images, truth = taken[classifier.image_size]
                kept.append(classifier.probabilities(images)[:, outputs])
            labels.append(truth)
            bar.update(len(part))
    # Without a background class the rest is no whole any more.
    whole = [np.concatenate(kept) for kept in found]
    return [part / part.sum(axis=1, keepdims=True) for part in whole], np.concatenate(labels)


def _accuracies(probabilities, labels):
    ranks = figures.rank(probabilities, labels)
    top1 = float(np.mean(ranks == 0))
    result = {"top1": top1, "top1_standard_error": float(np.sqrt(top1 * (1 - top1) / len(labels)))}
    if probabilities.shape[1] > 5:
        result["top5"] = float(np.mean(ranks < 5))
    return result


def _compare(first, second, labels):
    one, other = first.argmax(axis=1), second.argmax(axis=1)
    return {
        **_accuracies(second, labels),
        "agreement": float(np.mean(one == other)),
        "only_file_right": int(np.sum((one == labels) & (other != labels))),
        "only_other_right": int(np.sum((one != labels) & (other == labels))),
        "mean_probability_gap": float(np.mean(np.abs(first - second).max(axis=1))),
    }
