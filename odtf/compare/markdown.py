"""A comparison as files: JSON, Markdown tables and plots."""

import statistics

from odtf import paths, pictures
from odtf.compare import comparison_record, gains_plot, images_plot, learning_curves, ratios, side_by_side
from odtf.compare.cells import each, in_markdown, interval, mean_and_std, range_of
from odtf.compare.plan import EQUAL
from odtf.compare.spreads import spread_of
from odtf.files import is_plain, make_directory, write_text

_COLUMNS = ("alone", "student", "gain")
_HEADING = (
    *("config", "student", "parameters", "val alone", "student", "gain", "test alone", "student", "gain"),
    *("95 % interval", "least to greatest", "relative", "mean peer", "95 % interval"),
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
    path = paths.at(path)
    extra = [in_markdown(*ratios.table(result, name, at_end)) for name in ratio_to]
    markdown = "\n".join([to_markdown(result), *extra])
    if not is_plain(path):
        comparison_record.write(result, path)
        return f"\n{markdown}\n{path}"
    make_directory(path.parent)
    comparison_record.write(result, path)
    write_text(path.with_suffix(".md"), markdown)
    plots = {".png": gains_plot.draw, ".curves.png": learning_curves.draw, ".images.png": images_plot.draw}
    drawn = [text for suffix, draw in plots.items() for text in pictures.save(path.with_suffix(suffix), draw, result)]
    files = [str(path), str(path.with_suffix(".md")), *dict.fromkeys(drawn)]
    return f"\n{markdown}\n{', '.join(files)}"


def to_markdown(result):
    """Returns a comparison as Markdown tables: values, what each run got for them, what else there is to say."""
    return "\n".join(in_markdown(*table) for table in (values(result), budgets(result), *others(result)))


def others(result):
    """Returns the tables that not every comparison has, as `values` in a list.

    They are how small the students are beside the networks that they stand for, what taught them, methods on one
    student side by side, and the gain against the number of images.
    """
    return [*_compressions(result), *_teachers(result), *side_by_side.tables(result), *images_plot.tables(result)]


def values(result):
    """Returns the table of values and gains: shares in per cent, their gains in points, mean ± deviation.

    Returns:
        (text above the table, rows of str with the heading first).
    """
    metric, seeds = result["metric"], len(result["seeds"])
    text = (
        f"Mean ± standard deviation over {seeds} seeds, {metric['title']}{' in %' if metric['share'] else ''}; gain: "
        "paired, how much better the student is than the same network alone, with its 95 % interval by Student's t, "
        "and relative to what that network has. The student is the best peer on validation; the mean peer's gain "
        "leaves that choice out."
    )
    lines = [_HEADING]
    for row in result["rows"]:
        pairs = row["pairs"]
        cells = [row["label"], ", ".join(_names(pairs)), each(pairs, lambda p: p["student"]["params"])]
        for split in ("val", "test"):
            cells += [mean_and_std(row[f"{split}_{name}"], metric, name == "gain") for name in _COLUMNS]
        gain, typical = row["test_gain"], row["test_typical_gain"]
        relative = row["relative_gain"]
        cells += [interval(gain, metric), range_of(gain, metric)]
        cells += ["-" if relative is None else f"{relative['mean']:+.1%}"]
        cells += [mean_and_std(typical, metric, True), interval(typical, metric)]
        lines.append(tuple(cells))
    return text, lines


def _teachers(result):
    """Returns the table of what taught the students, and what it reaches itself."""
    metric = result["metric"]
    heads = (f"{split} {metric['title']}" for split in ("val", "test"))
    lines = [("config", "teacher", "parameters", "MACs", *heads)]
    for row in result["rows"]:
        for name in row["pairs"][0].get("teachers", {}):
            found = [pair["teachers"][name] for pair in row["pairs"]]
            costs = ["-" if found[0].get(what) is None else f"{found[0][what]:,}" for what in ("params", "macs")]
            values = (spread_of(one[f"{split}_{metric['name']}"] for one in found) for split in ("val", "test"))
            lines.append((row["label"], name, *costs, *(mean_and_std(value, metric) for value in values)))
    text = f"What taught the students: mean ± standard deviation over the seeds{', in %' if metric['share'] else ''}."
    return [(text, lines)] if lines[1:] else []


def _names(pairs):
    """Returns the names of a config's students, sorted; of one made of several networks, what stands beside it."""
    made = {pair["student"]["name"]: pair["members"] for pair in pairs}
    return [f"{name} (ensemble of {n}; alone: one member)" if n > 1 else name for name, n in sorted(made.items())]


def budgets(result):
    """Returns the table of what each method's run, its student within it, and the network alone got, as `values`."""
    parts = {"epochs": ("run", "student", "alone"), "steps": ("run", "student", "alone")}
    parts |= {"images": ("run", "student", "alone"), "seconds": ("run", "alone")}
    head = [f"{what} {who}" if i == 0 else who for what, parties in parts.items() for i, who in enumerate(parties)]
    text = (
        f"Student and network alone share {EQUAL[result['equal']]} (--equal={result['equal']}). Run: the whole "
        "run of a method, whose images are counted for each network that learns; means over the seeds. Seconds are of "
        "training, by the clock on the wall."
    )
    lines = [("config", "batch", "rate", *head, "ratio")]
    for row in result["rows"]:
        cells = [row["label"], str(row["batch_size"]), f"{row['learning_rate']:.4g}"]
        for what, parties in parts.items():
            cells += [f"{statistics.fmean(p['got'][who][what] for p in row['pairs']):,.0f}" for who in parties]
        lines.append((*cells, f"{row['seconds']['ratio']:.2f}"))
    return text, lines


def _compressions(result):
    """Returns the table of what students cost beside the networks that they stand for, where a run says it."""
    rows = [row for row in result["rows"] if row["compression"]]
    text = (
        "What a student costs, and in brackets how many times smaller that is than the network with standard "
        "convolutions and all channels."
    )
    lines = [("config", "parameters", "MACs")]
    for row in rows:
        student, compression = row["pairs"][0]["student"], row["compression"]
        cells = [
            f"{student[what]:,} ({compression[ratio]:.2f} x)" if ratio in compression else "-"
            for what, ratio in (("params", "params_ratio"), ("macs", "macs_ratio"))
        ]
        lines.append((row["label"], *cells))
    return [(text, lines)] if rows else []
