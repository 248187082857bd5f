"""Teachers that were trained elsewhere: a Keras model, a TFLite or ONNX file, a SavedModel, as a network that answers.

Whatever comes in takes images as the student's pipeline normalises them and answers in the order of the data's classes,
with logits. A Keras model has its maps and its embedding too; of the others the answers are all that is known, so
methods that learn from features refuse them.
"""

from __future__ import annotations

import collections.abc
import importlib.util
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from odtf import models, paths
from odtf.errors import UserError
from odtf.evaluation.image_file import ImageFile
from odtf.evaluation.pixels import from_flags
from odtf.models import file_record, keras_file
from odtf.models.graph import graph_of
from odtf.models.graphless import as_logits, probe, shape_called_with
from odtf.models.pixel_ranges import GIVEN, fed, find_pixels
from odtf.pixel_scales import RANGES

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from odtf.data import Info
    from odtf.losses.tensors import Tensor

_KEYS = ("file", "pixels", "order", "scores", "layout", "output")
_SCORES = (None, "logits", "probabilities")


def check(said: Mapping[str, Any]) -> None:
    """Shows that what a config says of a teacher is complete, and its file there; loads nothing.

    Args:
        said: mapping with "file" and further arguments of `load`.

    Raises:
        UserError: if it is not.
    """
    if unknown := sorted(set(said) - set(_KEYS)):
        raise UserError(f"A teacher has the keys {', '.join(_KEYS[:-1])}. Received: {', '.join(unknown)}.")
    if not isinstance(said.get("file"), str) or not paths.at(said["file"]).exists():
        raise UserError(
            "A teacher is a .keras, .tflite or .onnx file, a SavedModel, or the workdir of a finished run. "
            f"Received: {said.get('file')!r}, which is not there."
        )


def load(
    file: keras.Model | str | os.PathLike[str],
    info: Info,
    *,
    pixels: str | tuple[Any, Any] | None = None,
    order: Sequence[str] | None = None,
    scores: str | None = None,
    layout: str | None = None,
    output: str = "logits",
    normalization: tuple[Any, Any] | None = None,
    allow_code: bool = False,
) -> keras.Model:
    """Makes a teacher of a model or a file.

    Args:
        file: `keras.Model`, or the path of a .keras, .tflite or .onnx file or of a SavedModel's directory.
        info: `odtf.data.Info` of the images that it is to take, and of their classes.
        pixels: what it takes: "0..255", "0..1", "-1..1", a pair (mean, std) of pixels scaled to [0, 1], or "given":
            images as the student gets them. None where it says so itself: a Keras model by its Rescaling or
            Normalization, a TFLite file by its metadata or its quantised input.
        order: names of the classes that its outputs stand for, in their order; it may have more than the data. None: a
            TFLite file's labels if they are the data's, else the order of the data.
        scores: "logits" or "probabilities", what it answers; None: found by a few images.
        layout: "NHWC" or "NCHW", of an ONNX file; None: found where its input shows it.
        output: name of the tap that is the answer.
        normalization: pair (mean, std) of the images; None: that of `info`.
        allow_code: whether a SavedModel may be loaded, which can do anything.

    Returns:
        `keras.Model` "teacher", not trainable, from normalised images to taps.

    Raises:
        UserError: if it is none of these, does not say what it must, or does not fit the data.
    """
    if scores not in _SCORES:
        raise UserError(f"A teacher answers with logits or probabilities. Received: scores={scores!r}.")
    normalization = info.normalization if normalization is None else normalization
    pixels = tuple(pixels) if isinstance(pixels, list) else pixels
    try:
        name = _kind(file, allow_code)
        if name == "keras" and not isinstance(file, keras.Model):
            path, file = file, keras_file.load(file)
            file_record.check_pixels(path, pixels)
        if name == "keras" and graph_of(file) is not None:
            image, taps = _of_keras(file, info, pixels, output, normalization)
        else:
            image = keras.Input(info.image_shape, name="image")
            make = {"keras": _subclassed, "tflite": _tflite, "onnx": _onnx, "saved": _saved_model}[name]
            answers, order = make(file, image, pixels, order, layout, normalization, info)
            scores = scores or probe(keras.Model(image, answers), info.image_shape)
            taps = {output: as_logits(answers) if scores == "probabilities" and info.names else answers}
    except ValueError as error:
        raise UserError(f"The teacher {_shown(file)} must fit the data and say how it takes them. {error}") from error
    taps[output] = _in_order(taps[output], order, info, file)
    teacher = keras.Model(image, taps, name="teacher")
    teacher.trainable = False
    return teacher


