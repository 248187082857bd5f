"""Cells of a comparison's tables, and those in Markdown: shares in per cent, their gains in points.

A table is a text, which stands above it in Markdown, and rows of str, the heading first.
"""


def mean_and_std(value, metric, signed=False):
    """Returns mean ± deviation of what `odtf.compare.spreads.spread_of` returned.

    Args:
        value: dict.
        metric: dict, what `odtf.training.report.metric_of` returned.
        signed: whether it is a gain.
    """
    sign = "+" if signed else ""
    if metric["share"]:
        return f"{value['mean'] * 100:{sign}.2f} ± {value['std'] * 100:.2f}"
    return f"{value['mean']:{sign}.4g} ± {value['std']:.2g}"


def interval(gain, metric):
    """Returns the interval of a gain, "-" where one seed has none."""
    return "-" if gain["interval"] is None else " to ".join(_number(end, metric) for end in gain["interval"])


def range_of(gain, metric):
    """Returns the least and the greatest of gains."""
    return " to ".join(_number(gain[end], metric) for end in ("least", "greatest"))


def _number(value, metric):
    return f"{value * 100:+.2f}" if metric["share"] else f"{value:+.4g}"


def each(pairs, number):
    """Returns the numbers that a config's pairs have, each once."""
    return ", ".join(sorted({f"{number(pair):,}" for pair in pairs}))


def in_markdown(text, rows):
    """Returns a table in Markdown, with its text above it."""
    head, *lines = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([text, "", head, "|" + "---|" * len(rows[0]), *lines]) + "\n"
