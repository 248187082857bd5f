"""Limits for what a file may lose on its student, as far as so many images can show a loss.

A share that was counted on n images is known within a margin alone, the wider the fewer there are. A file is refused
where its loss is shown with 99 % confidence, so that what is wanted does not depend on the size of the set, and what is
tolerated on top of it shrinks with the set.
"""

import math

import numpy as np

from odtf.errors import VerificationError
from odtf.metrics import Mean

# One-sided, 99 %.
_Z = 2.326
# float32 differs from Keras by rounding alone.
_FLOAT_TOLERANCE = 1e-3
# What the limits of tasks hold for.
USUAL_DROP = 0.02


class Difference:
    """How far the answers of a file are from those of its student, batch by batch.

    Args:
        metric: the `Metric` that chooses.
        counted: whether answers are whole numbers without a scale, such as classes: between those there is no distance,
            and how many differ is what counts.
        step: from one stored value of the output to the next, 0 for floats.
    """

    def __init__(self, metric, counted, step):
        self._metric = metric
        self._counted, self._step = counted, step
        self._largest, self._most = 0.0, 0.0
        self._squares, self._sums, self._values = 0.0, np.zeros(2), 0
        self._changes = []

    def add(self, given, expected):
        """Takes what file and student answer to some images, arrays `[n, ...]`."""
        given, expected = np.asarray(given, np.float64), np.asarray(expected, np.float64)
        if self._counted:
            self._most = max(self._most, float(np.mean(given != expected)))
            return
        self._most = max(self._most, float(np.max(np.abs(given - expected))))
        self._largest = max(self._largest, float(np.max(np.abs(expected))))
        self._squares += float(np.sum(np.square(given - expected)))
        self._sums += np.sum(expected), np.sum(np.square(expected))
        self._values += expected.size

    def compare(self, targets, given, expected):
        """Takes the same as the metrics do, with the targets of the images."""
        self._changes.append(_changes(self._metric, targets, given, expected))

    @property
    def figures(self):
        """dict: `"max_error"`, the largest difference, or share of those that differ; `"error"`, the root mean square
        difference, without one step of what is stored, in units of the standard deviation of the student's answers,
        None where they are counted; `"relative_error"`, the largest difference against the largest answer; and
        `"noise"`, the margin of the metric's loss."""
        return {
            "max_error": self._most,
            "error": self._error(),
            "relative_error": max(0.0, self._most - self._step) / (1.0 + self._largest),
            "noise": margin(np.concatenate(self._changes)),
        }

    def _error(self):
        if self._counted or not self._values:
            return None
        mean, square = self._sums / self._values
        beyond = max(0.0, math.sqrt(self._squares / self._values) - self._step)
        return beyond / max(math.sqrt(max(square - mean**2, 0.0)), 1e-12) if beyond else 0.0


def margin(changes):
    """Returns how far the mean of paired differences may be from what it is on all images, a float.

    Args:
        changes: array `[n]` of -1, 0 and 1: by how much an image is judged better for one file than for another. Two
            that are changed, one to each side, are added: a few images without a change do not show that there is none.
    """
    if not len(changes):
        return 0.0
    count = len(changes) + 2
    variance = (np.sum(np.square(changes)) + 2.0) / count - np.mean(changes) ** 2
    return _Z * math.sqrt(max(variance, 0.0) / count)


def margin_between(metric, targets, given, expected):
    """Returns the `margin` of a metric between two sets of answers; 0 where it is no share of examples."""
    return margin(_changes(metric, targets, given, expected))


def _changes(metric, targets, given, expected):
    if not (isinstance(metric, Mean) and metric.share):
        return np.zeros(0)
    own, other = (np.asarray(metric.values(targets, x), np.float64) for x in (given, expected))
    return own - other


def largest_share(share, count):
    """Returns the largest share of all images that is compatible with one counted on some: Wilson's upper bound.

    Args:
        share: float in [0, 1].
        count: int, of how many.

    Reference:
        Wilson, Journal of the American Statistical Association 22 (1927).
    """
    square = _Z**2 / count
    return (share + square / 2 + _Z * math.sqrt(share * (1 - share) / count + square / (4 * count))) / (1 + square)


