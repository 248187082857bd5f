"""Whether a segmenter sees in a generated photograph what its map of labels asked for."""

from keras import ops

from odtf.errors import UserError
from odtf.tasks.segmentation.overlap import MeanOverlap


class SegmentedOverlap(MeanOverlap):
    """mIoU of a segmenter's answers to generated pictures against the labels that these were made from.

    Args:
        segmenter: callable from images in [-1, 1] to scores `[batch, height, width, classes]`, see `judges.Judge`; they
            are resized to the labels bilinearly.
        ignore: int, the id of pixels that are not counted.
        title: words for the segmenter.
    """

    def __init__(self, segmenter, ignore, title):
        super().__init__(ignore, f"mIoU by {title}")
        self.segmenter = segmenter
        self.kept_as = None

    def sums(self, targets, output, weights):
        labels, scores = targets["labels"], self.segmenter(output)
        size = tuple(labels.shape[1:3])
        if len(scores.shape) != 4:
            raise UserError(
                f"A segmenter gives scores for every pixel. Received: {tuple(scores.shape)} of {self.title}."
            )
        if tuple(scores.shape[1:3]) != size:
            scores = ops.image.resize(scores, size, interpolation="bilinear", antialias=False)
        return super().sums(labels, scores, weights)
