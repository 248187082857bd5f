"""A network at a share of its channels, those with the largest norms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np

from odtf.layers import GhostModule
from odtf.models.changes import Change, cost_of
from odtf.models.channels import follow, pinned
from odtf.models.deployment import answer_of
from odtf.models.graph import Copy, calls, opened, rewritten
from odtf.models.slices import is_sliced, sliced
from odtf.models.ties import Ties

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


_MADE = (
    *(keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv2DTranspose, keras.layers.SeparableConv2D),
    *(keras.layers.Dense, GhostModule),
)


def narrow(
    model: keras.Model,
    fraction: float,
    after: str | None = None,
    *,
    output: str | None = None,
    divisor: int = 1,
    report: Callable[[Change], Any] | None = None,
) -> keras.Model:
    """Gives a model a share of its channels, with the weights of those that it keeps.

    Of the channels that a layer makes, `fraction` are kept, rounded down, 1 at least: those whose filters have the
    largest L1 norms, in their order. Channels that are one further on, because they are added, multiplied,
    concatenated with the same others or go through a depthwise convolution, are chosen together, by the sum of their
    norms. Where all channels of a kind must stay, as those of the input, of the answer, of what stands before the cut
    or meets it in a sum, and of layers that look across channels, they do; the report says which and why.

    The result equals the model with the removed channels set to zero after their normalisation and activation, and at
    fraction 1 it equals the model bit by bit. Operators on tensors and shared layers stay what they are; models inside
    the model are opened.

    Args:
        model: functional `keras.Model`, or a Sequential that is built. It stays as it is.
        fraction: number in (0, 1].
        after: name of the tap, or layer, after which channels are removed, as where the peers of online ensemble
            compression part; None: from the input on.
        output: name of the tap that is the answer, of a model with a dict of taps; None for "logits" where there is
            such a tap, else for the only one. The outputs of other models are all answers.
        divisor: positive integer; what a layer keeps is rounded down to a multiple of it, but to `divisor` at least,
            where it has as many. 1 by default, as the published peers are; 8 suits most processors.
        report: function that is given a `Change`, such as `print` or the `append` of a list: the costs before and
            after, the widths, and which layers kept theirs and why.

    Returns:
        Functional `keras.Model` of the same name, inputs, layers' names and outputs.

    Raises:
        ValueError: if the model has no graph, a layer cannot be copied, an argument is out of range, the model has no
            such tap or layer, or none of its layers can be narrower.

    Example:

    >>> teacher = keras.applications.MobileNetV3Small(weights=None, input_shape=(64, 64, 3), classes=10)
    >>> student = odtf.models.narrow(teacher, 0.5, report=print)

    Reference:
        Walawalkar et al., "Online Ensemble Model Compression using Knowledge Distillation", 2020, for the fractions;
        Sarridis et al., "InDistill", 2022, for the norms.
    """
    if not isinstance(fraction, (int, float, np.number)) or isinstance(fraction, bool) or not 0 < fraction <= 1:
        raise ValueError(f"A fraction of the channels is a number in (0, 1]. Received: fraction={fraction!r}")
    if not isinstance(divisor, (int, np.integer)) or isinstance(divisor, bool) or divisor < 1:
        raise ValueError(f"The divisor of a width is a positive integer. Received: divisor={divisor!r}")
    graph = opened(model)
    widths = _Widths(graph, _answers(graph, output), _cut(graph, after), lambda n: _share(n, fraction, divisor))
    if fraction < 1 and not widths.changed:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in widths.kept.items()) or "no layer with channels"
        raise ValueError(f"The model must have a layer that can be narrower. Received: {reasons}")
    narrowed = rewritten(graph, _Slicing(widths.left))
    if report is not None:
        channels = {operation.name: outputs for operation, (_, outputs) in widths.left.items()}
        report(Change(cost_of(graph), cost_of(narrowed), widths.changed, widths.kept, channels))
    return narrowed


def _share(count, fraction, divisor):
    """How many of a number of channels are kept."""
    share = int(count * fraction + 1e-9)  # 0.58 of 50 is 29, and not the 28 of floating point.
    return max(share // divisor * divisor, min(divisor, count))


def _answers(model, output):
    """The output tensors whose channels are all wanted."""
    if isinstance(model.output, dict):
        return [model.output[answer_of(model, output)]]
    if output is not None:
        raise ValueError(f"Only a model with a dict of outputs names its answer. Received: output={output!r}")
    return model.outputs


def _cut(model, after):
    """The tensor after which channels are removed, or None."""
    if after is None:
        return None
    if isinstance(model.output, dict) and after in model.output:
        return model.output[after]
    tensors = [call.outputs[0] for call in calls(model) if call.operation.name == after]
    if not tensors:
        raise ValueError(f"The model must have a tap or layer after which it is narrowed. Received: after={after!r}")
    return tensors[-1]


class _Widths:
    """What is left of the channels of every layer.

    Attributes:
        left: dict from an operation to the positions that are left: a list of int arrays for its inputs, and one for
            its output.
        changed: dict from a layer's name to its widths, in words.
        kept: dict from the name of a layer that keeps its channels to the reason.
    """

    def __init__(self, model, answers, cut, share):
        self._calls, self._ties, self._channels = calls(model), Ties(), {}
        self._follow_all()
        for tensor in answers:
            self._ties.pin(self._channels[id(tensor)], "its channels are the answer")
        if cut is not None:
            self._pin_before(cut)
        self._stays = self._ties.chosen(share)
        while self._pin_uneven():
            self._stays = self._ties.chosen(share)
        self.left, self.changed, self.kept = {}, {}, {}
        for call in self._calls:
            inputs = [self._left(x) for x in call.input_tensors]
            self.left.setdefault(call.operation, (inputs, self._left(call.outputs[0])))
            if isinstance(call.operation, _MADE):
                self._describe(call)

    def _follow_all(self):
        """Follows the channels from the inputs on; shared layers have the same ones at every call."""
        first = {}
        for call in self._calls:
            if call.is_input:
                inputs, outputs = [], [pinned(x, "the input", self._ties) for x in call.outputs]
            else:
                inputs = [self._channels[id(x)] for x in call.input_tensors]
                outputs = follow(call, inputs, self._ties)
            if is_sliced(call.operation):
                earlier = first.setdefault(call.operation, (*inputs, *outputs))
                for one, other in zip(earlier, (*inputs, *outputs), strict=True):
                    self._ties.join(one, other)
            self._channels.update((id(x), channels) for x, channels in zip(call.outputs, outputs, strict=True))

    def _pin_before(self, cut):
        """Keeps the channels of the cut and of all that it is computed from."""
        before = {id(cut)}
        for call in reversed(self._calls):
            if any(id(x) in before for x in call.outputs):
                before.update(map(id, call.input_tensors))
        for tensor in before:
            self._ties.pin(self._channels[tensor], "before the cut, or in a sum with what is")

    def _pin_uneven(self):
        """Keeps the channels of grouped convolutions whose groups would differ in width; returns whether there are."""
        found = False
        for call in self._calls:
            groups = getattr(call.operation, "groups", 1)
            if groups == 1 or not isinstance(call.operation, (keras.layers.Conv1D, keras.layers.Conv2D)):
                continue
            both = [self._channels[id(x)] for x in (call.input_tensors[0], call.outputs[0])]
            if any(len(set(self._stays[channels].reshape(groups, -1).sum(1))) > 1 for channels in both):
                for channels in both:
                    self._ties.pin(channels, f"the groups of {call.operation.name} would differ in width")
                found = True
        return found

    def _left(self, tensor):
        return np.flatnonzero(self._stays[self._channels[id(tensor)]])

    def _describe(self, call):
        name, channels = call.operation.name, self._channels[id(call.outputs[0])]
        left = int(self._stays[channels].sum())
        if left < len(channels):
            self.changed[name] = f"{len(channels)} -> {left} channels"
        else:
            self.kept[name] = self._ties.reason(channels) or f"{len(channels)} channels are its share"


class _Slicing:
    """Calls layers with the channels that are left of them, made at the first call of each."""

    def __init__(self, left):
        self._left, self._made = left, {}

    def __call__(self, operation, *args, **kwargs):
        if not is_sliced(operation):
            return None
        if operation not in self._made:
            changes, weights = sliced(operation, *self._left[operation])
            self._made[operation] = Copy(operation, weights, **changes)
        return self._made[operation](*args, **kwargs)