def wanted(task, quantization, count, max_drop, noise):
    """Returns the limits of a file.

    Args:
        task: `odtf.tasks.Task`.
        quantization: how the file computes.
        count: int, how many images it was run on.
        max_drop: by how much the metric that chooses may be worse, the price of quantisation. Where it is above the
            usual 0.02, answers may differ so much more as well.
        noise: as `Difference.figures` has it.

    Returns:
        dict: `"allowed_drop"`, `"least_agreement"` and `"largest_error"`; None where there is no such limit.
    """
    more = max(0.0, max_drop - USUAL_DROP)
    agreement, error = task.least_agreement(quantization), task.largest_error(quantization)
    if agreement is not None and task.agreement.share:
        agreement = max(0.0, agreement - more)
    return {
        "allowed_drop": task.allowed_loss(task.choice, count, max_drop) + noise,
        "least_agreement": agreement,
        "largest_error": None if error is None else error + more,
    }


def is_worse(task, value, reference, allowed):
    """Whether the metric that chooses is worse than a reference by more than is allowed."""
    limit = reference - allowed if task.metrics[task.choice].better is max else reference + allowed
    return not task.is_better(value, limit)


def is_enough(agreement, value, least, count):
    """Whether a value of a metric of agreement on so many images is as good as the least that is wanted, or better.

    Of a share it is enough that images do not show that it is less.
    """
    value = largest_share(value, count) if agreement.share else value
    return agreement.better(value, least) == value


def check_answers(figures, task, info, quantization, max_drop):
    """Refuses a file whose answers do not follow from its student's.

    Args:
        figures: dict with `"metrics"` and `"student_metrics"`, `"count"`, `"agreement"` and what `Difference.figures`
            has.
        task: `odtf.tasks.Task`.
        info: `odtf.data.Info` of the data.
        quantization: how the file computes.
        max_drop: as for `wanted`.

    Raises:
        VerificationError: naming what was found and what was expected, and whether the student is barely trained.
    """
    limits = wanted(task, quantization, figures["count"], max_drop, figures["noise"])
    metric, value, expected = _chosen(task, figures)
    problem = None
    if is_worse(task, value, expected, limits["allowed_drop"]):
        problem = (
            f"answers worse than its student, whose {metric.title} is {expected:.4f}, by more than "
            f"{limits['allowed_drop']:.4f}. Received: {value:.4f}"
        )
    least, agreement = limits["least_agreement"], figures["agreement"]
    if problem is None and least is not None and not is_enough(task.agreement, agreement, least, figures["count"]):
        problem = (
            f"does not answer as its student: on {figures['count']} images {task.agreement.title} is "
            f"{task.agreement.text(agreement)}; at least {task.agreement.text(least)} was expected"
        )
    largest, error = limits["largest_error"], figures["error"]
    if problem is None and largest is not None and error is not None and error > largest:
        problem = (
            f"does not answer as its student: its answers are off by {error:.3g} of their own standard deviation, at "
            f"most by {figures['max_error']:.3g}; no more than {largest:.3g} of it was expected"
        )
    if problem is None and quantization == "float32" and figures["relative_error"] > _FLOAT_TOLERANCE:
        allowed = _FLOAT_TOLERANCE * figures["max_error"] / figures["relative_error"]
        problem = f"differs from its student by {figures['max_error']:.3g}; at most {allowed:.3g} was expected"
    if problem is not None:
        raise VerificationError(f"The {quantization} file {problem}.{_advice(task, info, figures, quantization)}")


def _chosen(task, figures):
    return task.metrics[task.choice], figures["metrics"][task.choice], figures["student_metrics"][task.choice]


def _advice(task, info, figures, quantization):
    metric, _, student = _chosen(task, figures)
    if task.is_barely_trained(student, info):
        return (
            f" The student itself is barely trained ({metric.title} {metric.text(student)}): its answers lie so close "
            "together that rounding decides between them. Train it longer, or with more images, and export it then."
        )
    if quantization in ("int8", "int16x8"):
        return (
            " Train it for int8 (--config.quantization.aware=True), calibrate on more images "
            "(--config.export.calibration_examples), or export another peer or quantisation."
        )
    return ""
