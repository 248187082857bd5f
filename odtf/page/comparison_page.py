"""The page of a comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odtf.compare import gains_plot, images_plot, learning_curves, markdown
from odtf.page import html
from odtf.sections import Figure, Note, Section, Table
from odtf.training.report import shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from odtf.models.annotations import Path


# Of a figure whose words can be read on a phone.
_INCHES = 5.0


def write(result: Mapping[str, Any], path: Path) -> str:
    """Writes the page of a comparison.

    Args:
        result: dict, what `odtf.compare.comparison_record.read` returned.
        path: of the file.

    Returns:
        A line of text that names the file, and says what is missing in it.

    Raises:
        UserError: if the file cannot be written.
    """
    metric, rows = result["metric"], result["rows"]
    best = max(rows, key=lambda row: row["test_gain"]["mean"])
    gain = shown(best["test_gain"]["mean"], metric, signed=True)
    summary = [
        ("configs", str(len(rows))),
        ("seeds", ", ".join(map(str, result["seeds"]))),
        ("judged by", metric["title"]),
        ("largest gain on test", f"{gain}, {best['method']}"),
    ]
    (told, values), (got, budgets) = markdown.values(result), markdown.budgets(result)
    caption = "Gain of each student over the same network alone: dots are seeds, diamonds means and 95 % intervals."
    by_images = "Gain over the number of images."
    learning = "Validation after every epoch: mean of the seeds, and from the least to the greatest."
    tables = [block for text, table in markdown.others(result) for block in (Table(table), Note(text))]
    sections = [Section("Gains", (Figure(caption, gains_plot.draw, (result, _INCHES)), Table(values), Note(told)))]
    if tables:
        sections.append(Section("Side by side", (Figure(by_images, images_plot.draw, (result,)), *tables)))
    if learning_curves.any_of(result):
        sections.append(Section("Learning curves", (Figure(learning, learning_curves.draw, (result,)),)))
    sections.append(Section("What each run got", (Table(budgets), Note(got))))
    sections.append(Section("Every seed", (Table(_seeds(result)),)))
    return html.write(path, f"Comparison of {len(rows)} config{'s' if len(rows) > 1 else ''}", summary, sections)


def _seeds(result):
    metric = result["metric"]
    heads = [f"{split} {title}" for split in ("val", "test") for title in ("student", "alone", "gain")]
    table = [("config", "seed", "student", *heads)]
    for row in result["rows"]:
        for pair in row["pairs"]:
            cells = []
            for split in ("val", "test"):
                cells += [shown(pair[who][f"{split}_{metric['name']}"], metric) for who in ("student", "alone")]
                cells.append(shown(pair[f"{split}_gain"], metric, signed=True))
            table.append((row["label"], str(pair["seed"]), pair["student"]["name"], *cells))
    return table