def _kind(file, allow_code):
    if isinstance(file, keras.Model):
        return "keras"
    path = paths.at(file)
    if path.is_dir() and (path / "saved_model.pb").exists():
        if allow_code is not True:
            raise UserError(
                f"A SavedModel can do anything, and its graph would run: whoever trusts it adds --allow_code. "
                f"Received: {path}."
            )
        return "saved"
    if path.suffix in (".tflite", ".onnx") and path.is_file():
        return path.suffix[1:]
    if path.suffix in (".keras", ".h5", ".hdf5"):
        return "keras"
    raise UserError(f"A teacher is a .keras, .tflite or .onnx file, or a SavedModel. Received: {path}.")


def _shown(file):
    return file.name if isinstance(file, keras.Model) else file


# Keras models ---------------------------------------------------------------------------------------------------------


def _of_keras(model, info, pixels, output, normalization):
    """Image and taps of a Keras model with a graph, whose softmax is taken off."""
    if pixels is None and (pixels := find_pixels(model)) == GIVEN:
        raise ValueError(
            f"Which pixels it takes must be said: pixels={', '.join(RANGES)}, (mean, std), or {GIVEN} for images as "
            "the student gets them. Received: a model without Rescaling or Normalization."
        )
    answer = {} if output == "logits" else {"answer": output}
    options = {"pixels": pixels, "normalization": normalization, "weights": "keep", **answer}
    own = tuple(graph_of(model).inputs[0].shape[1:])
    size = {"input_shape": info.image_shape} if None in own else {}
    network = models.from_keras(model, **options, **size)(name="teacher")
    if tuple(network.input_shape[1:]) == tuple(info.image_shape):
        return network.input, dict(network.output)
    image = keras.Input(info.image_shape, name="image")
    return image, dict(network(_fitted(image, network.input_shape[1:]), training=False))


def _subclassed(model, image, pixels, order, layout, normalization, info):
    _check_said(pixels, "A subclassed model")
    x = fed(image, pixels, normalization)
    return model(_fitted(x, shape_called_with(model) or x.shape[1:]), training=False), order


def _check_said(pixels, whose):
    if pixels is None:
        raise ValueError(
            f"{whose} does not say how it takes pixels: give pixels={', '.join(RANGES)}, (mean, std) or {GIVEN}. "
            "Received: none."
        )


def _fitted(x, shape):
    """Images in the size and with the channels that a model takes."""
    if x.shape[-1] == 1 and shape[-1] == 3:
        x = keras.layers.Concatenate(name="repeated")([x, x, x])
    if x.shape[-1] != shape[-1]:
        raise ValueError(f"It takes images of {shape[-1]} channels. Received: {x.shape[-1]} channels.")
    if None not in shape[:2] and tuple(x.shape[1:3]) != tuple(shape[:2]):
        x = keras.layers.Resizing(*shape[:2], dtype="float32", name="resized")(x)
    return x


# Files that answer ----------------------------------------------------------------------------------------------------


