"""Which exported file is the best that a device can take: budgets, Pareto fronts, and what binds where none fits.

A candidate is one peer in one quantisation, as a dict: "peer", "quantization", "val_top1" (None where the export
refuses it) and a number, or None where it cannot be had, for every one of `METRICS`. Nothing here measures anything.
"""

import dataclasses
import math
import re

from odtf.errors import UserError

_COUNT = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9}
# Memory comes in powers of two; KB means either, and is refused.
_BYTES = {"": 1, "B": 1, "K": 2**10, "KIB": 2**10, "M": 2**20, "MIB": 2**20}
_MICROSECONDS = {"": 1, "US": 1, "MS": 1e3, "S": 1e6}


@dataclasses.dataclass(frozen=True)
class Metric:
    """What a budget can limit.

    Attributes:
        label: words for tables and axes.
        units: factors by the suffix of a number, in upper case.
    """

    label: str
    units: dict


METRICS = {
    "bytes": Metric("file bytes", _BYTES),
    "cycles": Metric("NPU cycles", _COUNT),
    "sram_bytes": Metric("NPU SRAM bytes", _BYTES),
    "arena_bytes": Metric("arena bytes", _BYTES),
    "macs": Metric("MACs", _COUNT),
    "latency_us": Metric("latency us", _MICROSECONDS),
}


def parse(text):
    """Reads the text of a budget.

    Args:
        text: str such as "bytes=64K,cycles=250000,macs=8e6,latency_us=150". Bytes take K (or KiB) and M (or MiB),
            powers of 1024; cycles and MACs take K, M and G, powers of 1000; a latency takes us, ms and s.

    Returns:
        dict from names of `METRICS` to the largest value allowed.

    Raises:
        UserError: on an unknown or repeated name, or what is not a positive number in such a unit.
    """
    limits = {}
    for item in text.split(","):
        name, equals, value = (part.strip() for part in item.partition("="))
        if not equals or name not in METRICS:
            raise UserError(
                f"A budget is NAME=NUMBER,... with the names {', '.join(METRICS)}. Received: {item.strip()!r}."
            )
        if name in limits:
            raise UserError(f"A budget limits each name once. Received: {name} twice.")
        limits[name] = _number(name, value)
    return limits


def _number(name, text):
    units = METRICS[name].units
    found = re.fullmatch(r"([+-]?(?:\d+(?:_\d+)*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([A-Za-z]*)", text)
    factor = found and units.get(found.group(2).upper())
    value = float(found.group(1)) * factor if factor else math.nan
    if not 0 < value < math.inf:
        known = ", ".join(filter(None, units))
        raise UserError(f"A budget's {name} is a positive number, or one with {known}. Received: {name}={text}.")
    return int(value) if value == int(value) else value


def usable(rows):
    """The candidates that the export did not refuse."""
    return [row for row in rows if row["val_top1"] is not None]


def fits(row, limits):
    """Whether a candidate is within all limits; one whose value is not known is not."""
    return row["val_top1"] is not None and all(
        row[name] is not None and row[name] <= limit for name, limit in limits.items()
    )


def choose(rows, limits):
    """Returns the candidate with the best validation accuracy within all limits.

    Equal accuracies go to the file of fewer bytes, then of fewer MACs: a validation split knows no difference, and a
    latency, which is noise, decides none.

    Raises:
        UserError: if none fits, saying which limits bind and which candidate comes nearest.
    """
    within = [row for row in rows if fits(row, limits)]
    if not within:
        raise UserError(f"No candidate fits the budget: {_explain(rows, limits)} Received: {describe(limits)}.")
    return min(within, key=lambda row: (-row["val_top1"], row["bytes"], row["macs"], name_of(row)))


def _explain(rows, limits):
    """Why no candidate fits, in a few sentences."""
    notes = list(dict.fromkeys(note for row in rows for note in row.get("notes", ())))
    rows = usable(rows)
    if not rows:
        return "; ".join(["no export was accepted", *notes[:1]]) + "."
    least = {name: _least(rows, name) for name in limits}
    if unknown := [name for name, row in least.items() if row is None]:
        return "; ".join([f"none has {' or '.join(unknown)}", *notes[:2]]) + "."
    binding = [name for name, limit in limits.items() if least[name][name] > limit]
    why = "each limit can be met alone, but not all of them together"
    if binding:
        why = f"{' and '.join(binding)} bind{'s' if len(binding) == 1 else ''}"
    reached = ", ".join(f"{name} {amount(name, row[name])} ({name_of(row)})" for name, row in least.items())
    row = min(rows, key=lambda row: (excess(row, limits), -row["val_top1"]))
    missed = ", ".join(
        f"{name} {amount(name, row[name])}, {row[name] / limit:.2f} times the limit"
        for name, limit in limits.items()
        if row[name] is not None and row[name] > limit
    )
    nearest = f"The nearest is {name_of(row)}, validation {row['val_top1']:.2%}, with {missed}"
    return f"{why}. The least that any reaches: {reached}. {nearest}."


def _least(rows, metric):
    return min((row for row in rows if row[metric] is not None), key=lambda row: row[metric], default=None)


def excess(row, limits):
    """The largest ratio of a candidate's value to its limit; at most 1 for one that fits."""
    return max(math.inf if row[name] is None else row[name] / limit for name, limit in limits.items())


def front(rows, metric):
    """The Pareto front of accuracy against a metric, cheapest first.

    Returns:
        The candidates that no other beats: none has a better accuracy at the same cost or less, or the same accuracy
        at less. Candidates equal in both are all there.
    """
    known = [row for row in usable(rows) if row[metric] is not None]
    kept = [row for row in known if not any(_beats(other, row, metric) for other in known)]
    return sorted(kept, key=lambda row: (row[metric], name_of(row)))


def _beats(other, row, metric):
    return (
        other["val_top1"] >= row["val_top1"]
        and other[metric] <= row[metric]
        and (other["val_top1"], other[metric]) != (row["val_top1"], row[metric])
    )


def name_of(row):
    """What a candidate is called: "peer_1 int8"."""
    return f"{row['peer']} {row['quantization']}"


def amount(metric, value):
    """A value as text: "65,536", "3.1", or "-" where it is not known."""
    if value is None:
        return "-"
    return f"{value:,.1f}" if metric == "latency_us" or value != int(value) else f"{int(value):,}"


def describe(limits):
    """Limits as text, every number written out."""
    return ", ".join(f"{name}={amount(name, limit)}" for name, limit in limits.items())
