"""The base of metrics, those of one example at a time, and how their sums merge.

A metric makes sums of a batch, tensors of any shape; sums of batches are added (or joined, where order matters), and
the result is computed from the total. So one metric serves a Keras model on many replicas and a TFLite file on one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from keras import ops

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from odtf.losses.tensors import Targets, Tensor


class Metric:
    """A number of quality of one output against its targets.

    Attributes:
        title: what tables and axes call it, such as "accuracy".
        better: `max` where more is better, `min` where less is.
        share: whether it is a share in [0, 1], which tables show in per cent.
        joined: whether sums of batches are joined along the first axis, `[batch, ...]`, instead of added; they keep the
            weights beside them, under "weights", and `result` gets those of examples alone.
        reference: name of the split whose sums `result` gets as its reference, or None.
        reference_examples: how many examples of that split at most, a seeded choice; None: all of them.
        kept_as: the name under which the sums of all metrics that have equal ones are kept once; None: the metric's own
            name in its mapping.
    """

    title: str = ""
    better: Callable[..., Any] = max
    share: bool = True
    joined: bool = False
    reference: str | None = None
    reference_examples: int | None = None
    kept_as: str | None = None

    def sums(self, targets: Targets, output: Tensor, weights: Tensor) -> dict[str, Tensor]:
        """Returns the sums of a batch: a dict from a name to a tensor of any shape.

        Args:
            targets: the targets of the batch, as the task's data have them.
            output: tensor `[batch, ...]`, what a network or a file answers.
            weights: float32 tensor `[batch]`: 0 for padding, else 1.
        """
        raise NotImplementedError

    def result(self, sums: Mapping[str, np.ndarray], reference: Mapping[str, np.ndarray] | None = None) -> float:
        """Returns the metric, a float, from the total of all sums.

        Args:
            sums: dict as `sums` returns it, numpy arrays.
            reference: the total of the split `self.reference`, where there is one.
        """
        raise NotImplementedError

    def text(self, value: float) -> str:
        """Returns a value as tables show it."""
        return f"{value:.2%}" if self.share else f"{value:.4g}"


class Mean(Metric):
    """The mean of what `values` gives for every example."""

    def values(self, targets: Targets, output: Tensor) -> Tensor:
        """Returns one value for every example, a tensor `[batch]`."""
        raise NotImplementedError

    def mean(self, targets: Targets, output: Tensor) -> Tensor:
        """Returns the mean over a batch, a float32 scalar tensor."""
        return ops.mean(ops.cast(self.values(targets, output), "float32"))

    def sums(self, targets: Targets, output: Tensor, weights: Tensor) -> dict[str, Tensor]:
        return {"sum": ops.sum(weights * ops.cast(self.values(targets, output), "float32")), "count": ops.sum(weights)}

    def result(self, sums: Mapping[str, np.ndarray], reference: Mapping[str, np.ndarray] | None = None) -> float:
        return float(sums["sum"]) / float(sums["count"])


class Accuracy(Mean):
    """The share of examples whose largest output is that of their class.

    Targets are integer labels `[batch]`, or distributions `[batch, classes]`, whose largest counts; outputs are scores
    `[batch, classes]`: logits or probabilities.

    Args:
        title: see `Metric`.
    """

    def __init__(self, title: str = "accuracy") -> None:
        self.title = title

    def values(self, targets: Targets, output: Tensor) -> Tensor:
        return ops.equal(ops.argmax(output, axis=-1), _class_ids(targets, output))


class TopK(Mean):
    """The share of examples whose class is among the k largest outputs; equal ones stand in the order of the classes.

    Args:
        k: int, at least 1.
    """

    def __init__(self, k: int) -> None:
        self.k = int(k)
        self.title = f"top-{self.k}"

    def values(self, targets: Targets, output: Tensor) -> Tensor:
        labels = _class_ids(targets, output)
        own = ops.take_along_axis(output, ops.expand_dims(labels, -1), axis=-1)
        earlier = ops.expand_dims(ops.arange(output.shape[-1]), 0) < ops.expand_dims(labels, -1)
        before = ops.logical_or(output > own, ops.logical_and(output == own, earlier))
        return ops.sum(ops.cast(before, "int32"), axis=-1) < self.k


def _class_ids(targets, output):
    """Returns targets as integers, of distributions the largest."""
    return ops.cast(ops.argmax(targets, axis=-1) if ops.ndim(targets) == ops.ndim(output) else targets, "int32")


class Agreement(Mean):
    """The share of examples for which two networks, or files, have the largest of their outputs in one place.

    The other's outputs stand for the targets: both are `[batch, classes]`.
    """

    title = "agreement"

    def values(self, targets: Targets, output: Tensor) -> Tensor:
        return ops.equal(ops.argmax(output, axis=-1), ops.argmax(targets, axis=-1))


class CosineAgreement(Mean):
    """The mean cosine of the vectors that two networks, or files, give for an image.

    The other's vectors stand for the targets: both are `[batch, ...]`. A vector of zeros has the cosine 0.
    """

    title = "cosine"
    share = False

    def values(self, targets: Targets, output: Tensor) -> Tensor:
        rows = (ops.shape(output)[0], -1)
        one, other = (ops.reshape(ops.cast(x, "float32"), rows) for x in (targets, output))
        lengths = ops.norm(one, axis=-1) * ops.norm(other, axis=-1)
        return ops.sum(one * other, axis=-1) / ops.maximum(lengths, 1e-12)


class MeanAbsoluteError(Mean):
    """The mean absolute difference of outputs and targets of one shape, over all their values."""

    title = "mean absolute error"
    better = min
    share = False

    def values(self, targets: Targets, output: Tensor) -> Tensor:
        difference = ops.abs(ops.cast(output, "float32") - ops.reshape(ops.cast(targets, "float32"), ops.shape(output)))
        return ops.mean(ops.reshape(difference, (ops.shape(output)[0], -1)), axis=-1)


def sums_of(metrics: Mapping[str, Metric], targets: Targets, output: Tensor, weights: Tensor) -> dict[str, Tensor]:
    """Returns the sums of several metrics for one batch of one network.

    Args:
        metrics: mapping from name to `Metric`.
        targets, output, weights: as for `Metric.sums`.

    Returns:
        dict "METRIC/SUM" -> tensor; in place of METRIC stands what its sums are kept as.
    """
    found: dict[str, Tensor] = {}
    for name, metric in {metric.kept_as or name: metric for name, metric in metrics.items()}.items():
        found |= {f"{name}/{key}": value for key, value in metric.sums(targets, output, weights).items()}
        if metric.joined:
            found[f"{name}/weights"] = weights
    return found


def merged(batches: Iterable[Mapping[str, Any]], joined: Callable[[str], bool]) -> dict[str, np.ndarray]:
    """Merges what batches gave.

    Args:
        batches: iterable of dicts from a name to an array.
        joined: callable from a name to whether it is joined along the first axis, see `joined_of`; the rest is added.

    Returns:
        dict of numpy arrays, float64 where they are added; empty if there is no batch.
    """
    totals: dict[str, Any] = {}
    for batch in batches:
        for name, value in batch.items():
            if joined(name):
                totals.setdefault(name, []).append(np.asarray(value))
            else:
                totals[name] = totals.get(name, 0.0) + np.asarray(value, np.float64)
    return {name: np.concatenate(value) if isinstance(value, list) else value for name, value in totals.items()}


def results(
    totals: Mapping[str, np.ndarray],
    metrics: Mapping[str, Metric],
    references: Mapping[str, Mapping[str, np.ndarray]] | None = None,
) -> dict[str, float]:
    """Computes all metrics of one network from its total sums.

    Args:
        totals: dict "METRIC/SUM" -> array, as `sums_of` names them, merged.
        metrics: mapping from name to `Metric`.
        references: mapping from the name of every split that metrics have as their reference to the same of it.

    Returns:
        dict from the metric's name to a float.

    Raises:
        ValueError: if there was no example.
    """
    if not totals:
        raise ValueError("There is nothing to evaluate on: the data set is empty.")

    def part(sums, name, metric):
        prefix = f"{metric.kept_as or name}/"
        found = {key.removeprefix(prefix): value for key, value in sums.items() if key.startswith(prefix)}
        if metric.joined:
            real = found.pop("weights") > 0
            found = {key: value[real] for key, value in found.items()}
        return found

    found, given = {}, references or {}
    for name, metric in metrics.items():
        reference = part(given[metric.reference], name, metric) if metric.reference else None
        found[name] = metric.result(part(totals, name, metric), reference)
    return found


def evaluate(
    predict: Callable[[Any], Tensor],
    examples: Iterable[tuple[Any, ...]],
    metrics: Mapping[str, Metric],
    references: Mapping[str, Iterable[tuple[Any, ...]]] | None = None,
) -> dict[str, float]:
    """Evaluates a function of images, such as a file or a network, over a set of examples.

    Args:
        predict: callable from a batch of images to outputs `[batch, ...]`.
        examples: iterable of (images, targets) or (images, targets, weights).
        metrics: mapping from name to `Metric`.
        references: mapping from the name of a split, as `references_of` has them, to its examples; None where no metric
            has a reference.

    Returns:
        dict from the metric's name to a float.

    Raises:
        ValueError: if there is no example.
    """

    def total(examples, metrics):
        def sums(batch):
            images, targets, *rest = batch
            weights = np.asarray(rest[0], np.float32) if rest else np.ones(len(images), np.float32)
            return sums_of(metrics, targets, predict(images), weights)

        return merged(map(sums, examples), joined_of(metrics))

    given = references or {}
    found = {split: total(given[split], referring_to(split, metrics)) for split in references_of(metrics)}
    return results(total(examples, metrics), metrics, found)


def joined_of(metrics: Mapping[str, Metric]) -> Callable[[str], bool]:
    """Returns what `merged` takes as `joined` for these metrics: a function of the names that `sums_of` gives."""
    prefixes = tuple(f"{metric.kept_as or name}/" for name, metric in metrics.items() if metric.joined)
    return lambda name: name.startswith(prefixes)


def references_of(metrics: Mapping[str, Metric]) -> dict[str, int | None]:
    """Returns the splits that metrics have as their reference: name -> how many examples at most, None for all."""
    limits: dict[str, list[int | None]] = {}
    for metric in metrics.values():
        if metric.reference:
            limits.setdefault(metric.reference, []).append(metric.reference_examples)
    return {
        split: None if None in found else max(most for most in found if most is not None)
        for split, found in sorted(limits.items())
    }


def referring_to(split: str, metrics: Mapping[str, Metric]) -> dict[str, Metric]:
    """Returns those of the metrics that have a split as their reference."""
    return {name: metric for name, metric in metrics.items() if metric.reference == split}
