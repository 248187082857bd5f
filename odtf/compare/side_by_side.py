"""Methods side by side on one student: rows whose student is the same network, over the same number of images."""

import json

from odtf.compare.cells import interval, mean_and_std
from odtf.compare.spreads import paired


def groups_of(rows):
    """Returns lists of rows with the same student and number of images, of more than one row each, best first.

    Validation says which is best: the mean of its values over the seeds.

    Args:
        rows: those of a comparison, see `odtf.compare.pairing.run`; left out are those of peers that are not the
            student's, and of students that are made of several networks.
    """
    found = {}
    for row in rows:
        if row["peer"] is None and not isinstance(row["network"], list):
            found.setdefault(json.dumps([row["network"], row["images"]], sort_keys=True), []).append(row)
    return [group for group in found.values() if len(group) > 1]


def differences(row, best, metric):
    """Returns how much better a row's students are on the test split than another row's, paired by seed.

    Args:
        row, best: of a comparison.
        metric: dict, what `odtf.training.report.metric_of` returned.

    Returns:
        What `odtf.compare.spreads.paired` does.
    """
    sign, key = 1 if metric["better"] == "max" else -1, f"test_{metric['name']}"
    values = [[pair["student"][key] for pair in one["pairs"]] for one in (row, best)]
    return paired(sign * (value - other) for value, other in zip(*values, strict=True))


def tables(result):
    """Returns a table for each such student, see `odtf.compare.cells`.

    Args:
        result: dict, what `odtf.compare.pairing.run` returned.
    """
    return [_table(group, result["metric"]) for group in groups_of(result["rows"])]


def _table(group, metric):
    sign = -1 if metric["better"] == "max" else 1
    group = sorted(group, key=lambda row: sign * row["val_student"]["mean"])
    best, images = group[0], group[0]["images"]
    network = ", ".join(f"{key}={value}" for key, value in group[0]["network"].items())
    text = (
        f"One student side by side ({network}{f'; {images:,} images' if images else ''}), the best on validation "
        f"first: test {metric['title']}; against the best: paired, with its 95 % interval."
    )
    lines = [("method", "config", "alone", "student", "gain", "95 % interval", "against the best", "", "seconds")]
    for row in group:
        behind = differences(row, best, metric)
        compared = ["", ""] if row is best else [mean_and_std(behind, metric, True), interval(behind, metric)]
        cells = [mean_and_std(row[f"test_{name}"], metric, name == "gain") for name in ("alone", "student", "gain")]
        cells = [row["method"], row["label"], *cells, interval(row["test_gain"], metric), *compared]
        lines.append((*cells, f"{row['seconds']['run']:,.0f}"))
    return text, lines
