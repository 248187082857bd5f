"""Metrics that merge: what batches, replicas, workers and the answers of a file add up to is one number.

A metric makes sums of a batch, tensors of any shape; sums of batches are added (or joined, where order matters), and
the result is computed from the total. So one metric serves a Keras model on many replicas and a TFLite file on one.
"""

import numpy as np
from keras import ops


class Metric:
    """A number of quality of one output against its targets.

    Attributes:
        title: what tables and axes call it, such as "accuracy".
        better: `max` where more is better, `min` where less is.
        share: whether it is a share in [0, 1], which tables show in per cent.
        joined: whether sums of batches are joined along the first axis instead of added.
        reference: name of the split whose sums `result` gets as its reference, or None.
    """

    title = ""
    better = max
    share = True
    joined = False
    reference = None

    def sums(self, targets, output, weights):
        """Returns the sums of a batch: a dict from a name to a tensor of any shape.

        Args:
            targets: the targets of the batch, as the task's data have them.
            output: tensor `[batch, ...]`, what a network or a file answers.
            weights: float32 tensor `[batch]`: 0 for padding, else 1.
        """
        raise NotImplementedError

    def result(self, sums, reference=None):
        """Returns the metric, a float, from the total of all sums.

        Args:
            sums: dict as `sums` returns it, numpy arrays.
            reference: the total of the split `self.reference`, where there is one.
        """
        raise NotImplementedError

    def text(self, value):
        """Returns a value as tables show it."""
        return f"{value:.2%}" if self.share else f"{value:.4g}"


class Mean(Metric):
    """The mean of what `values` gives for every example."""

    def values(self, targets, output):
        """Returns one value for every example, a tensor `[batch]`."""
        raise NotImplementedError

    def mean(self, targets, output):
        """Returns the mean over a batch, a float32 scalar tensor."""
        return ops.mean(ops.cast(self.values(targets, output), "float32"))

    def sums(self, targets, output, weights):
        return {"sum": ops.sum(weights * ops.cast(self.values(targets, output), "float32")), "count": ops.sum(weights)}

    def result(self, sums, reference=None):
        return float(sums["sum"]) / float(sums["count"])


class Accuracy(Mean):
    """The share of examples whose largest output is that of their class.

    Targets are integer labels `[batch]`, or distributions `[batch, classes]`, whose largest counts; outputs are scores
    `[batch, classes]`: logits or probabilities.

    Args:
        title: see `Metric`.
    """

    def __init__(self, title="accuracy"):
        self.title = title

    def values(self, targets, output):
        return ops.equal(ops.argmax(output, axis=-1), _class_ids(targets, output))


class TopK(Mean):
    """The share of examples whose class is among the k largest outputs; equal ones stand in the order of the classes.

    Args:
        k: int, at least 1.
    """

    def __init__(self, k):
        self.k = int(k)
        self.title = f"top-{self.k}"

    def values(self, targets, output):
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

    def values(self, targets, output):
        return ops.equal(ops.argmax(output, axis=-1), ops.argmax(targets, axis=-1))


class MeanAbsoluteError(Mean):
    """The mean absolute difference of outputs and targets of one shape, over all their values."""

    title = "mean absolute error"
    better = min
    share = False

    def values(self, targets, output):
        difference = ops.abs(ops.cast(output, "float32") - ops.reshape(ops.cast(targets, "float32"), ops.shape(output)))
        return ops.mean(ops.reshape(difference, (ops.shape(output)[0], -1)), axis=-1)


def sums_of(metrics, targets, output, weights):
    """Returns the sums of several metrics for one batch of one network.

    Args:
        metrics: mapping from name to `Metric`.
        targets, output, weights: as for `Metric.sums`.

    Returns:
        dict "METRIC/SUM" -> tensor.
    """
    return {
        f"{name}/{key}": value
        for name, metric in metrics.items()
        for key, value in metric.sums(targets, output, weights).items()
    }


def merged(batches, joined=()):
    """Merges what batches gave.

    Args:
        batches: iterable of dicts from a name to an array.
        joined: names, or prefixes that end in "/", of what is joined along the first axis; the rest is added.

    Returns:
        dict of numpy arrays, float64 where they are added; empty if there is no batch.
    """
    totals = {}
    for batch in batches:
        for name, value in batch.items():
            if name.startswith(tuple(joined)) if joined else False:
                totals.setdefault(name, []).append(np.asarray(value))
            else:
                totals[name] = totals.get(name, 0.0) + np.asarray(value, np.float64)
    return {name: np.concatenate(value) if isinstance(value, list) else value for name, value in totals.items()}


def results(totals, metrics, reference=None):
    """Computes all metrics of one network from its total sums.

    Args:
        totals: dict "METRIC/SUM" -> array, as `sums_of` names them, merged.
        metrics: mapping from name to `Metric`.
        reference: the same of the split that some metrics are computed against, or None.

    Returns:
        dict from the metric's name to a float.

    Raises:
        ValueError: if there was no example.
    """
    if not totals:
        raise ValueError("There is nothing to evaluate on: the data set is empty.")

    def part(sums, name):
        return {key.removeprefix(f"{name}/"): value for key, value in sums.items() if key.startswith(f"{name}/")}

    return {
        name: metric.result(part(totals, name), part(reference, name) if reference and metric.reference else None)
        for name, metric in metrics.items()
    }


def evaluate(predict, examples, metrics):
    """Evaluates a function of images, such as a file or a network, over a set of examples.

    Args:
        predict: callable from a batch of images to outputs `[batch, ...]`.
        examples: iterable of (images, targets) or (images, targets, weights).
        metrics: mapping from name to `Metric`.

    Returns:
        dict from the metric's name to a float.

    Raises:
        ValueError: if there is no example.
    """

    def sums(batch):
        images, targets, *rest = batch
        weights = np.asarray(rest[0], np.float32) if rest else np.ones(len(images), np.float32)
        return sums_of(metrics, targets, predict(images), weights)

    return results(merged(map(sums, examples), joined_of(metrics)), metrics)


def joined_of(metrics):
    """Returns what `merged` takes as `joined` for these metrics."""
    return tuple(f"{name}/" for name, metric in metrics.items() if metric.joined)
