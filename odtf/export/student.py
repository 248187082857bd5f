"""One call from a trained network to verified files."""

import contextlib

import keras
import numpy as np

from odtf.data import calibration_images
from odtf.errors import UserError
from odtf.export.aware import lowered_model
from odtf.export.conversion import convert, fold_preprocessing
from odtf.export.publication import publish_student
from odtf.export.targets import find_target
from odtf.models import deploy
from odtf.quantization import is_aware
from odtf.quiet import quiet


def export_student(
    network,
    dataset,
    out_dir,
    *,
    target="soc",
    quantization="int8",
    calibration_examples=256,
    split="test",
    max_examples=None,
    max_drop=0.02,
    seed=0,
    about=None,
    memory=None,
):
    """Exports a student as a TFLite file that takes raw pixels, and verifies it before it appears.

    `soc`, `micro`, `ethos-u55`, `ethos-u65`: `student_<quantization>.tflite`, `.h` and `.cc`, `labels.txt`; ends in
    logits. int8 input is pixel - 128, int16 input is pixel * 128. `phone`: `student_<quantization>.tflite` with
    metadata and labels in it, `labels.txt`; uint8 RGB input, ends in probabilities. `phone-gpu`: the same with float32
    RGB input, pixels 0 to 255.

    Args:
        network: `keras.Model` from normalised images to named taps, `"logits"` among them.
        dataset: `odtf.data.ImageDataset`, for calibration (training images), labels, normalisation and verification.
        out_dir: directory of the files; files of other names in it stay.
        target: key of `TARGETS`, or a `Target`.
        quantization: one that the target takes.
        calibration_examples: number of training images that set the ranges of activations.
        split: split to verify on.
        max_examples: verify on that many of its first examples; None for all.
        max_drop: largest accepted fall of accuracy, see `verify`.
        seed: which training images calibrate.
        about: mapping for the model card, as for `publish_student`; None for no card.
        memory: dict in which conversions and answers are kept for further targets of the same network; None to keep
            nothing.

    Returns:
        dict, one row of a report's `"exports"`: `"target"`, `"quantization"`, `"path"`, what `verify` returns, and
        `"calibration"`: where the ranges of integer activations come from, `"training"` for a network that
        `odtf.quantization` made, else `"post-training"`.

    Raises:
        UserError: if an argument is wrong, the target cannot take the network, the disk is full.
        VerificationError: if the file is not as good as it should be. No file has changed in any of these cases.
    """
    target = find_target(target, quantization)
    _check(network, dataset, calibration_examples, split, max_examples)
    memory = {} if memory is None else memory
    conversion = target.conversion(quantization)
    if conversion not in memory:
        memory[conversion] = _convert(network, dataset, target, quantization, calibration_examples, seed)
    row = publish_student(
        memory[conversion],
        network,
        dataset,
        out_dir,
        target=target,
        quantization=quantization,
        split=split,
        max_examples=max_examples,
        max_drop=max_drop,
        about=about,
        memory=memory,
    )
    return {**row, "calibration": "training" if is_aware(network) else "post-training"}


def _convert(network, dataset, target, quantization, calibration_examples, seed):
    if is_aware(network):
        with _float32(), quiet():
            return convert(lowered_model(network, dataset, target, quantization), None, target, quantization)
    with _float32(), quiet():
        deployed = deploy(network, grouped=target.grouped)
        return convert_calibrated(deployed, dataset, target, quantization, calibration_examples, seed)


def convert_calibrated(deployed, dataset, target, quantization, calibration_examples, seed):
    """Converts a float student into a file whose ranges come from training images.

    Args:
        deployed: `keras.Model` of stock layers from normalised images to logits.
        dataset: `odtf.data.ImageDataset`.
        target: `Target`.
        quantization: one that the target takes.
        calibration_examples: number of training images that set the ranges.
        seed: which ones.

    Returns:
        bytes of a TFLite file that takes raw pixels.

    Raises:
        UserError: as `convert`.
    """
    with quiet():
        model = fold_preprocessing(deployed, dataset.mean, dataset.std, target, quantization)
    images = calibration_images(dataset, calibration_examples, seed)
    if model.input_shape[-1] != images.shape[-1]:
        images = np.repeat(images, model.input_shape[-1], axis=-1)
    return convert(model, images, target, quantization)


@contextlib.contextmanager
def _float32():
    """New layers in float32, also after a training run that set another policy for the process."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)


def _check(network, dataset, calibration_examples, split, max_examples):
    for name, value in (("calibration_examples", calibration_examples), ("max_examples", max_examples)):
        if value is not None and value < 1:
            raise UserError(f"{name} is at least 1. Received: {name}={value}")
    if split not in dataset.splits:
        raise UserError(f"No such split: it would be one of {', '.join(dataset.splits)}. Received: split={split!r}")
    if len(dataset.splits[split]) == 0:
        raise UserError(f"A split to verify on has examples. Received: an empty {split!r} split")
    if tuple(network.input_shape[1:]) != tuple(dataset.image_shape):
        raise UserError(
            f"The network takes images of shape {tuple(network.input_shape[1:])}. "
            f"Received: images of shape {tuple(dataset.image_shape)} from {dataset.name}"
        )
    classes = network.output["logits"].shape[-1]
    if classes != dataset.num_classes:
        raise UserError(
            f"The network tells {classes} classes apart. Received: {dataset.num_classes} classes in {dataset.name}"
        )
    for label in dataset.class_names:
        if not str(label).strip() or len(str(label).splitlines()) != 1:
            raise UserError(f"A class name is one line of text, not empty. Received: {label!r}")
