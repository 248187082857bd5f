"""Learning curves: what validation found of a student after every epoch, in its method and alone."""

from odtf import log_lines
from odtf.compare.spreads import spread_of


def of(found, metric):
    """Returns the curves of a row.

    Args:
        found: list, for each seed, of (the method's run, the student's name, the run of the network alone); runs are
            `odtf.runs.Run`.
        metric: name of the metric.

    Returns:
        dict: "student" and "alone", each a list of {"epoch", and what `spread_of` returns over the seeds that have
        reached that epoch}; of a network that begins to learn within its method, the epochs are those of the method.
    """
    student = [_validation(run.workdir, name, metric) for run, name, _ in found]
    alone = [_validation(run.workdir, run.student, metric) for _, _, run in found]
    return {"student": _joined(student), "alone": _joined(alone)}


def _validation(workdir, name, metric):
    """Returns the values of a network at the ends of epochs, a dict from epoch to value; empty without a log."""
    key, rows = f"{name}/{metric}", log_lines.read(workdir)
    return {row["epoch"]: row[key] for row in rows if row["kind"] == "validation" and key in row}


def _joined(runs):
    epochs = sorted({epoch for values in runs for epoch in values})
    return [{"epoch": epoch, **spread_of(values[epoch] for values in runs if epoch in values)} for epoch in epochs]


def any_of(result):
    """Whether a row of a comparison has curves."""
    return any(row["curves"]["student"] for row in result["rows"])


def draw(pyplot, result):
    """Draws the curves of all rows: mean of the seeds, and the range from the least to the greatest.

    Args:
        pyplot: `matplotlib.pyplot`.
        result: dict, what `odtf.compare.pairing.run` returned.

    Returns:
        The figure; None where no run has a log.
    """
    if not any_of(result):
        return None
    rows = [row for row in result["rows"] if row["curves"]["student"]]
    factor, metric = 100 if result["metric"]["share"] else 1, result["metric"]
    columns = min(3, len(rows))
    lines = -(-len(rows) // columns)
    figure, axes = pyplot.subplots(
        lines, columns, figsize=(4.5 * columns, 3.2 * lines), squeeze=False, sharey=True, layout="constrained"
    )
    for axis in list(axes.flat)[len(rows) :]:
        axis.set_visible(False)
    for axis, row in zip(axes.flat, rows, strict=False):
        for who, color in (("alone", "0.5"), ("student", "tab:blue")):
            points = row["curves"][who]
            epochs = [point["epoch"] for point in points]
            axis.plot(epochs, [point["mean"] * factor for point in points], color=color, label=who)
            low, high = ([point[end] * factor for point in points] for end in ("least", "greatest"))
            axis.fill_between(epochs, low, high, color=color, alpha=0.2, linewidth=0)
        axis.set_title(f"{row['method']}\n{row['label']}", fontsize=8)
        axis.set_xlabel("epoch", fontsize=8)
        axis.xaxis.get_major_locator().set_params(integer=True)
    axes[0][0].legend(fontsize=8)
    figure.supylabel(f"validation {metric['title']}{' in %' if metric['share'] else ''}", fontsize=9)
    figure.suptitle("mean of the seeds; band: least to greatest", fontsize=9)
    return figure
