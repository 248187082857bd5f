"""The result of an evaluation for people, and as JSON with what the task writes beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odtf import files, paths

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from odtf.tasks.study import Study


def render(result: Mapping[str, Any], study: Study) -> str:
    """Returns the result of `evaluate` as text.

    Args:
        result, study: what `evaluate` returned.
    """
    file, shown = result["file"], ("path", "bytes", "input", "pixels", "resize")
    size = "x".join(map(str, file["input"]))
    facts = "".join(f", {key} {value}" for key, value in file.items() if key not in shown)
    if file.get("resize", "stretch") != "stretch":
        facts = f", images by {file['resize']}{facts}"
    lines = [
        f"{file['path']}: {size}, pixels by {file['pixels']}{facts}",
        f"{result['data']}, {result['split']}, {result['examples']:,} images",
        *(f"note: {note}" for note in result.get("notes", ())),
        "",
    ]
    rows, details = study.rows(result), study.details(result)
    width = max(len(name) for name, _ in rows)
    lines += [f"{name.ljust(width)}  {value}" for name, value in rows]
    return "\n".join([*lines, "", details] if details else lines)


def write(result, study, path):
    """Writes the result as JSON, and beside it what the task has to show; nothing is beside what is no plain file.

    Args:
        result, study: what `evaluate` returned.
        path: of the JSON file; the others differ in the suffix.

    Returns:
        A line of text that names the files.
    """
    path = paths.at(path)
    if not files.is_plain(path):
        files.write_json(path, result)
        return f"All of it: {path}"
    files.make_directory(path.parent)
    files.write_json(path, result)
    return f"All of it: {', '.join([str(path), *study.write(result, path)])}"
