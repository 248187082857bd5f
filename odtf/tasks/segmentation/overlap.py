"""Metrics of masks: the overlap of what a network sees with what there is, of a split and of single images.

All of them are computed from confusion matrices of images, whose sums over batches, replicas and files are exact.
Outputs are scores `[batch, height, width, classes]`, logits or probabilities; targets are masks of class ids.
"""

import numpy as np
from keras import ops

from odtf.metrics import Metric


def confusion(targets, output, ignore):
    """Counts which class is taken for which, image by image.

    Args:
        targets: integer tensor `[batch, height, width]`, class ids.
        output: tensor `[batch, height, width, classes]`; the largest value is the answer.
        ignore: int, the id of pixels that are not counted.

    Returns:
        int32 tensor `[batch, classes, classes]`, rows the true class and columns the answer.
    """
    classes = output.shape[-1]
    shape = (-1, output.shape[1] * output.shape[2])
    labels = ops.reshape(ops.cast(targets, "int32"), shape)
    answers = ops.reshape(ops.cast(ops.argmax(output, axis=-1), "int32"), shape)
    # What is ignored has no class: a row of zeros. Up to 2**24 pixels of an image are exact in float32.
    counted = ops.cast(ops.not_equal(labels, ignore), "float32")[..., None]
    truth = ops.one_hot(ops.where(ops.not_equal(labels, ignore), labels, 0), classes, dtype="float32") * counted
    given = ops.one_hot(answers, classes, dtype="float32")
    return ops.cast(ops.matmul(ops.transpose(truth, (0, 2, 1)), given), "int32")


def class_overlap(matrix):
    """Computes the intersection over union of every class.

    Args:
        matrix: array `[..., classes, classes]`, confusion.

    Returns:
        float64 array `[..., classes]`; NaN for a class that is neither there nor answered.
    """
    matrix = np.asarray(matrix, np.float64)
    hits = np.diagonal(matrix, axis1=-2, axis2=-1)
    union = matrix.sum(-1) + matrix.sum(-2) - hits
    return np.where(union > 0, hits / np.maximum(union, 1.0), np.nan)


class PixelMetric(Metric):
    """Base of metrics from confusion matrices.

    Args:
        ignore: int, the id of pixels that are not counted.
        title: see `Metric`.
    """

    def __init__(self, ignore, title):
        self.ignore = int(ignore)
        self.title = title
        # Matrices cost more than most networks: metrics of one kind share theirs.
        self.kept_as = f"{self.kind}_without_{self.ignore}"

    def counted(self, targets, output, weights):
        """Returns the confusion matrices of the images, int32 `[batch, classes, classes]`; 0 for padding."""
        return confusion(targets, output, self.ignore) * ops.cast(weights, "int32")[:, None, None]


class OfSplit(PixelMetric):
    """Base of metrics that are one figure of all pixels of a split."""

    kind = "confusion"

    def sums(self, targets, output, weights):
        return {"confusion": ops.sum(self.counted(targets, output, weights), axis=0)}


class MeanOverlap(OfSplit):
    """mIoU: the mean intersection over union of the classes that are present, there or answered, in the whole split."""

    def __init__(self, ignore, title="mIoU"):
        super().__init__(ignore, title)

    def result(self, sums, reference=None):
        overlaps = class_overlap(sums["confusion"])
        present = ~np.isnan(overlaps)
        return float(overlaps[present].mean()) if present.any() else 0.0


class PixelAccuracy(OfSplit):
    """The share of pixels that get their class."""

    def __init__(self, ignore, title="pixel accuracy"):
        super().__init__(ignore, title)

    def result(self, sums, reference=None):
        total = float(np.sum(sums["confusion"]))
        return float(np.trace(sums["confusion"])) / total if total else 0.0

    def mean(self, targets, output):
        """Returns the accuracy in a batch, a float32 scalar tensor."""
        labels = ops.cast(targets, "int32")
        counted = ops.cast(ops.not_equal(labels, self.ignore), "float32")
        right = ops.cast(ops.equal(labels, ops.cast(ops.argmax(output, axis=-1), "int32")), "float32")
        return ops.sum(right * counted) / ops.maximum(ops.sum(counted), 1.0)


class OfImages(PixelMetric):
    """Base of metrics of the images' own mIoUs, each over the classes present in that image."""

    kind = "images"
    joined = True

    def sums(self, targets, output, weights):
        """Returns the images' mIoUs and 1 for each that has one: two float32 tensors `[batch]`."""
        matrix = ops.cast(self.counted(targets, output, weights), "float32")
        hits = ops.diagonal(matrix, axis1=1, axis2=2)
        union = ops.sum(matrix, axis=1) + ops.sum(matrix, axis=2) - hits
        present = ops.cast(union > 0, "float32")
        number = ops.sum(present, axis=1)
        means = ops.sum(hits / ops.maximum(union, 1.0), axis=1) / ops.maximum(number, 1.0)
        return {"overlaps": means, "counts": ops.cast(number > 0, "float32")}

    def overlaps(self, sums):
        """Returns the mIoUs of the images that have one, a float64 array."""
        return np.asarray(sums["overlaps"], np.float64)[np.asarray(sums["counts"]) > 0]


class ShareAbove(OfImages):
    """The share of images whose own mIoU is at least a threshold.

    What the abstract of Spirit Distillation calls high-precision accuracy is not defined there; this is our reading.

    Args:
        ignore: as for `PixelMetric`.
        threshold: float in (0, 1).
    """

    def __init__(self, ignore, threshold):
        super().__init__(ignore, f"images of mIoU {threshold:g} and more")
        self.threshold = float(threshold)

    def result(self, sums, reference=None):
        overlaps = self.overlaps(sums)
        # A float32 quotient of whole numbers may fall a rounding below the threshold that it equals.
        return float(np.mean(overlaps >= self.threshold - 1e-6)) if overlaps.size else 0.0


class OverlapVariance(OfImages):
    """The variance of the images' own mIoUs, of the split and not of a population that it stands for."""

    better = min
    share = False

    def __init__(self, ignore, title="variance of the images' mIoU"):
        super().__init__(ignore, title)

    def result(self, sums, reference=None):
        overlaps = self.overlaps(sums)
        return float(overlaps.var()) if overlaps.size else 0.0


class MaskAgreement(Metric):
    """The share of pixels that two networks, or files, give one class; the scores of the other are the targets."""

    title = "agreement"

    def sums(self, targets, output, weights):
        same = ops.equal(ops.argmax(output, axis=-1), ops.argmax(targets, axis=-1))
        shares = ops.mean(ops.cast(same, "float32"), axis=(1, 2))
        return {"sum": ops.sum(weights * shares), "count": ops.sum(weights)}

    def result(self, sums, reference=None):
        return float(sums["sum"]) / float(sums["count"])
