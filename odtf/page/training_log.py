"""log.jsonl as curves: what is told of each network, over the epochs."""

import dataclasses
import math

from odtf import log_lines

_SINGLE = ("loss", "learning_rate", "images_per_second")


@dataclasses.dataclass(frozen=True)
class TrainingLog:
    """The curves of a run, each a dict from an epoch, a float, to a value.

    Attributes:
        validation: metric -> network -> curve.
        training: term of a loss, or metric -> network -> curve.
        networks: names of what there may be a curve of, in their order.
        totals: "loss", "learning_rate" or "images_per_second" -> curve.
    """

    validation: dict
    training: dict
    totals: dict
    networks: tuple


def read(workdir, networks):
    """Reads the log of a run; of a run without one, nothing.

    Args:
        workdir: directory of the run.
        networks: names of what there may be a curve of.

    Returns:
        `TrainingLog`.
    """
    rows = log_lines.read(workdir)
    steps = next((row["step"] / row["epoch"] for row in rows if row["kind"] == "validation" and row.get("epoch")), None)
    found = TrainingLog({}, {}, {}, tuple(networks))
    for row in rows:
        epoch = row["step"] / steps if steps else row["step"]
        for key, value in row.items():
            if isinstance(value, int | float) and math.isfinite(value):
                _keep(found, row["kind"], key, networks, epoch, value)
    return found


def networks(workdir, metric):
    """Returns the names of what a log has a metric of on validation, in their order, also while the run goes on."""
    rows = [row for row in log_lines.read(workdir) if row["kind"] == "validation"]
    return tuple(dict.fromkeys(key.partition("/")[0] for row in rows for key in row if key.endswith(f"/{metric}")))


def _keep(found, kind, key, networks, epoch, value):
    network, _, name = key.partition("/")
    if name and network in networks:
        curves = found.validation if kind == "validation" else found.training
        curves.setdefault(name, {}).setdefault(network, {})[epoch] = value
    elif kind == "train" and key in _SINGLE:
        found.totals.setdefault(key, {})[epoch] = value
