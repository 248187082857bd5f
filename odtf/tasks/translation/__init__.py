"""Translation: an image to an image, as edges to photographs or noisy pictures to clean ones."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import ops

from odtf.data import COUNTED, LABELS, Target
from odtf.errors import UserError
from odtf.models import heads
from odtf.tasks.exported import Answer
from odtf.tasks.task import Task
from odtf.tasks.translation import likeness, translated_pictures
from odtf.tasks.translation.frechet import FrechetDistance
from odtf.tasks.translation.judges import Judge
from odtf.tasks.translation.segmented import SegmentedOverlap

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


_PAIRED_METHODS = ("Solo", "OfflineDistillation", "DeepMutualLearning", "OnlineMultiGranularity")
_UNPAIRED_METHODS = ("OnlineMultiGranularity",)
# PSNR between a file and its network, in decibels, at least.
_LEAST_DB = {"float32": 50.0, "float16": 35.0, "int16x8": 35.0}
_LEAST_DB_OF_INT8 = 30.0
# In PSNR, what the rounding of a file may cost against the picture.
_DECIBELS, _LEVELS = 0.5, 0.02
# Of distances that have no scale of their own: there the agreement with the network says what a file may cost.
_NO_LIMIT = 1e9


class Translation(Task):
    """Images to images; a network answers with an image `[batch, height, width, channels]` in [-1, 1].

    A target is a picture, uint8, as large as the image, and moved with it. Networks get images in [-1, 1] too. Where
    there are no pairs it is a picture of another set, drawn and moved by itself, and targets are a dict with "picture"
    and "counted" `[batch, 2]`: 1 where the image, and where the picture, comes for the first time in a split.

    Args:
        channels: of a picture: 1, 3 or any number; None: as many as the image has.
        paired: whether the data have pairs.
        features: name of a network, see `judges.Judge`, between whose features of generated and real pictures the
            Fréchet distance is a metric, "frechet_NAME"; without pairs there must be one.
        segmenter: likewise, of a network that segments generated pictures, whose mIoU against the labels in the image
            is a metric, "miou_NAME". The data must have the labels; a target "labels" comes beside the picture then.
        chosen_by: name of the metric by which validation chooses, or a list of them: an epoch in which any is the best
            so far is kept, so that the last need not be the best in all; None: the first of "psnr", "ssim" and these.

    Raises:
        ValueError: if an argument is out of range, or without pairs there is nothing to judge images by.
    """

    name = "translation"
    output = "image"
    normalization = (0.5, 0.5)
    targets: Mapping[str, Target] = {"picture": Target((None, None, None), "uint8", "bilinear")}
    agreement = likeness.ImageAgreement()
    templates = pathlib.Path(__file__).parent / "templates"
    snippets: Mapping[str, str] = {"page": "made.html.j2"}

    def __init__(
        self,
        channels: int | None = None,
        paired: bool = True,
        features: str | None = None,
        segmenter: str | None = None,
        chosen_by: str | Sequence[str] | None = None,
    ) -> None:
        if channels is not None and (type(channels) is not int or channels < 1):
            raise ValueError(f"channels must be None or an integer of at least 1. Received: channels={channels!r}.")
        if not isinstance(paired, bool):
            raise ValueError(f"paired must be True or False. Received: paired={paired!r}.")
        if not paired and (features is None or segmenter is not None):
            raise ValueError(
                "Without pairs images are judged by features, and have no labels: paired=False needs features, and no "
                f"segmenter. Received: features={features!r}, segmenter={segmenter!r}."
            )
        self.channels, self.paired, self.chosen_by = channels, paired, chosen_by
        self.features, self.segmenter = features, segmenter
        self.methods = _PAIRED_METHODS if paired else _UNPAIRED_METHODS
        self.targets = {"picture": Target((None, None, channels), "uint8", "bilinear", apart=not paired)}
        self.targets |= {} if paired else {"counted": COUNTED}
        self.targets |= {} if segmenter is None else {"labels": LABELS}
        found: dict[str, Any] = {"psnr": likeness.PSNR(), "ssim": likeness.SSIM()} if paired else {}
        self._judges = []
        if features is not None:
            self._judges.append(judge := Judge(features, "embedding"))
            found[f"frechet_{judge.title}"] = FrechetDistance(judge, judge.title)
        if segmenter is not None:
            self._judges.append(judge := Judge(segmenter, "logits"))
            found[f"miou_{judge.title}"] = SegmentedOverlap(judge, LABELS.ignore, judge.title)
        self._chosen_by = (chosen_by,) if isinstance(chosen_by, str) else tuple(chosen_by or list(found)[:1])
        if not set(self._chosen_by) <= set(found):
            raise ValueError(
                f"chosen_by is a metric, or a list of them: {', '.join(found)}. Received: chosen_by={chosen_by!r}."
            )
        self.metrics: dict[str, Any] = {name: found[name] for name in dict.fromkeys((*self._chosen_by, *found))}

    @property
    def choices(self) -> tuple[str, ...]:
        return self._chosen_by

    # In training ----------------------------------------------------------------------------------------------------

    def head(self, info: Info) -> Head:
        return heads.Image(self.channels_of(info))

    def channels_of(self, info: Info) -> int:
        """Returns the channels of a picture."""
        return self.channels or info.image_shape[2]

    def observe(self, dataset: ImageDataset) -> None:
        if min(dataset.image_shape[:2]) < likeness.WINDOW:
            raise UserError(
                f"SSIM looks at images of at least {likeness.WINDOW}x{likeness.WINDOW} pixels. "
                f"Received: {dataset.image_shape[0]}x{dataset.image_shape[1]} of {dataset.name}."
            )
        for judge in self._judges:
            judge.open()

    def pictures(self, targets: Targets) -> Tensor:
        """Returns the pictures of a batch, uint8 `[batch, height, width, channels]`, from its targets."""
        return likeness.pictures_of(targets)

    def real(self, targets: Targets) -> Tensor:
        """Returns the pictures of a batch as networks give them: float32 in [-1, 1]."""
        return likeness.in_unit_range(self.pictures(targets))

    def supervised(self, targets: Targets, output: Tensor) -> Tensor:
        """The mean absolute difference from the picture, over pixels and channels."""
        if not self.paired:
            raise UserError("Without pairs there is no difference from a picture. Received: paired=False.")
        return ops.mean(ops.abs(ops.cast(output, "float32") - self.real(targets)), axis=(1, 2, 3))

    def distil(self, teacher: Tensor, student: Tensor, temperature: float = 1.0) -> Tensor:
        """The mean absolute difference of the images, over pixels and channels."""
        return ops.mean(ops.abs(ops.cast(student, "float32") - ops.cast(teacher, "float32")), axis=(1, 2, 3))

    def progress(self, targets: Targets, output: Tensor) -> dict[str, Tensor]:
        return {"psnr": self.metrics["psnr"].mean(targets, output)} if self.paired else {}

    # In the export --------------------------------------------------------------------------------------------------

    def fold(self, output: keras.KerasTensor, target: Device) -> keras.KerasTensor:
        return keras.layers.Rescaling(127.5, 127.5, name="pixels")(output) if target.finished else output

    def folded(self, output: np.ndarray, target: Device) -> np.ndarray:
        if not target.finished:
            return output
        pixels = np.clip(127.5 * output + np.float32(127.5), 0.0, 255.0)
        return np.rint(pixels) if _is_bytes(target) else pixels

    def comparable(self, answers: np.ndarray, info: Info, target: Device) -> np.ndarray:
        return np.asarray(answers) / np.float32(127.5) - 1.0 if target.finished else answers

    def answer(self, info: Info, target: Device, quantization: str) -> Answer:
        shape = (1, *info.image_shape[:2], self.channels_of(info))
        if target.finished and _is_bytes(target):
            return Answer("picture", shape, "uint8", (1.0, 0))
        return Answer("picture", shape)

    def check(self, info: Info, shape: Sequence[int | None]) -> None:
        wanted = (*info.image_shape[:2], self.channels_of(info))
        if tuple(shape[1:]) != wanted:
            raise UserError(
                f"The network answers {tuple(shape[1:])} for an image. Received: images of {info.image_shape[:2]} with "
                f"pictures of {wanted[2]} channels in {info.name}"
            )

    def allowed_loss(self, metric: str, count: int, max_drop: float) -> float:
        # Both translate the same images: the noise of a split is not in the difference.
        if metric.startswith("frechet_"):
            return _NO_LIMIT
        return _DECIBELS if metric == "psnr" else _LEVELS + max_drop

    def least_agreement(self, quantization: str) -> float | None:
        return _LEAST_DB.get(quantization, _LEAST_DB_OF_INT8)

    def largest_error(self, quantization: str) -> float | None:
        return None  # Decibels say it.

    def describe(self, info: Info) -> str:
        return f"Image translator of {info.name}"

    def draw(
        self, pyplot: Any, info: Info, images: np.ndarray, targets: Targets, answers: Mapping[str, np.ndarray]
    ) -> Figure:
        return translated_pictures.draw(pyplot, images, np.asarray(self.pictures(targets)), answers, self.paired)

    # In an evaluation -----------------------------------------------------------------------------------------------

    def reader(self, file: ImageFile, info: Info, against: bool = False) -> Reader:
        from odtf.tasks.translation.translation_study import ImageReader

        return ImageReader(self.channels_of(info), file)

    def study(self, info: Info) -> Study:
        from odtf.tasks.translation.translation_study import TranslationStudy

        return TranslationStudy(self, info)

    def card(self, info: Info, target: Device) -> dict[str, Any]:
        what = "pixels from 0 to 255" if target.finished else "values from -1 (black) to 1 (white)"
        return {
            "title": f"images of {info.name} to images",
            "kind": "an image translator",
            "end": "an image",
            "output": f"The output is an image of the input's size, rows from the top, {what}.",
            "limits": [
                f"It was tried on images of {info.name} alone: of others it makes something too, and no figure here\n"
                "  says what.",
                "The figures compare pixels, or statistics of a split; they do not say whether what it invents is "
                "true.",
            ],
        }


def _is_bytes(target):
    """Whether files of a target that end in pixels end in bytes: where it takes the operator that makes them."""
    return "QUANTIZE" in target.operators
