"""The gain against the number of images: a table and a plot, a line for each config that was trained on several."""

import re

from odtf.compare.cells import interval, mean_and_std


def lines_of(rows):
    """Returns the rows of each config that was trained on several numbers of images, by what they have in common.

    Args:
        rows: those of a comparison, see `odtf.compare.pairing.run`.

    Returns:
        dict from a label to its rows, from few images to all.
    """
    found = {}
    for row in rows:
        found.setdefault(re.sub(r" images=\w+", "", row["label"]), []).append(row)
    return {
        label: sorted(group, key=lambda row: row["images"] or float("inf"))
        for label, group in found.items()
        if len({row["images"] for row in group}) > 1
    }


def tables(result):
    """Returns the table, see `odtf.compare.cells`, in a list; an empty one where there is nothing to say.

    Args:
        result: dict, what `odtf.compare.pairing.run` returned.
    """
    metric, found = result["metric"], lines_of(result["rows"])
    text = f"The gain against the number of images: test {metric['title']}, paired, with its 95 % interval."
    lines = [("config", "images", "alone", "student", "gain", "95 % interval")]
    for label, rows in found.items():
        for row in rows:
            cells = [mean_and_std(row[f"test_{name}"], metric, name == "gain") for name in ("alone", "student", "gain")]
            images = f"{_count(row):,}" if _count(row) else "all"
            lines.append((label, images, *cells, interval(row["test_gain"], metric)))
    return [(text, lines)] if found else []


def _count(row):
    """How many images a row's students trained on; None where it is all, and no run says how many those are."""
    return row["images"] or row["train_images"]


def draw(pyplot, result):
    """Draws the gains, with the intervals of several seeds, over the number of images on a logarithmic axis.

    Args:
        pyplot: `matplotlib.pyplot`.
        result: dict, what `odtf.compare.pairing.run` returned.

    Returns:
        The figure; None where no config was trained on several numbers of images.
    """
    metric, found = result["metric"], lines_of(result["rows"])
    if not found:
        return None
    factor = 100 if metric["share"] else 1
    figure, axes = pyplot.subplots(figsize=(6.5, 4.2), layout="constrained")
    axes.axhline(0, color="0.6", linewidth=1)
    for number, (label, rows) in enumerate(found.items()):
        largest = max(row["images"] or 0 for row in rows)
        # Side by side, so that no bar hides another.
        counts = [(_count(row) or 2 * largest) * 1.04**number for row in rows]
        gains = [row["test_gain"] for row in rows]
        low, high = zip(*(gain["interval"] or [gain["mean"]] * 2 for gain in gains), strict=True)
        means = [gain["mean"] * factor for gain in gains]
        errors = [[(g["mean"] - end) * factor for g, end in zip(gains, low, strict=True)]]
        errors += [[(end - g["mean"]) * factor for g, end in zip(gains, high, strict=True)]]
        axes.errorbar(counts, means, yerr=errors, marker="o", capsize=4, label=label)
    axes.set_xscale("log")
    ticks = sorted({_count(row) for rows in found.values() for row in rows if _count(row)})
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("training images")
    axes.set_ylabel(f"gain in test {metric['title']}{' (points)' if metric['share'] else ''}")
    axes.legend(fontsize=8)
    axes.set_title("gain over the same network alone; bars: 95 % interval", fontsize=9)
    return figure
