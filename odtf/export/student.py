"""One call from a trained network to verified files."""

import contextlib
from pathlib import Path

import keras
import numpy as np

from odtf import __version__
from odtf.data import calibration_images
from odtf.errors import UserError
from odtf.export.aware import lowered_model
from odtf.export.c_array import c_array
from odtf.export.convert import convert, fold_preprocessing
from odtf.export.files import publish
from odtf.export.lean import lean
from odtf.export.metadata import LABELS, attach, labels_text
from odtf.export.targets import find_target
from odtf.export.verify import verify
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
):
    """Exports a student as a TFLite file that takes raw pixels, and verifies it before it appears.

    `soc`: `student_<quantization>.tflite`, `.h` and `.cc`, `labels.txt`; ends in logits. int8 input is pixel - 128,
    int16 input is pixel * 128. `phone`: `student_<quantization>.tflite` with metadata and labels in it, `labels.txt`;
    uint8 RGB input, ends in probabilities.

    Args:
        network: `keras.Model` from normalised images to named taps, `"logits"` among them.
        dataset: `odtf.data.ImageDataset`, for calibration (training images), labels, normalisation and verification.
        out_dir: directory of the files; files of other names in it stay.
        target: `"soc"`, `"phone"` or a `Target`.
        quantization: `"int8"`, `"int16x8"`; on the phone also `"float16"`, `"dynamic"` and `"float32"`.
        calibration_examples: number of training images that set the ranges of activations.
        split: split to verify on.
        max_examples: verify on that many of its first examples; None for all.
        max_drop: largest accepted fall of accuracy, see `verify`.
        seed: which training images calibrate.

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
    content = _convert(network, dataset, target, quantization, calibration_examples, seed)
    row = publish_student(
        content,
        network,
        dataset,
        out_dir,
        target=target,
        quantization=quantization,
        split=split,
        max_examples=max_examples,
        max_drop=max_drop,
    )
    return {**row, "calibration": "training" if is_aware(network) else "post-training"}


def publish_student(
    content, network, dataset, out_dir, *, target, quantization, split="test", max_examples=None, max_drop=0.02
):
    """Verifies a converted file against its student and publishes it with what goes beside it.

    Args:
        content: bytes of a TFLite file that takes raw pixels, as `convert` makes it.
        network: the student that the file must equal: a callable from normalised images to logits or taps with them.
        dataset, out_dir, target, quantization, split, max_examples, max_drop: as for `export_student`.

    Returns:
        As `export_student`.

    Raises:
        UserError, VerificationError: as `export_student`.
    """
    target = find_target(target, quantization)
    content = lean(content)
    if target.metadata:
        description = f"Image classifier, {dataset.num_classes} classes of {dataset.name}, {quantization}"
        content = attach(content, dataset.class_names, name=network.name, description=description, version=__version__)
    proof = verify(
        content, network, dataset, target, quantization, split=split, max_examples=max_examples, max_drop=max_drop
    )
    name = f"student_{quantization}"
    files = {LABELS: labels_text(dataset.class_names)}
    if target.c_array:
        header, source = c_array(content, name, dataset.class_names)
        files |= {f"{name}.h": header.encode(), f"{name}.cc": source.encode()}
    files[f"{name}.tflite"] = content
    publish(out_dir, files)
    path = Path(out_dir) / f"{name}.tflite"
    return {"target": target.name, "quantization": quantization, "path": str(path), **proof}


def _convert(network, dataset, target, quantization, calibration_examples, seed):
    if is_aware(network):
        with _float32(), quiet():
            return convert(lowered_model(network, dataset, target, quantization), None, target, quantization)
    with _float32(), quiet():
        student = deploy(network, grouped=target.grouped)
        model = fold_preprocessing(student, dataset.mean, dataset.std, target, quantization)
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
