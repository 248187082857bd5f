"""The best exported file that a device can take: budgets, Pareto fronts, and what binds where none fits.

A candidate is one peer in one quantisation, as a dict: "peer", "quantization", "val_METRIC" (None where the export
refuses it) and a number, or None where it cannot be had, for every one of `QUANTITIES`. Nothing here measures anything.
"""

from __future__ import annotations

import dataclasses
import math
import re
from typing import TYPE_CHECKING

from odtf.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from odtf.metrics import Metric
    from odtf.tasks import Task


_COUNT = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9}
# Memory comes in powers of two; KB means either, and is refused.
_BYTES = {"": 1, "B": 1, "K": 2**10, "KIB": 2**10, "M": 2**20, "MIB": 2**20}
_MICROSECONDS = {"": 1, "US": 1, "MS": 1e3, "S": 1e6}


@dataclasses.dataclass(frozen=True)
class Quality:
    """The metric that candidates are judged by, of their files on the validation split.

    Attributes:
        name: as in report.json.
        metric: `odtf.metrics.Metric`.
    """

    name: str
    metric: Metric

    @classmethod
    def of(cls, task: Task) -> Quality:
        """Returns that of a task: the metric by which validation chooses."""
        return cls(task.choice, task.metrics[task.choice])

    @property
    def key(self) -> str:
        """The key of a candidate's value."""
        return f"val_{self.name}"

    def gain(self, row: Mapping[str, Any]) -> float:
        """Returns a candidate's value so that more is better."""
        return row[self.key] if self.metric.better is max else -row[self.key]

    def text(self, row: Mapping[str, Any]) -> str:
        """Returns a candidate's value as tables show it."""
        return self.metric.text(row[self.key])


@dataclasses.dataclass(frozen=True)
class Quantity:
    """A quantity that a budget can limit.

    Attributes:
        label: words for tables and axes.
        units: factors by the suffix of a number, in upper case.
    """

    label: str
    units: Mapping[str, float]


QUANTITIES = {
    "bytes": Quantity("file bytes", _BYTES),
    "cycles": Quantity("NPU cycles", _COUNT),
    "sram_bytes": Quantity("NPU SRAM bytes", _BYTES),
    "arena_bytes": Quantity("arena bytes", _BYTES),
    "macs": Quantity("MACs", _COUNT),
    "latency_us": Quantity("latency us", _MICROSECONDS),
}


def parse(text: str) -> dict[str, float]:
    """Reads the text of a budget.

    Args:
        text: str such as "bytes=64K,cycles=250000,macs=8e6,latency_us=150". Bytes take K (or KiB) and M (or MiB),
            powers of 1024; cycles and MACs take K, M and G, powers of 1000; a latency takes us, ms and s.

    Returns:
        dict from names of `QUANTITIES` to the largest value allowed.

    Raises:
        UserError: on an unknown or repeated name, or what is not a positive number in such a unit.
    """
    limits = {}
    for item in text.split(","):
        name, equals, value = (part.strip() for part in item.partition("="))
        if not equals or name not in QUANTITIES:
            raise UserError(
                f"A budget is NAME=NUMBER,... with the names {', '.join(QUANTITIES)}. Received: {item.strip()!r}."
            )
        if name in limits:
            raise UserError(f"A budget limits each name once. Received: {name} twice.")
        limits[name] = _number(name, value)
    return limits


def _number(name, text):
    units = QUANTITIES[name].units
    found = re.fullmatch(r"([+-]?(?:\d+(?:_\d+)*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([A-Za-z]*)", text)
    factor = found and units.get(found.group(2).upper())
    value = float(found.group(1)) * factor if factor else math.nan
    if not 0 < value < math.inf:
        known = ", ".join(filter(None, units))
        raise UserError(f"A budget's {name} is a positive number, or one with {known}. Received: {name}={text}.")
    return int(value) if value == int(value) else value


def usable(rows: Sequence[Mapping[str, Any]], quality: Quality) -> list[Any]:
    """Returns the candidates that the export did not refuse."""
    return [row for row in rows if row[quality.key] is not None]


def fits(row: Mapping[str, Any], limits: Mapping[str, float]) -> bool:
    """Whether a candidate is within all limits; one whose value is not known is not."""
    return all(row[name] is not None and row[name] <= limit for name, limit in limits.items())


def choose(rows: Sequence[Mapping[str, Any]], limits: Mapping[str, float], quality: Quality) -> Any:
    """Returns the candidate that is best on validation within all limits.

    Equal ones go to the file of fewer bytes, then of fewer MACs: a validation split knows no difference, and a
    latency, which is noise, decides none.

    Args:
        rows: list of candidates.
        limits: what `parse` returned.
        quality: `Quality`.

    Raises:
        UserError: if none fits, saying which limits bind and which candidate comes nearest.
    """
    within = [row for row in usable(rows, quality) if fits(row, limits)]
    if not within:
        raise UserError(
            f"No candidate fits the budget: {_explain(rows, limits, quality)} Received: {describe(limits)}."
        )
    return min(within, key=lambda row: (-quality.gain(row), row["bytes"], row["macs"] or 0, name_of(row)))


def _explain(rows, limits, quality):
    """Says in a few sentences why no candidate fits."""
    notes = list(dict.fromkeys(note for row in rows for note in row.get("notes", ())))
    rows = usable(rows, quality)
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
    row = min(rows, key=lambda row: (excess(row, limits), -quality.gain(row)))
    missed = ", ".join(
        f"{name} {amount(name, row[name])}, {row[name] / limit:.2f} times the limit"
        for name, limit in limits.items()
        if row[name] is not None and row[name] > limit
    )
    nearest = f"The nearest is {name_of(row)}, validation {quality.text(row)}, with {missed}"
    return f"{why}. The least that any reaches: {reached}. {nearest}."


def _least(rows, quantity):
    return min((row for row in rows if row[quantity] is not None), key=lambda row: row[quantity], default=None)


def excess(row: Mapping[str, Any], limits: Mapping[str, float]) -> float:
    """Returns the largest ratio of a candidate's value to its limit; at most 1 for one that fits."""
    return max(math.inf if row[name] is None else row[name] / limit for name, limit in limits.items())


def front(rows: Sequence[Mapping[str, Any]], quantity: str, quality: Quality) -> list[Any]:
    """Returns the Pareto front of quality against a quantity, cheapest first.

    Returns:
        The candidates that no other beats: none is better at the same cost or less, or as good at less. Candidates
        equal in both are all there.
    """
    known = [row for row in usable(rows, quality) if row[quantity] is not None]
    places = [(quality.gain(row), row[quantity]) for row in known]
    kept = [row for row, place in zip(known, places, strict=True) if not any(_beats(other, place) for other in places)]
    return sorted(kept, key=lambda row: (row[quantity], name_of(row)))


def _beats(other, place):
    return other[0] >= place[0] and other[1] <= place[1] and other != place


def name_of(row: Mapping[str, Any]) -> str:
    """Returns the name of a candidate: "peer_1 int8"."""
    return f"{row['peer']} {row['quantization']}"


def amount(quantity: str, value: float | None) -> str:
    """Returns a value as text: "65,536", "3.1", or "-" where it is not known."""
    if value is None:
        return "-"
    return f"{value:,.1f}" if quantity == "latency_us" or value != int(value) else f"{int(value):,}"


def describe(limits: Mapping[str, float]) -> str:
    """Returns limits as text, every number written out."""
    return ", ".join(f"{name}={amount(name, limit)}" for name, limit in limits.items())
