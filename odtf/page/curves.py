"""Curves of a training: quality of every network on validation and in training, terms of the loss, rate and speed."""

from odtf.sections import Figure, Section

# Points of a curve and curves of terms; more would be seen by nobody and make a large page.
_POINTS = 400
_TERMS = 12
# The term that validation tells beside its metrics.
_LOSS = "supervised"
_UNITS = {"learning_rate": "learning rate", "images_per_second": "images per second", "loss": "whole loss"}


def sections(log, metric, chosen):
    """Returns the sections of a log.

    Args:
        log: `odtf.page.training_log.TrainingLog`.
        metric: the metric that chooses, as `odtf.training.report.metric_of` returns it.
        chosen: (name of the student, epoch of the choice).
    """
    colors = {name: f"C{number}" for number, name in enumerate(log.networks)}
    titles = {metric["name"]: metric["title"]}
    judged = {
        name: Figure(
            f"{titles.get(name, name)} of every network after each epoch on the validation split"
            + (", dotted: on the batches it was trained on." if name in log.training else "."),
            _draw_quality,
            (titles.get(name, name), networks, log.training.get(name, {}), chosen, colors),
        )
        for name, networks in sorted(log.validation.items(), key=lambda item: item[0] != metric["name"])
    }
    terms = [(name, networks) for name, networks in log.training.items() if name not in log.validation]
    lost = [figure for name, figure in judged.items() if name == _LOSS]
    lost += [
        Figure(f"The term “{name}” of every network.", _draw_term, (name, one, colors)) for name, one in terms[:_TERMS]
    ]
    whole = [
        Figure(f"The {_UNITS[key]}.", _draw_term, (_UNITS[key], {"": one}, colors)) for key, one in log.totals.items()
    ]
    quality = [figure for name, figure in judged.items() if name != _LOSS]
    found = (("Quality", quality), ("Loss", whole[:1] + lost if "loss" in log.totals else lost))
    rest = [figure for figure, key in zip(whole, log.totals, strict=True) if key != "loss"]
    return [Section(title, tuple(one)) for title, one in (*found, ("Rate and speed", rest)) if one]


def _draw_quality(pyplot, title, networks, training, chosen, colors):
    figure, axes = _axes(pyplot, title)
    for name, curve in _ordered(networks, colors):
        if name in training:
            axes.plot(*_points(training[name]), ":", color=colors[name], linewidth=0.9)
        marker = "o" if len(curve) < 3 else None  # A line of one point would not be seen.
        axes.plot(*_points(curve), color=colors[name], label=name, linewidth=1.4, marker=marker, markersize=3)
    name, epoch = chosen
    if epoch in networks.get(name, {}):
        color = pyplot.rcParams["text.color"]
        axes.plot([epoch], [networks[name][epoch]], "o", markersize=9, fillstyle="none", color=color, label="chosen")
    _legend(figure, axes)
    return figure


def _draw_term(pyplot, title, networks, colors):
    figure, axes = _axes(pyplot, title)
    for name, curve in _ordered(networks, colors):
        marker, color = "o" if len(curve) < 3 else None, colors.get(name)
        axes.plot(*_points(curve), label=name, linewidth=1.2, marker=marker, markersize=3, color=color)
    values = [value for curve in networks.values() for value in curve.values()]
    if min(values) > 0 and max(values) > 100 * min(values):
        axes.set_yscale("log")
    if "" not in networks:
        _legend(figure, axes)
    return figure


def _ordered(networks, colors):
    """Returns the curves of networks in the order of all of them, so that legends of a page are alike."""
    return sorted(networks.items(), key=lambda item: list(colors).index(item[0]) if item[0] in colors else -1)


def _axes(pyplot, title):
    figure, axes = pyplot.subplots(figsize=(4.4, 3.2), layout="constrained")
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_title(title, fontsize=10)
    axes.grid(alpha=0.25)
    return figure, axes


def _legend(figure, axes):
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)), fontsize=8, frameon=False)


def _points(curve):
    """Returns the epochs and the values of a curve; of a long one every n-th, and the last."""
    items = sorted(curve.items())
    every = -(-len(items) // _POINTS)
    kept = items[::every] if items[-1] in items[::every] else [*items[::every], items[-1]]
    return zip(*kept, strict=True)
