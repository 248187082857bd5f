"""Candidates for export as a table and a plot: quality against what each one costs."""

from odtf import files, pictures
from odtf.candidates import budget
from odtf.tables import table


def render(rows, quality, best=None):
    """Returns the candidates as a table of text, the best first.

    Args:
        rows: list of candidates, see `odtf.candidates.budget`.
        quality: `budget.Quality`.
        best: the chosen one, or None.
    """
    return table(_cells(rows, quality, best))


def _cells(rows, quality, best):
    known = [name for name in budget.QUANTITIES if any(row[name] is not None for row in rows)]
    fronts = {name: budget.front(rows, name, quality) for name in known}
    labels = (budget.QUANTITIES[name].label for name in known)
    cells = [("candidate", f"val {quality.metric.title}", *labels, "on the Pareto front of")]
    accepted = budget.usable(rows, quality)
    for row in sorted(accepted, key=lambda row: (-quality.gain(row), row["bytes"], budget.name_of(row))):
        name = budget.name_of(row) + (" (chosen)" if row is best else "")
        fronting = [quantity.removesuffix("_us") for quantity in known if row in fronts[quantity]]
        amounts = (budget.amount(quantity, row[quantity]) for quantity in known)
        cells.append((name, quality.text(row), *amounts, "all" if len(fronting) == len(known) else ", ".join(fronting)))
    for row in sorted((row for row in rows if row not in accepted), key=budget.name_of):
        cells.append((budget.name_of(row), "refused", *("-" for _ in known), ""))
    return cells


def write(rows, quality, target, limits, best, path):
    """Writes the table as Markdown and, where matplotlib is installed, the plot.

    Args:
        rows: list of candidates.
        quality: `budget.Quality`.
        target: name of the target.
        limits: the budget they were asked for.
        best: the chosen candidate, or None.
        path: a `pathlib.Path`; the files are called as it is, with the suffixes .md and .png.

    Returns:
        A line of text that names the files.
    """
    header, *lines = _cells(rows, quality, best)
    ruled = [header, ["---"] + ["---:"] * (len(header) - 2) + ["---"], *lines]
    notes = dict.fromkeys(f"* {budget.name_of(row)}: {note}" for row in rows for note in row["notes"])
    text = [
        f"Candidates for {target} within {budget.describe(limits)}: "
        + (f"**{budget.name_of(best)}**." if best else "none fits."),
        f"Val {quality.metric.title} is that of the exported file on the validation split. Latency is that of the "
        "machine which measured it: p50 of one thread, median of several rounds, noisy all the same. Cycles and SRAM "
        "are Vela's.",
        "\n".join(f"| {' | '.join(cells)} |" for cells in ruled),
        "\n".join(notes),
    ]
    files.write_text(path.with_suffix(".md"), "\n\n".join(filter(None, text)) + "\n")
    plot = pictures.save(path.with_suffix(".png"), _plot, rows, quality, limits, best)
    return f"All candidates: {', '.join([str(path), str(path.with_suffix('.md')), *plot])}"


def _plot(pyplot, rows, quality, limits, best):
    accepted = budget.usable(rows, quality)
    known = [name for name in budget.QUANTITIES if any(row[name] is not None for row in accepted)]
    if not known:
        return None
    height, width = -(-len(known) // 3), min(3, len(known))
    figure, panels = pyplot.subplots(
        height, width, figsize=(3.8 * width, 3.4 * height), sharey=True, layout="constrained", squeeze=False
    )
    for axes in panels.flat[len(known) :]:
        axes.set_visible(False)
    for axes, quantity in zip(panels.flat, known, strict=False):
        _draw(axes, accepted, quality, quantity, best)
        if quantity in limits:
            axes.axvline(limits[quantity], linestyle="--", color="tab:red", linewidth=1)
        _label(axes, quantity)
    unit = " (%)" if quality.metric.share else ""
    figure.supylabel(f"validation {quality.metric.title} of the file{unit}", fontsize=9)
    panels[0][0].legend(fontsize=8)
    figure.suptitle("grey: Pareto front; dashed: limit; ring: chosen", fontsize=9)
    return figure


def _draw(axes, rows, quality, quantity, best):
    def points(chosen):
        factor = 100 if quality.metric.share else 1
        return [row[quantity] for row in chosen], [row[quality.key] * factor for row in chosen]

    for number, kind in enumerate(dict.fromkeys(row["quantization"] for row in rows)):
        shown = [row for row in rows if row["quantization"] == kind and row[quantity] is not None]
        axes.plot(*points(shown), "o", color=f"C{number}", label=kind)
    front = budget.front(rows, quantity, quality)
    axes.plot(*points(front), "-", color="0.6", zorder=0, drawstyle="steps-post")
    if best and best[quantity] is not None:
        axes.plot(*points([best]), "o", markersize=13, fillstyle="none", color="black")
    # One name for what lies in one place.
    for place, peer in {tuple(zip(*points([row]), strict=True)): row["peer"] for row in front}.items():
        axes.annotate(peer, place[0], fontsize=7, rotation=20)


def _label(axes, quantity):
    from matplotlib import ticker

    axes.set_xscale("log")
    axes.margins(x=0.2)
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(ticker.EngFormatter())
    axes.xaxis.set_minor_formatter(ticker.NullFormatter())
    axes.set_xlabel(budget.QUANTITIES[quantity].label)
    axes.grid(alpha=0.3)
