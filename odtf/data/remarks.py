"""Remarks on a data set that its user would want to know: small classes, and pictures that stand in two splits."""

import collections
import os

import numpy as np

from odtf import digests, paths
from odtf.data.dataset import labels_of

# Fewer images than these say little of a class, and its figures next to nothing.
FEW = 10
# Of larger sets the files are not read for it; on a store each is a question to a server.
MOST_FILES, MOST_ON_STORE = 100_000, 2_000
_SHOWN = 5
_TAIL = 4096


def of(names, notes, splits):
    """Returns remarks, a list of lines of text.

    Args:
        names: of the classes.
        notes: iterable of lines, what the source has to say.
        splits: mapping from a name to `Split`, as the source opened them.
    """
    return [*notes, *_small_classes(names, splits), *_twins(splits)]


def _small_classes(names, splits):
    counts = np.zeros(len(names), np.int64)
    for split in splits.values():
        labels = labels_of(split, names)
        if labels is None:
            return
        counts += np.bincount(labels, minlength=len(names))
    small = [f"{name!r} ({count})" for name, count in zip(names, counts, strict=True) if count < FEW]
    if small:
        more = f" and {len(small) - _SHOWN} more" if len(small) > _SHOWN else ""
        yield f"classes with fewer than {FEW} images in all splits together: {', '.join(small[:_SHOWN])}{more}"


def _twins(splits):
    """Pictures of equal content in two splits, which would be judged by what was learned from."""
    read = [(part, str(split.store.files[row])) for part, split in splits.items() for row in _rows_of_files(split)]
    most = MOST_ON_STORE if any(paths.is_store(path) for _, path in read[:1]) else MOST_FILES
    if len({part for part, _ in read}) < 2 or len(read) > most:
        return
    # Each reads more of fewer files than the one before; the ends of pictures differ where their heads are alike.
    groups = [read]
    for fingerprint in (_size, _tail, digests.sha256_of):
        groups = [group for former in groups for group in _across(former, fingerprint)]
    if groups:
        shown = [" and ".join(f"{path} ({part})" for part, path in _one_of_each(group)) for group in groups[:2]]
        yield (
            f"the same picture stands in two splits, {len(groups)} of them: {'; '.join(shown)}; "
            "what is measured on it is what was learned by heart"
        )


def _rows_of_files(split):
    return split.rows if getattr(split.store, "files", None) is not None else ()


def _across(files, fingerprint):
    """Groups of files of one fingerprint that are of several splits; files that cannot be read are in none."""
    groups = collections.defaultdict(list)
    for part, path in files:
        try:
            groups[fingerprint(path)].append((part, path))
        except OSError:
            continue
    return [group for group in groups.values() if len({part for part, _ in group}) > 1]


def _one_of_each(group):
    return list({part: (part, path) for part, path in reversed(group)}.values())[::-1][:2]


def _size(path):
    return paths.at(path).stat().st_size


def _tail(path):
    with paths.at(path).open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
        return file.read()
