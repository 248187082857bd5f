"""One call from a trained network to verified files."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import keras
import numpy as np

from odtf.data import calibration_images
from odtf.errors import UserError
from odtf.export.aware import lowered_model
from odtf.export.conversion import convert, fold_preprocessing
from odtf.export.publication import publish_student
from odtf.export.soundness import check_activations, check_normalization, check_weights
from odtf.models import deploy
from odtf.quantization import has_channel_scales, is_aware
from odtf.quiet import quiet
from odtf.targets import find_target
from odtf.tasks import Classification

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from typing import Any

    from odtf.atomic_files import AtomicFiles
    from odtf.data import ImageDataset
    from odtf.targets import Target as Device
    from odtf.tasks import Task


def export_student(
    network: keras.Model,
    dataset: ImageDataset,
    out_dir: str | os.PathLike[str],
    *,
    task: Task | None = None,
    target: str | Device = "soc",
    quantization: str = "int8",
    calibration_examples: int = 256,
    split: str = "test",
    max_examples: int | None = None,
    max_drop: float = 0.02,
    seed: int = 0,
    about: Mapping[str, Any] | None = None,
    memory: dict[Any, Any] | None = None,
    atomic: AtomicFiles | None = None,
) -> dict[str, Any]:
    """Exports a student as a TFLite file that takes raw pixels, and verifies it before it appears.

    `soc`, `micro`, `ethos-u55`, `ethos-u65`: `student_<quantization>.tflite`, `.h` and `.cc`; ends in what the network
    computes, such as logits. int8 input is pixel - 128, int16 input is pixel * 128. `phone`:
    `student_<quantization>.tflite` with metadata in it; uint8 RGB input, ends in what an app shows, such as
    probabilities. `phone-gpu`: the same with float32 RGB input, pixels 0 to 255. Where outputs have names, they are in
    `labels.txt`, and in what carries metadata or C++ source.

    Args:
        network: `keras.Model` from normalised images to named taps, the task's answer among them.
        dataset: `odtf.data.ImageDataset`, for calibration (training images), names, normalisation and verification.
        out_dir: directory of the files; files of other names in it stay.
        task: `odtf.tasks.Task`; None: classification.
        target: key of `TARGETS`, or a `Target`.
        quantization: one that the target takes.
        calibration_examples: number of training images that set the ranges of activations.
        split: split to verify on.
        max_examples: verify on that many of its first examples; None for all.
        max_drop: the accepted price of quantisation, see `verify`.
        seed: which training images calibrate.
        about: mapping for the model card, as for `publish_student`; None for no card.
        memory: dict in which conversions and answers are kept for further targets of the same network; None to keep
            nothing.
        atomic: as for `publish_student`.

    Returns:
        dict, one row of a report's `"exports"`: `"target"`, `"quantization"`, `"path"`, what `verify` returns, and
        `"calibration"`: where the ranges of integer activations come from, `"training"` for a network that
        `odtf.quantization` made, else `"post-training"`.

    Raises:
        UserError: if an argument is wrong, the target cannot take the network, the disk is full.
        VerificationError: if the file is not as good as it should be. No file has changed in any of these cases.
    """
    target, task = find_target(target, quantization), task or Classification()
    _check(network, dataset, task, calibration_examples, split, max_examples)
    memory = {} if memory is None else memory
    conversion = *target.conversion(quantization), task.answer(dataset.info, target, quantization)
    if conversion not in memory:
        memory[conversion] = _convert(network, dataset, task, target, quantization, calibration_examples, seed)
    row = publish_student(
        memory[conversion],
        network,
        dataset,
        out_dir,
        task=task,
        target=target,
        quantization=quantization,
        split=split,
        max_examples=max_examples,
        max_drop=max_drop,
        about=about,
        memory=memory,
        atomic=atomic,
    )
    return {**row, "calibration": "training" if is_aware(network) else "post-training"}


def _convert(network, dataset, task, target, quantization, calibration_examples, seed):
    with _float32(), quiet():
        if is_aware(network):
            model = lowered_model(network, dataset, target, quantization, task)
            answer = task.answer(dataset.info, target, quantization)
            return convert(model, None, target, quantization, answer, has_channel_scales(network))
        deployed = deploy(network, output=task.output, grouped=target.grouped)
        return convert_calibrated(deployed, dataset, target, quantization, task, calibration_examples, seed)


def convert_calibrated(
    deployed: keras.Model,
    dataset: ImageDataset,
    target: Device,
    quantization: str,
    task: Task,
    calibration_examples: int,
    seed: int,
) -> bytes:
    """Converts a float student into a file whose ranges come from training images.

    Args:
        deployed: `keras.Model` of stock layers from normalised images to the task's answer.
        dataset: `odtf.data.ImageDataset`.
        target: `Target`.
        quantization: one that the target takes.
        task: `odtf.tasks.Task`.
        calibration_examples: number of training images that set the ranges.
        seed: which ones.

    Returns:
        bytes of a TFLite file that takes raw pixels.

    Raises:
        UserError: as `convert`.
    """
    check_weights(deployed)  # Those of layers that were joined may overflow.
    images = calibration_images(dataset, calibration_examples, seed)
    with quiet():
        model = fold_preprocessing(deployed, dataset.mean, dataset.std, target, quantization, task)
        if quantization in ("int8", "int16x8"):
            check_activations(deployed, images, dataset.mean, dataset.std)
    if model.input_shape[-1] != images.shape[-1]:
        images = np.repeat(images, model.input_shape[-1], axis=-1)
    return convert(model, images, target, quantization, task.answer(dataset.info, target, quantization))


@contextlib.contextmanager
def _float32():
    """New layers in float32, also after a training run that set another policy for the process."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)


def _check(network, dataset, task, calibration_examples, split, max_examples):
    for name, value in (("calibration_examples", calibration_examples), ("max_examples", max_examples)):
        if value is not None and value < 1:
            raise UserError(f"{name} is at least 1. Received: {name}={value}")
    if split not in dataset.splits:
        raise UserError(f"No such split: it must be one of {', '.join(dataset.splits)}. Received: split={split!r}")
    if len(dataset.splits[split]) == 0:
        raise UserError(f"A split to verify on has examples. Received: an empty {split!r} split")
    if tuple(network.input_shape[1:]) != tuple(dataset.image_shape):
        raise UserError(
            f"The network takes images of shape {tuple(network.input_shape[1:])}. "
            f"Received: images of shape {tuple(dataset.image_shape)} from {dataset.name}"
        )
    if task.output not in network.output:
        raise UserError(
            f"A network for {task.name} has a tap {task.output!r}. Received: the taps {', '.join(network.output)}"
        )
    task.check(dataset.info, tuple(network.output[task.output].shape))
    check_weights(network)
    check_normalization(dataset)
