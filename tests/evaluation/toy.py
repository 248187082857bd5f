"""A task of somebody's own: one number for an image."""

import typing

import numpy as np
from keras import ops
from sklearn.datasets import load_digits

from odtf.data import Target
from odtf.metrics import MeanAbsoluteError, Metric
from odtf.tasks import Task


class RelativeMedian(Metric):
    """The median absolute error, in units of that of the validation split."""

    better = min
    share = False
    joined = True
    reference = "validation"

    def sums(self, targets, output, weights):
        return {"errors": ops.abs(ops.cast(output[:, 0], "float32") - ops.cast(targets, "float32"))}

    def result(self, sums, reference=None):
        return float(np.median(sums["errors"]) / np.median(reference["errors"]))


class DigitValue(Task):
    """The value of a written digit as a real number."""

    name = "digit_value"
    targets: typing.ClassVar[dict] = {"value": Target(dtype="float32")}
    metrics: typing.ClassVar[dict] = {"mae": MeanAbsoluteError()}
    agreement = MeanAbsoluteError()


def digit_values():
    """scikit-learn's digits, each with its value."""
    found = load_digits()
    images = np.rint(found.images * (255.0 / 16.0)).astype(np.uint8)[..., np.newaxis]
    return (), {"train": (images, found.target)}


class RelativeDigitValue(DigitValue):
    """The same, judged by a metric that needs all errors at once and another split."""

    metrics: typing.ClassVar[dict] = {"relative_median": RelativeMedian()}
    agreement = None
