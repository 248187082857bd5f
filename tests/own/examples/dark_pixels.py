"""A task of one's own: one number from a picture, how much of it is ink, and the data to learn it from.

    odtf-train --config=configs/digits.py --workdir=runs/ink --config.task.name=dark_pixels.py:Ink \\
        --config.data.name=dark_pixels.py:digits_with_ink
    odtf-evaluate runs/ink/export/soc/student_int8.tflite --data=dark_pixels.py:digits_with_ink \\
        --task=dark_pixels.py:Ink
"""

import typing

import numpy as np
from keras import ops
from sklearn.datasets import load_digits

from odtf.data import Target
from odtf.metrics import MeanAbsoluteError
from odtf.models import heads
from odtf.tasks import Answer, Task


class Ink(Task):
    """The share of a picture that is ink, in per cent; judged by its mean absolute error."""

    name = "ink"
    output = "percent"
    targets: typing.ClassVar[dict] = {"percent": Target(dtype="float32")}
    metrics: typing.ClassVar[dict] = {"mae": MeanAbsoluteError()}
    agreement = MeanAbsoluteError()

    def __init__(self, scale=10.0):
        self.scale = scale

    def head(self, info):
        return heads.Linear(1, tap=self.output)

    def supervised(self, targets, output):
        return self._distance(ops.expand_dims(targets, -1), output)

    def distil(self, teacher, student, temperature=1.0):
        return self._distance(teacher, student)

    def _distance(self, one, other):
        return ops.mean(ops.square((one - other) / self.scale), axis=-1)

    def answer(self, info, target, quantization):
        return Answer(self.output, (1, 1))

    def allowed_loss(self, metric, count, max_drop):
        return 1.0  # Per cent of the picture.


def digits_with_ink():
    """scikit-learn's digits, each with the share of its pixels that are inked."""
    images = np.rint(load_digits().images * (255.0 / 16.0)).astype(np.uint8)[..., np.newaxis]
    return (), {"train": (images, 100.0 * np.mean(images > 127, axis=(1, 2, 3)))}
