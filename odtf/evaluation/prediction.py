"""What a file says of pictures that nobody has labelled."""

from __future__ import annotations

import csv
import io
import sys
from typing import TYPE_CHECKING

import numpy as np
import tqdm

from odtf import files, paths
from odtf.data import Info, folders, passed_over
from odtf.data.decoding import EXTENSIONS, decode, read
from odtf.errors import UserError
from odtf.tables import table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from odtf.evaluation.image_file import ImageFile
    from odtf.models.annotations import Path
    from odtf.tasks import Task


_SHOWN = 20


def predict(
    file: ImageFile,
    folder: Path,
    task: Task,
    *,
    names: Sequence[str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Runs a file over the pictures in and below a folder.

    A picture that cannot be read gets a row that says why, and stops nothing.

    Args:
        file: `ImageFile`; pictures come to its size as it says.
        folder: path.
        task: `odtf.tasks.Task`, which knows what the file's output means.
        names: list of str, of the outputs, for a file that does not say them; None: they are numbered.
        options: mapping of further arguments of the task's `reader`, or None.

    Returns:
        dict that JSON can hold, see `odtf.commands.predict`.

    Raises:
        UserError: if the folder has no picture that can be read, or the file is none of the task's.
    """
    pictures = folders.below(folder, EXTENSIONS)
    if not pictures:
        left = passed_over.listed(passed_over.kinds_below(folder, EXTENSIONS)) or "no file in it"
        raise UserError(f"There are no pictures in the folder. Received: {folder} with {left}.")
    answer, facts = _answerer(file, str(folder), task, names, options)
    rows = []
    bar = tqdm.tqdm(pictures, unit="image", file=sys.stderr, disable=not sys.stderr.isatty(), leave=False)
    for path in bar:
        row = {"image": paths.relative(path, folder)}
        try:
            image = _opened(file, path)
        except UserError as error:
            rows.append({**row, "error": str(error)})
            continue
        rows.append({**row, **answer(image)})
    if all("error" in row for row in rows):
        raise UserError(f"None of the {len(rows)} pictures can be read; of the first: {rows[0]['error']}")
    about = {"path": file.path, "input": [*file.image_size, file.channels], "pixels": file.pixels.source}
    result = {"task": task.name, "file": {**about, "resize": file.resize, **facts}, "images": rows}
    counts = passed_over.kinds_below(folder, EXTENSIONS)
    return result | ({"notes": [f"passed over: {passed_over.listed(counts)}"]} if counts else {})


def predict_file(
    file: ImageFile,
    path: Path,
    task: Task,
    *,
    names: Sequence[str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Runs a file on one picture; see `predict`.

    Returns:
        List of one dict, a row of "images".
    """
    answer, _ = _answerer(file, str(path), task, names, options)
    return [{"image": str(path), **answer(_opened(file, path))}]


def predict_arrays(
    file: ImageFile,
    images: np.ndarray,
    task: Task,
    *,
    names: Sequence[str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Runs a file on images in memory; see `predict`.

    Args:
        images: uint8 array `[n, height, width, 1 or 3]`.

    Returns:
        List of dicts, rows of "images" that are numbered.
    """
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise UserError(
            "Images in memory are uint8, [n, height, width, 1 or 3]. "
            f"Received: {images.dtype} of the shape {list(images.shape)}."
        )
    answer, _ = _answerer(file, "the images", task, names, options)
    return [{"image": number, **answer(image)} for number, image in enumerate(images)]


def _answerer(file, where, task, names, options):
    """Returns a function from an image to what the task tells of it, and what the task says of the file."""
    info = Info(where, (*file.image_size, file.channels), _names(file, names, options))
    reader = task.reader(file, info, **(options or {}))
    return lambda image: task.predictions(reader(file.answers(image[None])), info)[0], reader.facts


def _opened(file, path):
    return decode(read(path), file.image_size, file.channels, path, resize=file.resize)


def _names(file, given, options):
    """Names of the outputs: those of the file, those given, or numbers."""
    if given:
        file.name_outputs(given)
    if file.names:
        return tuple(file.names)
    count = max(2, int(file.output["shape"][-1])) - (options or {}).get("label_offset", 0)
    return tuple(map(str, range(count)))


def as_csv(result: Mapping[str, Any]) -> str:
    """Returns the rows of `predict` as CSV text, one picture a line: what is nested is left to JSON."""
    flat = [{key: value for key, value in row.items() if not isinstance(value, dict)} for row in result["images"]]
    columns = list(dict.fromkeys(["image", *(key for row in flat for key in row if key != "error"), "error"]))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue()


def render(result: Mapping[str, Any]) -> str:
    """Returns the first rows of `predict` as a table of text, and below it what could not be read or is passed over."""
    rows = [row for row in result["images"] if "error" not in row]
    flat = [{key: value for key, value in row.items() if not isinstance(value, dict)} for row in rows]
    text = table([tuple(flat[0]), *(tuple(map(str, row.values())) for row in flat[:_SHOWN])])
    lines = [text, *([f"and {len(flat) - _SHOWN:,} more"] if len(flat) > _SHOWN else [])]
    if failed := [row for row in result["images"] if "error" in row]:
        lines.append(f"\nnote: {len(failed):,} cannot be read; the first: {failed[0]['error']}")
    return "\n".join([*lines, *(f"note: {note}" for note in result.get("notes", ()))])


def write(result: Mapping[str, Any], csv_path: Path | None = None, json_path: Path | None = None) -> list[Path]:
    """Writes the result as CSV, as JSON, or both; returns the paths that were written."""
    if csv_path is not None:
        files.write_text(csv_path, as_csv(result))
    if json_path is not None:
        files.write_json(json_path, result)
    return [path for path in (csv_path, json_path) if path is not None]
