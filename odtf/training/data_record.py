"""What a run learned from: written into its workdir as data.json, and compared with what its data are now.

    name          of the data set
    names         what its integer targets stand for, in their order, such as classes
    image_shape   (height, width, channels)
    mean, std     of the pixels of the run's training images, by which its networks get theirs
    splits        for each: how many images, and what tells them from others: the digest of the names of their files,
                  and their bytes; or their rows, and the version and digest of a TFDS set; of a source of one's own
                  what its stores say
    domains       the same of further data that join in training, with their names
    answers       the digest of a teacher's stored answers, where there are such
    sha256        of all of that

A workdir whose run was trained before there was such a record has none: nothing is compared then, and a line says so.
"""

import dataclasses
import json

from odtf import paths, sealed
from odtf.errors import UserError

FILE = "data.json"
_DIGEST = "sha256"
_REMEDY = "a copy of it would be right"
_SHOWN = 5
_FORM = {
    **{"name": str, "names": [str], "image_shape": [int], "mean": [float], "std": [float]},
    **{"splits": {}, "domains": [{"name": str}]},
}


def of(dataset, domains=(), answers=None):
    """Returns the record of data, a dict that JSON can hold.

    Args:
        dataset: `odtf.data.ImageDataset`.
        domains: iterable of `odtf.data.Domain`.
        answers: `odtf.data.StoredAnswers` that come with them, or None.
    """
    record = {
        "name": dataset.name,
        "names": list(map(str, dataset.names)),
        "image_shape": list(dataset.image_shape),
        "mean": list(dataset.mean),
        "std": list(dataset.std),
        "splits": dataset.records,
        "domains": [{"name": domain.name, **domain.record} for domain in domains],
    } | ({} if answers is None else {"answers": answers.digest})
    return json.loads(json.dumps(record))


def info_of(record):
    """Returns the `odtf.data.Info` of what a record says, without opening the data."""
    from odtf import data

    normalization = tuple(record["mean"]), tuple(record["std"])
    return data.Info(record["name"], tuple(record["image_shape"]), tuple(record["names"]), normalization)


def write(workdir, record):
    """Writes the record of a run that is about to begin."""
    sealed.write(paths.at(workdir) / FILE, record, _DIGEST)


def read(workdir):
    """Returns the record of a workdir, or None if there is none.

    Raises:
        UserError: if it is damaged.
    """
    path = paths.at(workdir) / FILE
    try:
        record = sealed.read(path, _FORM, _REMEDY, key=_DIGEST, required=True)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if words := sealed.misfit([*record["splits"].values()], [{}], "splits"):
        raise sealed.Damaged(f"{path} is damaged: {words}; {_REMEDY}. Received: {str(record)[:60]}.")
    return record


def is_begun(workdir):
    """Whether a workdir holds what a training has made: what that learned from does not change any more."""
    workdir = paths.at(workdir)
    made = (workdir / "checkpoints").glob("step-*"), (workdir / "chosen").glob("step-*.npz")
    return (workdir / "report.json").exists() or any(any(found) for found in made)


def unknown(workdir):
    """Returns the line that says what cannot be checked in a workdir without a record."""
    return (
        f"note: {workdir} has no {FILE}: whether the classes, their order and the images of its data are still those "
        "that it learned from cannot be checked"
    )


def opened(workdir, dataset, record, log):
    """Returns a data set as a run has it: with the normalisation that its networks were trained with.

    Args:
        workdir: of the run.
        dataset: `odtf.data.ImageDataset`, its data as they are now.
        record: what `read` returned.
        log: callable that takes a line of text.

    Returns:
        (dataset, changes): the data set, and what `changes` says of its images.

    Raises:
        UserError: if its classes, their order or the size of its images are others.
    """
    if record is None:
        log(unknown(workdir))
        return dataset, []
    check_names(workdir, record, dataset.names)
    if record["image_shape"] != list(dataset.image_shape):
        raise UserError(
            f"The run in {workdir} learned from images of shape {tuple(record['image_shape'])}; data of that shape "
            f"would be right. Received: {tuple(dataset.image_shape)} from {dataset.name}."
        )
    found = changes(record, {**of(dataset), "domains": record["domains"]})
    return dataclasses.replace(dataset, mean=tuple(record["mean"]), std=tuple(record["std"])), found


def check_names(workdir, record, names):
    """Shows that names are those that a run learned, in their order.

    Args:
        workdir: of the run.
        record: what `read` returned.
        names: tuple of str.

    Raises:
        UserError: saying what differs.
    """
    old, new = record["names"], list(map(str, names))
    if old == new:
        return
    gone, come = ([name for name in one if name not in other] for one, other in ((old, new), (new, old)))
    parts = [f"without {_listed(gone)}"] if gone else []
    parts += [f"with {_listed(come)}, which the run does not know"] if come else []
    if not parts:
        place = next((i for i, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), len(old))
        there = [f"{one[place]!r}" if place < len(one) else "nothing" for one in (new, old)]
        parts = [f"another order, {there[0]} as number {place} where the run has {there[1]}"]
    raise UserError(
        f"The run in {workdir} learned the classes {_listed(old)}, in this order; data with the same, or a new "
        f"workdir, would be right. Received: {_listed(new)}: {' and '.join(parts)}."
    )


def check_same(workdir, found):
    """Shows that no image is another than those that a run learned from: where training goes on, splits never change.

    Args:
        workdir: of the run.
        found: what `changes` returned.

    Raises:
        UserError: naming what differs.
    """
    if found:
        raise UserError(
            f"The images of {workdir} are not those that its run learned from, and its splits would be others: the "
            f"same images, or a new workdir, would be right. Received: {'; '.join(found)}."
        )


def changes(old, new):
    """Returns what differs between the images of two records, a list of texts.

    Args:
        old, new: what `of` or `read` returned. What one of them does not say is not compared.
    """
    parts = [part for part in old["splits"] if part in new["splits"]]
    found = [text for part in parts for text in _differences(part, old["splits"][part], new["splits"][part])]
    answers = [record.get("answers") for record in (old, new)]
    if all(answers) and answers[0] != answers[1]:
        found.append(f"stored answers {_short(answers[0])} -> {_short(answers[1])}")
    names = [[domain["name"] for domain in record["domains"]] for record in (old, new)]
    if names[0] != names[1]:
        return [*found, f"domains {_listed(names[0])} -> {_listed(names[1])}"]
    for one, other in zip(old["domains"], new["domains"], strict=True):
        found += _differences(one["name"], one, other)
    return found


def _differences(title, old, new):
    keys = [key for key in old if key in new and old[key] != new[key]]
    nested = [key for key in keys if isinstance(old[key], dict) and isinstance(new[key], dict)]
    plain = [f"{key} {_short(old[key])} -> {_short(new[key])}" for key in keys if key not in nested]
    found = [f"{title}: {', '.join(plain)}"] if plain else []
    return found + [text for key in nested for text in _differences(f"{title} {key}", old[key], new[key])]


def _short(value):
    """A digest by its beginning."""
    return value[:8] if isinstance(value, str) and len(value) == 64 else value


def _listed(names):
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more if names else "none"
