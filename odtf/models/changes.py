"""The account of what became of a model: what changed, what stayed and why, and what both cost."""

import dataclasses

from odtf.models.costs import Cost, cost


@dataclasses.dataclass(frozen=True)
class Change:
    """What `cheapen` or `narrow` made of a model; as text, a table.

    Attributes:
        before: `Cost` of the model; None where its image size is not fixed.
        after: `Cost` of the result; None likewise.
        changed: dict from the name of a layer of the model to what became of it, in words.
        kept: dict from the name of a layer that could have changed, being of that kind, to the reason why it did not.
        channels: of `narrow`, a dict from the name of a layer, or operator on tensors, to the int array of the numbers
            of its channels that the result has; empty of `cheapen`.
    """

    before: Cost | None
    after: Cost | None
    changed: dict
    kept: dict
    channels: dict = dataclasses.field(default_factory=dict)

    def __str__(self):
        lines = [f"{self._figures('params')}; {self._figures('macs')}"]
        lines += [f"  {name}: {text}" for name, text in self.changed.items()]
        lines += [f"  {name}: kept, {reason}" for name, reason in self.kept.items()]
        return "\n".join(lines)

    def _figures(self, quantity):
        if self.before is None:
            return f"{quantity} unknown without a fixed image size"
        return f"{quantity} {getattr(self.before, quantity):,} -> {getattr(self.after, quantity):,}"


def cost_of(model):
    """Returns the `Cost` of a model by all its outputs, or None where its image size is not fixed."""
    if any(None in x.shape[1:] for x in model.inputs):
        return None
    return cost(model)
