"""The plot of a comparison: the gain of every seed, and mean and 95 % interval, a line for each config."""

import re
import textwrap


def draw(pyplot, result, width=8.0):
    """Draws the gains on the test split.

    Args:
        pyplot: `matplotlib.pyplot`.
        result: dict, what `odtf.compare.pairing.run` returned.
        width: of the figure, in inches.

    Returns:
        The figure.
    """
    metric, rows = result["metric"], result["rows"][::-1]
    factor = 100 if metric["share"] else 1
    ink = pyplot.rcParams["text.color"]
    figure, axes = pyplot.subplots(figsize=(width, 1.2 + 0.7 * len(rows)), layout="constrained")
    axes.axvline(0, color="0.6", linewidth=1)
    for y, row in enumerate(rows):
        gains = [pair["test_gain"] * factor for pair in row["pairs"]]
        axes.plot(gains, [y] * len(gains), "o", color="tab:blue", alpha=0.5)
        gain = row["test_gain"]
        low, high = gain["interval"] or (gain["mean"], gain["mean"])  # One seed has none.
        reach = [[(gain["mean"] - low) * factor], [(high - gain["mean"]) * factor]]
        axes.errorbar(gain["mean"] * factor, y, xerr=reach, fmt="D", color=ink, capsize=4)
    names = [f"{row['method']}\n{wrapped(row['label'], round(5 * width))}" for row in rows]
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    unit = " (points)" if metric["share"] else ""
    # Of the figure, which is wider than the axes beside long names.
    figure.supxlabel(f"gain in test {metric['title']} over the same network alone{unit}", fontsize=10)
    figure.suptitle("dots: seeds; diamond: mean and 95 % interval", fontsize=9)
    return figure


def wrapped(label, width):
    """Breaks a config's name after a mark, so that the plot has room beside it."""
    lines = textwrap.wrap(re.sub("([,:=])", r"\1 ", label), width)
    return re.sub("([,:=]) ", r"\1", "\n".join(lines))
