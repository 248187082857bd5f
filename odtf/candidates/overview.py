"""Candidates for export as a table and a plot: quality against what each one costs."""

from odtf import files, pictures
from odtf.candidates import budget, scales
from odtf.tables import table

LEGEND = "grey: Pareto front; dashed: limit; ring: chosen"


def render(rows, quality, best=None):
    """Returns the candidates as a table of text, the best first.

    Args:
        rows: list of candidates, see `odtf.candidates.budget`.
        quality: `budget.Quality`.
        best: the chosen one, or None.
    """
    return table(cells(rows, quality, best))


def cells(rows, quality, best=None):
    """Returns the table of candidates as rows of text, the heading first; see `render`."""
    known = [name for name in budget.QUANTITIES if any(row[name] is not None for row in rows)]
    fronts = {name: budget.front(rows, name, quality) for name in known}
    labels = (budget.QUANTITIES[name].label for name in known)
    found = [("candidate", f"val {quality.metric.title}", *labels, "on the Pareto front of")]
    accepted = budget.usable(rows, quality)
    for row in sorted(accepted, key=lambda row: (-quality.gain(row), row["bytes"], budget.name_of(row))):
        name = budget.name_of(row) + (" (chosen)" if row is best else "")
        fronting = [quantity.removesuffix("_us") for quantity in known if row in fronts[quantity]]
        amounts = (budget.amount(quantity, row[quantity]) for quantity in known)
        found.append((name, quality.text(row), *amounts, "all" if len(fronting) == len(known) else ", ".join(fronting)))
    for row in sorted((row for row in rows if row not in accepted), key=budget.name_of):
        found.append((budget.name_of(row), "refused", *("-" for _ in known), ""))
    return found


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
    header, *lines = cells(rows, quality, best)
    ruled = [header, ["---"] + ["---:"] * (len(header) - 2) + ["---"], *lines]
    notes = dict.fromkeys(f"* {budget.name_of(row)}: {note}" for row in rows for note in row["notes"])
    text = [
        f"Candidates for {target} within {budget.describe(limits)}: "
        + (f"**{budget.name_of(best)}**." if best else "none fits."),
        f"Val {quality.metric.title} is that of the exported file on the validation split. Latency is that of the "
        "machine which measured it: p50 of one thread, median of several rounds, noisy all the same. Cycles and SRAM "
        f"are Vela's.{_arenas(rows)}",
        "\n".join(f"| {' | '.join(line)} |" for line in ruled),
        "\n".join(notes),
    ]
    files.write_text(path.with_suffix(".md"), "\n\n".join(filter(None, text)) + "\n")
    plot = pictures.save(path.with_suffix(".png"), draw, rows, quality, limits, best)
    return f"All candidates: {', '.join([str(path), str(path.with_suffix('.md')), *plot])}"


def _arenas(rows):
    """Who says what arenas are; they may have been measured one after the other."""
    by = list(dict.fromkeys(row["arena_by"] for row in rows if row.get("arena_by")))
    told = f" Arenas are TFLite Micro's, activations and structures on a 64-bit machine, by {' and '.join(by)}."
    return told if by else ""


def draw(pyplot, rows, quality, limits, best):
    """Draws quality against each quantity that is known.

    Args:
        pyplot: matplotlib's.
        rows, quality, limits, best: as for `write`.

    Returns:
        The figure; None where nothing is known.
    """
    known = _known(rows, quality)
    if not known:
        return None
    height, width = -(-len(known) // 3), min(3, len(known))
    figure, panels = pyplot.subplots(
        height, width, figsize=(4.0 * width, 3.3 * height + 0.5), sharey=True, layout="constrained", squeeze=False
    )
    for axes in panels.flat[len(known) :]:
        axes.set_visible(False)
    for axes, quantity in zip(panels.flat, known, strict=False):
        _draw(axes, rows, quality, quantity, limits, best)
    figure.supylabel(_quality_label(quality), fontsize=9)
    _finish(figure, panels.flat[0])
    figure.suptitle(LEGEND, fontsize=9)
    return figure


def draw_one(pyplot, rows, quality, limits, best, quantity):
    """Draws quality against one quantity, as `draw`; nothing where it is not known."""
    if quantity not in _known(rows, quality):
        return None
    figure, axes = pyplot.subplots(figsize=(4.4, 3.4), layout="constrained")
    _draw(axes, rows, quality, quantity, limits, best)
    axes.set_ylabel(_quality_label(quality), fontsize=9)
    _finish(figure, axes)
    return figure


def _known(rows, quality):
    accepted = budget.usable(rows, quality)
    return [name for name in budget.QUANTITIES if any(row[name] is not None for row in accepted)]


def _quality_label(quality):
    return f"validation {quality.metric.title} of the file{' (%)' if quality.metric.share else ''}"


def _finish(figure, axes):
    """Puts the legend below the panels: in one of them it would lie on candidates."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=max(1, len(labels)), fontsize=8, frameon=False)


def _draw(axes, rows, quality, quantity, limits, best):
    def points(chosen):
        factor = 100 if quality.metric.share else 1
        return [row[quantity] for row in chosen], [row[quality.key] * factor for row in chosen]

    rows = budget.usable(rows, quality)
    for number, kind in enumerate(dict.fromkeys(row["quantization"] for row in rows)):
        shown = [row for row in rows if row["quantization"] == kind and row[quantity] is not None]
        axes.plot(*points(shown), "o", color=f"C{number}", label=kind)
    front = budget.front(rows, quantity, quality)
    axes.plot(*points(front), "-", color="0.6", zorder=0, drawstyle="steps-post")
    if best and best[quantity] is not None:
        ink = axes.xaxis.label.get_color()
        axes.plot(*points([best]), "o", markersize=13, fillstyle="none", color=ink)
    if quantity in limits:
        axes.axvline(limits[quantity], linestyle="--", color="tab:red", linewidth=1)
    axes.margins(x=0.12, y=0.15)
    scales.cost_axis(axes, budget.QUANTITIES[quantity].label)
    # One name for what lies in one place.
    places = {next(zip(*points([row]), strict=True)): row["peer"] for row in front}
    scales.name_front(axes, places)