class Answers(keras.layers.Layer):
    """Answers of a function of arrays: it has no gradient, and what happens inside is not seen.

    Args:
        run: function from float32 images `[n, height, width, channels]` to float32 answers `[n, ...]`.
        answer_shape: shape of one answer.
        **kwargs: as for `keras.layers.Layer`.
    """

    def __init__(self, run: Callable[[np.ndarray], np.ndarray], answer_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(trainable=False, dtype="float32", **kwargs)
        self._run = run
        self._answer_shape = tuple(answer_shape)

    def call(self, images: Tensor) -> Tensor:
        answers = tf.numpy_function(self._run, [images], tf.float32, stateful=False)
        return tf.ensure_shape(answers, (images.shape[0], *self._answer_shape))

    def compute_output_spec(self, images: keras.KerasTensor) -> keras.KerasTensor:
        return keras.KerasTensor((images.shape[0], *self._answer_shape), "float32")


def _tflite(path, image, pixels, order, layout, normalization, info):
    file = ImageFile(path, _given(pixels))
    raw = fed(image, "0..255", normalization)

    def run(images):
        return file.answers(np.clip(np.rint(images), 0, 255).astype(np.uint8)).astype(np.float32)

    if order is None and file.names and set(map(str, info.names)) <= set(file.names):
        order = file.names
    return Answers(run, file.output["shape"][1:], name="answers")(raw), order


def _given(pixels):
    """What a user says of the pixels of a file, as `ImageFile` takes it."""
    if pixels is None or isinstance(pixels, str):
        if pixels not in (None, *RANGES):
            raise ValueError(f"The pixels of a file are {', '.join(RANGES)} or (mean, std). Received: {pixels!r}.")
        return from_flags(pixels)
    mean, std = (list(np.ravel(part)) for part in pixels)
    return from_flags(None, mean, std)


def _onnx(path, image, pixels, order, layout, normalization, info):
    if importlib.util.find_spec("onnxruntime") is None:
        raise UserError(f"ONNX files need onnxruntime: pip install onnxruntime. Received: {path}.")
    import onnxruntime

    quietly = onnxruntime.SessionOptions()
    quietly.log_severity_level = 4  # What is fatal; what is wrong is said by the exception.
    try:
        with paths.local_copy(path) as here:
            session = onnxruntime.InferenceSession(str(here), quietly, providers=["CPUExecutionProvider"])
    except Exception as error:
        # Its errors have no base of their own.
        raise UserError(f"ONNX Runtime must be able to load {path}. Received: {str(error).splitlines()[0]}") from error
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 4:
        raise ValueError(
            "It must have one input of images in float32 and one output. "
            f"Received: {[(x.type, x.shape) for x in inputs]} and {len(outputs)} outputs."
        )
    _check_said(pixels, "An ONNX file")
    first = layout or _layout(inputs[0].shape)
    if first not in ("NHWC", "NCHW"):
        raise ValueError(f"The layout is NHWC or NCHW. Received: layout={layout!r}.")
    shape = inputs[0].shape[1:] if first == "NHWC" else [*inputs[0].shape[2:], inputs[0].shape[1]]
    shape = [n if isinstance(n, int) else None for n in shape]
    one_by_one = inputs[0].shape[0] == 1

    def run(images):
        images = images.transpose(0, 3, 1, 2) if first == "NCHW" else images
        parts = np.split(images, len(images)) if one_by_one else [images]
        return np.concatenate([session.run(None, {inputs[0].name: part})[0] for part in parts]).astype(np.float32)

    x = fed(image, pixels, normalization)
    x = _fitted(x, [*shape[:2], shape[2] or x.shape[-1]])
    try:
        answered = run(np.zeros((1, *x.shape[1:]), np.float32)).shape[1:]
    except Exception as error:
        # As above.
        raise UserError(f"ONNX Runtime must be able to run {path}. Received: {str(error).splitlines()[0]}") from error
    return Answers(run, answered, name="answers")(x), order


def _layout(shape):
    channels = [n in (1, 3) for n in (shape[1], shape[3])]
    if channels == [True, False]:
        return "NCHW"
    if channels == [False, True]:
        return "NHWC"
    raise ValueError(f"Its layout must be said: layout=NHWC or NCHW. Received: an input {list(shape)}.")


def _saved_model(path, image, pixels, order, layout, normalization, info):
    _check_said(pixels, "A SavedModel")
    with paths.local_copy(path) as here:
        answers = keras.layers.TFSMLayer(str(here), call_endpoint="serving_default")(fed(image, pixels, normalization))
    answers = list(answers.values()) if isinstance(answers, collections.abc.Mapping) else [answers]
    if len(answers) != 1:
        raise ValueError(f"It must have one output. Received: {len(answers)} outputs.")
    return answers[0], order


# Classes --------------------------------------------------------------------------------------------------------------


def _in_order(answers, order, info, file):
    """Answers with one logit for each of the data's classes, in their order."""
    names = [str(name) for name in info.names]
    if order is None:
        if names and answers.shape[-1] != len(names):
            raise UserError(
                f"The teacher {_shown(file)} must have an answer for each of the {len(names)} classes of {info.name}; "
                f"one with more needs order, the names of its outputs. Received: {answers.shape[-1]} answers."
            )
        return answers
    order = [str(name) for name in order]
    missing = [name for name in names if name not in order]
    if missing or len(order) != answers.shape[-1] or len(set(order)) != len(order):
        raise UserError(
            f"order must name each of the {answers.shape[-1]} outputs of the teacher {_shown(file)} once, the classes "
            f"of {info.name} among them. Received: {len(order)} names, without {', '.join(missing[:3]) or 'none'}."
        )
    found = [order.index(name) for name in names]
    return answers if found == list(range(len(order))) else keras.ops.take(answers, found, axis=-1)
