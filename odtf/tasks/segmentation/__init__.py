"""Segmentation: a class for every pixel of an image."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

import keras
import numpy as np

from odtf import losses
from odtf.data import Target
from odtf.errors import UserError
from odtf.models import heads
from odtf.tasks import classes
from odtf.tasks.exported import Answer
from odtf.tasks.segmentation import frequencies, mask_pictures, overlap
from odtf.tasks.segmentation.segmenter import ImageSegmenter
from odtf.tasks.task import Task

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from matplotlib.figure import Figure

    from odtf.data import ImageDataset, Info
    from odtf.evaluation.image_file import ImageFile
    from odtf.losses.tensors import Targets, Tensor
    from odtf.models.annotations import Head
    from odtf.targets import Target as Device
    from odtf.tasks.study import Reader, Study


VOID = 255

_LOSSES = ("cross_entropy", "dice", "focal", "hard_pixels")
_DISTILLATIONS = {"pixel": losses.pixel_kl, "channel": losses.channel_kl}
_FORMS = ("logits", "probabilities", "classes")


class Segmentation(Task):
    """Masks of classes; a network answers with logits `[batch, height, width, classes]` in the size of the image.

    A mask is `[height, width]` of class ids, 255 where a pixel counts for nothing: in the loss, in the metrics and,
    with that value, outside of an image that was moved.

    Args:
        loss: "cross_entropy", "dice", "focal", "hard_pixels", or a sum of them such as "cross_entropy+dice"; see
            `odtf.losses`.
        class_weights: factors on the cross-entropy of each class: None, "inverse" or "median_frequency" of the training
            masks (see `odtf.tasks.segmentation.frequencies`), or a list of numbers.
        gamma: float, exponent of the focal loss.
        hard_share: float in (0, 1], of "hard_pixels".
        distillation: "pixel" for the mean KL of every pixel's classes, "channel" for that of every class's places,
            which leaves no other choice to `config.method.divergence`.
        answers: what a file gives: "logits", "probabilities" or "classes" (uint8 where the target takes a CAST, else
            int32); None: probabilities where the target is `finished`, else logits.

    Raises:
        ValueError: if an argument is unknown or out of range.
    """

    name = "segmentation"
    output = "logits"
    targets: Mapping[str, Target] = {"mask": Target(None, "uint8", "nearest", VOID)}
    divergences: tuple[str, ...] = ("standardized", "dkd", "dist")
    agreement = overlap.MaskAgreement()
    snippets: Mapping[str, str] = {"page": "mask.html.j2"}
    templates = pathlib.Path(__file__).parent / "templates"

    def __init__(
        self,
        loss: str = "cross_entropy",
        class_weights: str | Sequence[float] | None = None,
        gamma: float = 2.0,
        hard_share: float = 0.25,
        distillation: str = "pixel",
        answers: str | None = None,
    ) -> None:
        self.losses = tuple(loss.split("+"))
        unknown = [name for name in self.losses if name not in _LOSSES]
        if unknown or len(set(self.losses)) < len(self.losses):
            raise ValueError(f"loss is one of {', '.join(_LOSSES)}, or a sum with +. Received: loss={loss!r}.")
        if distillation not in _DISTILLATIONS:
            raise ValueError(f"distillation is 'pixel' or 'channel'. Received: distillation={distillation!r}.")
        if answers is not None and answers not in _FORMS:
            raise ValueError(f"answers is None or one of {', '.join(_FORMS)}. Received: answers={answers!r}.")
        if gamma < 0 or not 0.0 < hard_share <= 1.0:
            raise ValueError(
                "gamma must not be negative, and hard_share must lie in (0, 1]. "
                f"Received: gamma={gamma}, hard_share={hard_share}."
            )
        self.class_weights = frequencies.checked(class_weights)
        if self.class_weights is not None and "cross_entropy" not in self.losses:
            raise ValueError(f"class_weights are of the cross-entropy. Received: loss={loss!r}.")
        self.gamma, self.hard_share, self.distillation, self.answers = gamma, hard_share, distillation, answers
        if distillation == "channel":
            self.divergences = ()
        if answers != "classes":  # MediaPipe finds the largest score itself, and wants scores.
            self.client = ImageSegmenter()
            self.snippets = {**self.snippets, "android": "segmenter.md.j2"}
        self.metrics: dict[str, Any] = {
            "miou": overlap.MeanOverlap(VOID),
            "pixel_accuracy": overlap.PixelAccuracy(VOID),
            **{f"images_{round(100 * t)}": overlap.ShareAbove(VOID, t) for t in (0.5, 0.6, 0.7)},
            "image_variance": overlap.OverlapVariance(VOID),
        }

    # In training ----------------------------------------------------------------------------------------------------

    def head(self, info: Info) -> Head:
        return heads.Pixels(len(info.names), tap=self.output)

    def observe(self, dataset: ImageDataset) -> None:
        if isinstance(self.class_weights, str):
            self.class_weights = frequencies.class_weights(dataset, self.class_weights, VOID)
        if self.class_weights is not None and len(self.class_weights) != len(dataset.names):
            raise UserError(
                f"class_weights are one number for each of {len(dataset.names)} classes. "
                f"Received: {len(self.class_weights)}."
            )

    def supervised(self, targets: Targets, output: Tensor) -> Tensor:
        return sum(self._loss(name, targets, output) for name in self.losses)

    def _loss(self, name, targets, output):
        if name == "cross_entropy":
            if isinstance(self.class_weights, str):
                raise ValueError(
                    "Class weights follow from the training masks: call task.observe(dataset) before training. "
                    f"Received: class_weights={self.class_weights!r}."
                )
            return losses.pixel_cross_entropy(targets, output, VOID, self.class_weights)
        if name == "focal":
            return losses.focal(targets, output, VOID, self.gamma)
        if name == "hard_pixels":
            return losses.hard_pixels(targets, output, VOID, self.hard_share)
        return losses.dice(targets, output, VOID)

    def distil(self, teacher: Tensor, student: Tensor, temperature: float = 1.0) -> Tensor:
        return _DISTILLATIONS[self.distillation](teacher, student, temperature)

    def progress(self, targets: Targets, output: Tensor) -> dict[str, Tensor]:
        return {"pixel_accuracy": self.metrics["pixel_accuracy"].mean(targets, output)}

    # In the export --------------------------------------------------------------------------------------------------

    def _form(self, target):
        return self.answers or ("probabilities" if target.finished else "logits")

    def fold(self, output: keras.KerasTensor, target: Device) -> keras.KerasTensor:
        form = self._form(target)
        if form == "probabilities" and not classes.has_float_softmax(target):
            return keras.layers.Softmax(name="softmax")(output)
        if form == "classes":
            return keras.layers.Lambda(_classes, arguments={"dtype": _integer(target)}, name="classes")(output)
        return output

    def folded(self, output: np.ndarray, target: Device) -> np.ndarray:
        form = self._form(target)
        if form == "classes":
            return output.argmax(-1)
        if form == "logits":
            return output
        return classes.softmax(output)

    def comparable(self, answers: np.ndarray, info: Info, target: Device | None = None) -> np.ndarray:
        """Returns answers as scores; of classes, 1 for the class of a pixel and 0 for all others."""
        answers = np.asarray(answers)
        if answers.ndim == 4:
            return answers
        return np.equal(answers[..., np.newaxis], np.arange(len(info.names))).astype(np.float32)

    def answer(self, info: Info, target: Device, quantization: str) -> Answer:
        form, size = self._form(target), info.image_shape[:2]
        if form == "classes":
            return Answer("classes", (1, *size), _integer(target))
        shape = 1, *size, len(info.names)
        if form == "probabilities" and classes.has_float_softmax(target):
            return Answer("scores", shape, "float32", softmax=True)
        return Answer("scores" if form == "probabilities" else "logits", shape)

    def check(self, info: Info, shape: Sequence[int | None]) -> None:
        if tuple(shape[1:]) != (*info.image_shape[:2], len(info.names)):
            raise UserError(
                f"The network answers {tuple(shape[1:])} for an image. Received: images of {info.image_shape[:2]} with "
                f"{len(info.names)} classes in {info.name}"
            )
        classes.check_names(info)

    def allowed_loss(self, metric: str, count: int, max_drop: float) -> float:
        # An image has many pixels: the noise of a split is below that of as many single answers.
        return max_drop + 0.2 * count**-0.5

    def least_agreement(self, quantization: str) -> float | None:
        return classes.LEAST_AGREEMENT.get(quantization)

    def is_barely_trained(self, value: float, info: Info) -> bool:
        return classes.is_near_chance(value, len(info.names))

    def labels(self, info: Info) -> tuple[str, ...]:
        return tuple(str(name) for name in info.names)

    def describe(self, info: Info) -> str:
        return f"Image segmenter, {len(info.names)} classes of {info.name}"

    def draw(
        self, pyplot: Any, info: Info, images: np.ndarray, targets: Targets, answers: Mapping[str, np.ndarray]
    ) -> Figure:
        masks = {name: scores.argmax(-1) for name, scores in answers.items()}
        return mask_pictures.draw(pyplot, info, images, targets, masks, VOID)

    # In an evaluation -----------------------------------------------------------------------------------------------

    def reader(self, file: ImageFile, info: Info, against: bool = False) -> Reader:
        from odtf.tasks.segmentation.mask_study import MaskReader

        return MaskReader(self, file, info)

    def study(self, info: Info) -> Study:
        from odtf.tasks.segmentation.mask_study import MaskStudy

        return MaskStudy(self, info)

    def card(self, info: Info, target: Device) -> dict[str, Any]:
        form = self._form(target)
        what = "the class of every pixel" if form == "classes" else "one score per class for every pixel"
        return {
            "title": f"{len(info.names)} classes for every pixel of {info.name}",
            "kind": "an image segmenter",
            "end": form,
            "output": f"The output has {what}, in the order of `labels.txt`: {classes.listed(info.names)}.",
            "limits": [
                "It gives every pixel one of its classes, also where none of them is, and was tried on images of\n"
                f"  {info.name} alone: other cameras, light and framing cost accuracy that these figures do not show.",
                "It errs most at the borders of classes and in classes of few pixels; a mean over the classes does not "
                "say\n  how large a mistake looks.",
            ],
        }


def _classes(scores, dtype):
    """One operator of TFLite, and a CAST; Keras' own tells 0.0 from -0.0 first, by operators that it does not have."""
    import tensorflow as tf

    return tf.cast(tf.argmax(scores, axis=-1, output_type=tf.int32), dtype)


def _integer(target):
    return "uint8" if "CAST" in target.operators else "int32"
