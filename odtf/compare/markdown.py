"""A comparison as files: JSON, two Markdown tables and a plot."""

import pathlib
import statistics

from odtf import pictures
from odtf.compare import gains_plot, ratios
from odtf.compare.plan import EQUAL
from odtf.files import is_plain, make_directory, write_json, write_text

_COLUMNS = ("alone", "student", "gain")
_HEADING = (
    "config",
    "student",
    "parameters",
    "val alone",
    "student",
    "gain",
    "test alone",
    "student",
    "gain",
    "mean peer",
)


def write(result, path, ratio_to=(), at_end=False):
    """Writes the comparison as JSON, Markdown and, where matplotlib is installed, a plot.

    Args:
        result: dict, what `odtf.compare.pairing.run` returned.
        path: of the JSON file; the others go beside it, unless it is no plain file.
        ratio_to: iterable of names of rows, for a table each of `odtf.compare.ratios`.
        at_end: bool, as for that table.

    Returns:
        The Markdown text, with a line that names the files.

    Raises:
        UserError: if there is no such row.
    """
    path = pathlib.Path(path)
    markdown = "\n".join([to_markdown(result), *(ratios.table(result, name, at_end) for name in ratio_to)])
    if not is_plain(path):
        write_json(path, result)
        return f"\n{markdown}\n{path}"
    make_directory(path.parent)
    write_json(path, result)
    write_text(path.with_suffix(".md"), markdown)
    plot = pictures.save(path.with_suffix(".png"), gains_plot.draw, result)
    files = [str(path), str(path.with_suffix(".md")), *plot]
    return f"\n{markdown}\n{', '.join(files)}"


def to_markdown(result):
    """Returns a comparison as two Markdown tables: the values, and what each run got for them."""
    return "\n".join(
        "\n".join([text, "", _line(head), _rule(len(head)), *map(_line, lines)]) + "\n"
        for text, (head, *lines) in (values(result), budgets(result))
    )


def values(result):
    """Returns the table of values and gains: shares in per cent, their gains in points, mean ± deviation.

    Returns:
        (text above the table, rows of str with the heading first).
    """
    metric, seeds = result["metric"], len(result["seeds"])
    text = (
        f"Mean ± standard deviation over {seeds} seeds, {metric['title']}{' in %' if metric['share'] else ''}; gain: "
        "paired, how much better the student is than the same network alone. The student is the best peer on "
        "validation; the mean peer's gain leaves that choice out."
    )
    lines = [_HEADING]
    for row in result["rows"]:
        cells = [row["label"], ", ".join(_names(row["pairs"])), _each(row["pairs"], lambda p: p["student"]["params"])]
        for split, names in (("val", _COLUMNS), ("test", (*_COLUMNS, "typical_gain"))):
            cells += [_spread(row[f"{split}_{name}"], metric, name.endswith("gain")) for name in names]
        lines.append(tuple(cells))
    return text, lines


def _names(pairs):
    """Returns the names of a config's students, sorted; of one made of several networks, what stands beside it."""
    made = {pair["student"]["name"]: pair["members"] for pair in pairs}
    return [f"{name} (ensemble of {n}; alone: one member)" if n > 1 else name for name, n in sorted(made.items())]


def _spread(value, metric, signed):
    sign = "+" if signed else ""
    if metric["share"]:
        return f"{value['mean'] * 100:{sign}.2f} ± {value['std'] * 100:.2f}"
    return f"{value['mean']:{sign}.4g} ± {value['std']:.2g}"


def budgets(result):
    """Returns the table of what each method's run, its student within it, and the network alone got, as `values`."""
    parts = {"epochs": ("run", "student", "alone"), "steps": ("run", "student", "alone")}
    parts |= {"images": ("run", "student", "alone"), "seconds": ("run", "alone")}
    head = [f"{what} {who}" if i == 0 else who for what, parties in parts.items() for i, who in enumerate(parties)]
    text = (
        f"Student and network alone share {EQUAL[result['equal']]} (--equal={result['equal']}). Run: the whole "
        "run of a method, whose images are counted for each network that learns; means over the seeds."
    )
    lines = [("config", "batch", "rate", *head)]
    for row in result["rows"]:
        cells = [row["label"], str(row["batch_size"]), f"{row['learning_rate']:.4g}"]
        for what, parties in parts.items():
            cells += [f"{statistics.fmean(p['got'][who][what] for p in row['pairs']):,.0f}" for who in parties]
        lines.append(tuple(cells))
    return text, lines


def _each(pairs, number):
    """Returns the numbers that a config's pairs have, each once."""
    return ", ".join(sorted({f"{number(pair):,}" for pair in pairs}))


def _line(cells):
    return f"| {' | '.join(cells)} |"


def _rule(count):
    return "|" + "---|" * count
