"""Queries and their nearest neighbours as CSV, and a picture of them: right ones framed green, wrong ones red."""

import csv
import dataclasses
import io

import numpy as np

from odtf import files, pictures

_RIGHT, _WRONG = "tab:green", "tab:red"


@dataclasses.dataclass(frozen=True)
class Lists:
    """What was found for some queries.

    Attributes:
        queries: int array `[q]`, their positions among the images judged.
        classes: array of str `[q]`, what they show.
        found: int array `[q, n]`, positions in the database, the nearest first.
        found_classes: array of str `[q, n]`, what these show.
    """

    queries: np.ndarray
    classes: np.ndarray
    found: np.ndarray
    found_classes: np.ndarray


def write(lists, images, result, path):
    """Writes the files beside the JSON of a result.

    Args:
        lists: `Lists`.
        images: pair of uint8 `[q, height, width, channels]`, the queries, and a list of such arrays, of what was found
            for each; or None for no picture.
        result: of a study, with the "split".
        path: `pathlib.Path` of the JSON; the others differ in the suffix.

    Returns:
        list of str: the paths, or in place of the picture's what to install for it.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["query", "class", "rank", "found", "found class", "right"])
    for query, name, row, names in zip(lists.queries, lists.classes, lists.found, lists.found_classes, strict=True):
        for rank, (position, other) in enumerate(zip(row, names, strict=True), start=1):
            writer.writerow([query, name, rank, position, other, int(name == other)])
    files.write_text(path.with_suffix(".csv"), text.getvalue())
    picture = []
    if images is not None:
        picture = pictures.save(path.with_suffix(".png"), draw, lists, images, result, word="picture")
    return [str(path.with_suffix(".csv")), *picture]


def draw(pyplot, lists, images, result):
    """Draws one row for each query.

    Args:
        pyplot: matplotlib's.
        lists, images, result: as for `write`.

    Returns:
        The figure.
    """
    rows, columns = lists.found.shape
    figure, axes = pyplot.subplots(
        rows, columns + 1, figsize=(1.25 * (columns + 1), 1.45 * rows + 0.4), layout="constrained", squeeze=False
    )
    queries, found = images
    for i, name in enumerate(lists.classes):
        _show(axes[i, 0], queries[i], name, "black")
        for j, other in enumerate(lists.found_classes[i]):
            _show(axes[i, j + 1], found[i][j], other, _RIGHT if other == name else _WRONG)
    figure.suptitle(f"{result['split']}: queries, and the nearest first; mAP {result['map_cosine']:.2%}", fontsize=10)
    return figure


def _show(axis, image, name, colour):
    axis.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.set_title(name if len(name) <= 16 else f"{name[:15]}.", fontsize=7, color=colour)
    for side in axis.spines.values():
        side.set(color=colour, linewidth=3)
