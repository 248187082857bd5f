"""Classification: one of several classes for an image."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import ops

from odtf.data import Target
from odtf.errors import UserError
from odtf.losses import check_smoothing, cross_entropy, kl_divergence
from odtf.metrics import Accuracy, Agreement
from odtf.tasks import classes
from odtf.tasks.classification.client import ImageClassifier
from odtf.tasks.exported import Answer
from odtf.tasks.task import Task

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from odtf.data import Info
    from odtf.evaluation.image_file import ImageFile
    from odtf.losses.tensors import Targets, Tensor
    from odtf.models.annotations import Head
    from odtf.targets import Target as Device
    from odtf.tasks.study import Reader, Study


# Classes that are told of one image, the likeliest first.
_MOST_SHOWN = 5


class Classification(Task):
    """Images in classes; a network answers with logits `[batch, classes]`, a target is an integer.

    Targets may be integers `[batch]` or `[batch, 1]`, as keras.datasets has them, or distributions `[batch, classes]`,
    one-hot or soft. Of the latter a loss takes all, a metric the largest.

    The supervised term is the cross-entropy, the default of distillation T^2 KL(p_teacher || p_student).

    Args:
        label_smoothing: float in [0, 1), of every cross-entropy; that share of the target mass is spread evenly over
            all classes (Szegedy et al., 2016).

    Raises:
        ValueError: if the smoothing is out of range.
    """

    name = "classification"
    output = "logits"
    targets: Mapping[str, Target] = {"label": Target()}
    divergences = ("standardized", "dkd", "dist")
    mixes = True
    agreement = Agreement()
    client = ImageClassifier()
    templates = pathlib.Path(__file__).parent / "templates"
    arguments_of_terms: Mapping[str, tuple[str, ...]] = {"supervised": ("label_smoothing",)}
    snippets: Mapping[str, str] = {
        "android": "android.md.j2",
        "firmware": "firmware.md.j2",
        "page": "bars.html.j2",
    }

    def __init__(self, label_smoothing: float = 0.0) -> None:
        self.label_smoothing = check_smoothing(label_smoothing)
        self.metrics: dict[str, Accuracy] = {"top1": Accuracy("top-1")}

    def head(self, info: Info) -> Head:
        return len(info.names)

    def standard(self, targets: Targets) -> Targets:
        rank = ops.ndim(targets)
        if rank == 2 and targets.shape[-1] == 1:
            return ops.squeeze(targets, axis=-1)
        if rank not in (1, 2):  # None where batches have had different ones.
            raise ValueError(
                "Labels are class numbers [batch] or [batch, 1], or distributions [batch, classes]. "
                f"Received: labels of shape {targets.shape}."
            )
        return targets

    def is_finished(self, answers: np.ndarray) -> bool:
        return answers.ndim == 2 and bool(np.all(answers >= 0) and np.allclose(answers.sum(-1), 1.0, atol=0.02))

    def unfinished(self, answers: Tensor) -> Tensor:
        # Logits up to a constant for each example, which no softmax sees.
        return ops.log(ops.maximum(ops.cast(answers, "float32"), 1e-37))

    def supervised(self, targets: Targets, output: Tensor) -> Tensor:
        return cross_entropy(targets, output, self.label_smoothing)

    def distil(self, teacher: Tensor, student: Tensor, temperature: float = 1.0) -> Tensor:
        return kl_divergence(teacher, student, temperature)

    def progress(self, targets: Targets, output: Tensor) -> dict[str, Tensor]:
        return {name: metric.mean(targets, output) for name, metric in self.metrics.items()}

    def reader(
        self, file: ImageFile, info: Info, against: bool = False, scores: str | None = None, label_offset: int = 0
    ) -> Reader:
        from odtf.tasks.classification.scores import Probabilities

        return Probabilities(file, info, against=against, scores=scores, label_offset=label_offset)

    def predictions(self, outputs: np.ndarray, info: Info) -> list[dict[str, Any]]:
        order = np.argsort(-outputs, axis=1, kind="stable")[:, :_MOST_SHOWN]
        rows = []
        for scores, best in zip(outputs, order, strict=True):
            first = {"label": str(info.names[best[0]]), "probability": round(float(scores[best[0]]), 6)}
            rows.append({**first, "scores": {str(info.names[i]): round(float(scores[i]), 6) for i in best}})
        return rows

    def study(self, info: Info) -> Study:
        from odtf.tasks.classification.class_study import ClassStudy

        return ClassStudy(self, info)

    def fold(self, output: keras.KerasTensor, target: Device) -> keras.KerasTensor:
        if not target.finished or classes.has_float_softmax(target):
            return output
        return keras.layers.Softmax(name="softmax")(output)

    def folded(self, output: np.ndarray, target: Device) -> np.ndarray:
        if not target.finished:
            return output
        return classes.softmax(output)

    def answer(self, info: Info, target: Device, quantization: str) -> Answer:
        shape = 1, len(info.names)
        if target.finished and classes.has_float_softmax(target):
            return Answer("scores", shape, "float32", softmax=True)
        return Answer("scores" if target.finished else "logits", shape)

    def check(self, info: Info, shape: Sequence[int | None]) -> None:
        if shape[-1] != len(info.names):
            raise UserError(
                f"The network tells {shape[-1]} classes apart. Received: {len(info.names)} classes in {info.name}"
            )
        classes.check_names(info)

    def least_agreement(self, quantization: str) -> float | None:
        return classes.LEAST_AGREEMENT.get(quantization)

    def is_barely_trained(self, value: float, info: Info) -> bool:
        return classes.is_near_chance(value, len(info.names))

    def labels(self, info: Info) -> tuple[str, ...]:
        return tuple(str(name) for name in info.names)

    def describe(self, info: Info) -> str:
        return f"Image classifier, {len(info.names)} classes of {info.name}"

    def card(self, info: Info, target: Device) -> dict[str, Any]:
        names = classes.listed(info.names)
        return {
            "title": f"{len(info.names)} classes of {info.name}",
            "kind": "an image classifier",
            "end": "probabilities" if target.finished else "logits",
            "output": f"The output has one score per class, in the order of `labels.txt`: {names}.",
            "limits": [
                "It names one of its classes for every image, also for one that shows none of them, and was tried on "
                f"images of\n  {info.name} alone: other cameras, light and framing cost accuracy that these figures do "
                "not show.",
                "Scores are not calibrated: 0.9 does not promise nine right answers of ten.",
            ],
        }
