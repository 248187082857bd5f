"""The page of a comparison."""

import json

from odtf import paths, sealed
from odtf.compare import gains_plot, images_plot, learning_curves, markdown
from odtf.errors import UserError
from odtf.page import html
from odtf.sections import Figure, Note, Section, Table
from odtf.training.report import shown

# Of a figure whose words can be read on a phone.
_INCHES = 5.0
_SUMMARY = {"mean": float, "std": float, "least": float, "greatest": float}
_GAIN = {**_SUMMARY, "interval": object}
_FORM = {
    "seeds": list,
    "equal": str,
    "metric": {"name": str, "title": str, "better": str, "share": bool},
    "rows": [
        {
            **{"label": str, "method": str, "peer": object, "images": object, "train_images": object},
            **{"network": object, "batch_size": int, "learning_rate": float, "compression": object},
            "pairs": [{"seed": int, "student": {"name": str}}],
            "curves": {"student": list, "alone": list},
            **{f"{split}_{who}": _SUMMARY for split in ("val", "test") for who in ("student", "alone", "typical")},
            **{f"{split}_{gain}": _GAIN for split in ("val", "test") for gain in ("gain", "typical_gain")},
            **{"relative_gain": object, "seconds": {"run": float, "alone": float, "ratio": float}},
        }
    ],
}


def read(path):
    """Reads the JSON of a comparison.

    Args:
        path: what `odtf-compare --json` named.

    Returns:
        dict, what `odtf.compare.pairing.run` returned.

    Raises:
        UserError: if it cannot be read, or is none.
    """
    try:
        result = json.loads(paths.at(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"--json must be what odtf-compare wrote. Received: {path} ({error}).") from error
    if (wrong := sealed.misfit(result, _FORM)) is not None:
        raise UserError(f"--json must be what odtf-compare wrote: {wrong}. Received: {path}.")
    return result


def write(result, path):
    """Writes the page of a comparison.

    Args:
        result: dict, what `read` returned.
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
