"""Classification: one of several classes for an image."""

import typing

from odtf.data import Target
from odtf.losses import check_smoothing, cross_entropy, kl_divergence
from odtf.metrics import Accuracy, Agreement
from odtf.tasks.base import Task


class Classification(Task):
    """Images in classes; a network answers with logits `[batch, classes]`, a target is an integer.

    The supervised term is the cross-entropy, the default of distillation T^2 KL(p_teacher || p_student).

    Args:
        label_smoothing: float in [0, 1), of every cross-entropy; that share of the target mass is spread evenly over
            all classes (Szegedy et al., 2016).

    Raises:
        ValueError: if the smoothing is out of range.
    """

    name = "classification"
    output = "logits"
    targets: typing.ClassVar[dict] = {"label": Target()}
    agreement = Agreement()

    def __init__(self, label_smoothing=0.0):
        self.label_smoothing = check_smoothing(label_smoothing)
        self.metrics = {"top1": Accuracy("top-1")}

    def head(self, info):
        return len(info.names)

    def supervised(self, targets, output):
        return cross_entropy(targets, output, self.label_smoothing)

    def distil(self, teacher, student, temperature=1.0):
        return kl_divergence(teacher, student, temperature)

    def progress(self, targets, output):
        return {name: metric.mean(targets, output) for name, metric in self.metrics.items()}

    def reader(self, file, info, against=False, scores=None, label_offset=0):
        from odtf.tasks.classification.scores import Probabilities

        return Probabilities(file, info, against=against, scores=scores, label_offset=label_offset)

    def study(self, info):
        from odtf.tasks.classification.class_study import ClassStudy

        return ClassStudy(self, info)
