"""Candidates for export as a table and a plot: accuracy against what each one costs."""

from odtf import files, pictures
from odtf.candidates import budget
from odtf.tables import table


def render(rows, best=None):
    """Returns the candidates as a table of text, the most accurate first.

    Args:
        rows: list of candidates, see `odtf.candidates.budget`.
        best: the chosen one, or None.
    """
    return table(_cells(rows, best))


def _cells(rows, best):
    metrics = [name for name in budget.METRICS if any(row[name] is not None for row in rows)]
    fronts = {name: budget.front(rows, name) for name in metrics}
    cells = [("candidate", "val top-1", *(budget.METRICS[name].label for name in metrics), "on the Pareto front of")]
    for row in sorted(rows, key=lambda row: (-(row["val_top1"] or 0), row["bytes"] or 0, budget.name_of(row))):
        name = budget.name_of(row) + (" (chosen)" if row is best else "")
        if row["val_top1"] is None:
            cells.append((name, "refused", *("-" for _ in metrics), ""))
            continue
        fronting = [metric.removesuffix("_us") for metric in metrics if row in fronts[metric]]
        amounts = (budget.amount(metric, row[metric]) for metric in metrics)
        cells.append(
            (name, f"{row['val_top1']:.2%}", *amounts, "all" if len(fronting) == len(metrics) else ", ".join(fronting))
        )
    return cells


def write(rows, target, limits, best, path):
    """Writes the table as Markdown and, where matplotlib is installed, the plot.

    Args:
        rows: list of candidates.
        target: name of the target.
        limits: the budget they were asked for.
        best: the chosen candidate, or None.
        path: a `pathlib.Path`; the files are called as it is, with the suffixes .md and .png.

    Returns:
        A line of text that names the files.
    """
    header, *lines = _cells(rows, best)
    ruled = [header, ["---"] + ["---:"] * (len(header) - 2) + ["---"], *lines]
    notes = dict.fromkeys(f"* {budget.name_of(row)}: {note}" for row in rows for note in row["notes"])
    text = [
        f"Candidates for {target} within {budget.describe(limits)}: "
        + (f"**{budget.name_of(best)}**." if best else "none fits."),
        "Accuracy is that of the exported file on the validation split. Latency is that of the machine which measured "
        "it: p50 of one thread, median of several rounds, noisy all the same. Cycles and SRAM are Vela's.",
        "\n".join(f"| {' | '.join(cells)} |" for cells in ruled),
        "\n".join(notes),
    ]
    files.write_text(path.with_suffix(".md"), "\n\n".join(filter(None, text)) + "\n")
    plot = pictures.save(path.with_suffix(".png"), _plot, rows, limits, best)
    return f"All candidates: {', '.join([str(path), str(path.with_suffix('.md')), *plot])}"


def _plot(pyplot, rows, limits, best):
    from matplotlib import ticker

    metrics = [name for name in budget.METRICS if any(row[name] is not None for row in budget.usable(rows))]
    if not metrics:
        return None
    height, width = -(-len(metrics) // 3), min(3, len(metrics))
    figure, panels = pyplot.subplots(
        height, width, figsize=(3.8 * width, 3.4 * height), sharey=True, layout="constrained", squeeze=False
    )
    for axes in panels.flat[len(metrics) :]:
        axes.set_visible(False)
    kinds = list(dict.fromkeys(row["quantization"] for row in rows))
    for axes, metric in zip(panels.flat, metrics, strict=False):
        for number, kind in enumerate(kinds):
            shown = [r for r in budget.usable(rows) if r["quantization"] == kind and r[metric] is not None]
            axes.plot(*_points(shown, metric), "o", color=f"C{number}", label=kind)
        axes.plot(*_points(budget.front(rows, metric), metric), "-", color="0.6", zorder=0, drawstyle="steps-post")
        if best and best[metric] is not None:
            axes.plot(*_points([best], metric), "o", markersize=13, fillstyle="none", color="black")
        if metric in limits:
            axes.axvline(limits[metric], linestyle="--", color="tab:red", linewidth=1)
        named = {(row[metric], row["val_top1"] * 100): row["peer"] for row in budget.front(rows, metric)}
        for place, peer in named.items():
            axes.annotate(peer, place, fontsize=7, rotation=20)
        axes.set_xscale("log")
        axes.margins(x=0.2)
        axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(ticker.EngFormatter())
        axes.xaxis.set_minor_formatter(ticker.NullFormatter())
        axes.set_xlabel(budget.METRICS[metric].label)
        axes.grid(alpha=0.3)
    figure.supylabel("validation top-1 of the file (%)", fontsize=9)
    panels[0][0].legend(fontsize=8)
    figure.suptitle("grey: Pareto front; dashed: limit; ring: chosen", fontsize=9)
    return figure


def _points(rows, metric):
    return [row[metric] for row in rows], [row["val_top1"] * 100 for row in rows]
