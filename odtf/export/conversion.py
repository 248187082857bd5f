"""From a deployed student to the bytes of a TFLite file that takes raw pixels."""

from __future__ import annotations

import re
import tempfile
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from odtf import isolated
from odtf.errors import UserError
from odtf.files import disk_errors
from odtf.quiet import quiet, shown
from odtf.tflite import flatbuffer
from odtf.tflite.far_terms import cut_far_terms
from odtf.tflite.probabilities import give_probabilities
from odtf.tflite.raw_pixels import INPUT_QUANTIZATION, give_quantized, take_uint8
from odtf.tflite.shores import remove_shores
from odtf.tflite.unseen_ranges import scale_unseen
from odtf.tflite.weight_scales import join_scales

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from odtf.targets import Target as Device
    from odtf.tasks import Answer, Task


# ITU-R BT.601 luma, the weights of Pillow's convert("L").
_LUMA = np.array([0.299, 0.587, 0.114])

SIGNATURE = "serve"
INPUT_NAME = "image"
# What stands beside a student in its deployed form, here and in odtf's tasks; a network of the user's may be called so.
_BESIDE = (INPUT_NAME, "normalize", "softmax", "classes", "pixels")
# Input types that the converter itself can give a file; the others take uint8 pixels through a CAST.
_NATIVE_INPUTS = {"int8": ("int8", "uint8"), "int16x8": ("int16",), "float16": ("float32",)}


def fold_preprocessing(
    student: keras.Model, mean: Sequence[float], std: Sequence[float], target: Device, quantization: str, task: Task
) -> keras.Model:
    """Puts the normalisation in front of a student, and behind it what the target wants of the task.

    Args:
        student: `keras.Model` from normalised images `[batch, height, width, channels]` to the task's
            answer.
        mean: per channel, of pixels scaled to [0, 1].
        std: per channel, of pixels scaled to [0, 1].
        target: `Target`.
        quantization: how the file will compute.
        task: `odtf.tasks.Task`.

    Returns:
        `keras.Model` with batch 1 from float32 pixels 0..255 to what the file answers, `[1, ...]`.

    Raises:
        UserError: if the target takes RGB and the network has neither one nor three channels.
    """
    height, width, channels = student.input_shape[1:]
    # One 1x1 depthwise convolution: every runtime has it, and with a single weight per channel int8 holds it exactly.
    # The first convolution cannot take the factors up, because its zero padding comes after the normalisation.
    scale = 1.0 / (255.0 * np.broadcast_to(std, channels))
    bias = -np.broadcast_to(mean, channels) / np.broadcast_to(std, channels)
    if not target.rgb or channels == 3:
        image = keras.Input((height, width, channels), batch_size=1, name=INPUT_NAME)
        first = keras.layers.DepthwiseConv2D(1, name="normalize")
        kernel = scale.reshape(1, 1, channels, 1)
    elif channels == 1:
        image = keras.Input((height, width, 3), batch_size=1, name=INPUT_NAME)
        first = keras.layers.Conv2D(1, 1, name="normalize")
        kernel = (_luma(quantization) * scale).reshape(1, 1, 3, 1)
    else:
        raise UserError(
            f"The {target.name} target takes networks of colour (3 channels) or grey images (1 channel). "
            f"Received: channels={channels}"
        )
    if student.name in _BESIDE:
        student = keras.Model(student.input, student.output, name=f"{student.name}_network")
    output = task.fold(student(first(image)), target)
    first.set_weights([kernel.astype("float32"), bias.astype("float32")])
    return keras.Model(image, output, name="deployed")


def convert(
    model: keras.Model,
    calibration: np.ndarray | None,
    target: Device,
    quantization: str,
    answer: Answer,
    per_channel: bool = True,
) -> bytes:
    """Converts a model that takes pixels into a TFLite file for a target.

    Args:
        model: what `fold_preprocessing` returns.
        calibration: uint8 images `[n, height, width, channels]` of the model's own input shape; only integer
            quantisations look at them.
        target: `Target`.
        quantization: one that the target takes.
        answer: `odtf.tasks.Answer`, the output of the file.
        per_channel: whether the weights of convolutions have a scale for each output channel; False only for a model
            that was trained with one scale.

    Returns:
        bytes of a file with one input, `image`, and one output, named by the answer, of the target's types.

    Raises:
        UserError: if an operator has no kernel in TFLite, or none for this quantisation.
    """
    with tempfile.TemporaryDirectory(prefix="odtf-") as folder, quiet():
        with disk_errors(folder, tf.errors.OpError):
            save(model, answer.name, folder)
        return convert_saved(folder, calibration, target, quantization, answer, per_channel)


def convert_saved(
    folder: str | os.PathLike[str],
    calibration: np.ndarray | None,
    target: Device,
    quantization: str,
    answer: Answer,
    per_channel: bool = True,
) -> bytes:
    """Converts a SavedModel that takes pixels into a TFLite file for a target.

    Args:
        folder: path of a SavedModel whose signature "serve" has one input, "image", and one output.
        calibration: as for `convert`; None where the graph carries its own ranges, as fake quantisation does.
        target: `Target`.
        quantization: one that the target takes.
        answer: as for `convert`.
        per_channel: as for `convert`.

    Returns:
        As `convert`.

    Raises:
        UserError: as `convert`.
    """
    input_type, output_type = target.tensors[quantization]
    with quiet():
        converter = tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=[SIGNATURE])
        _configure(converter, calibration, target, quantization)
        native = input_type in _NATIVE_INPUTS.get(quantization, ())
        if native:
            converter.inference_input_type = tf.dtypes.as_dtype(input_type)
            converter.inference_output_type = tf.dtypes.as_dtype("float32" if answer.softmax else output_type)
        died = (
            f"error: TensorFlow's converter has ended the process at {quantization} for {target.name}, and nothing of "
            "that was written: it crashes on some numbers and operators, or memory was short. Another quantization, "
            "or another network, may do."
        )
        try:
            with isolated.last_words(died, shown()):
                content = converter.convert()
        except Exception as error:
            # The converter has no exception of its own for this: ConverterError, RuntimeError and ValueError occur.
            raise _refused(error, target, quantization) from error
    converted = unmarked(content, per_channel)
    scale_unseen(converted, lambda: _in_float(folder))
    cut_far_terms(converted)
    if not native:
        take_uint8(converted)
    if answer.softmax:
        give_probabilities(converted)
    if answer.quantization is not None:
        give_quantized(converted, answer.dtype or output_type, answer.quantization)
    flatbuffer.rename_interface(converted, INPUT_NAME, answer.name)
    return flatbuffer.pack(converted)


def _in_float(folder):
    """The same network without quantisation, `schema.ModelT`."""
    with quiet():
        converter = tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=[SIGNATURE])
        return flatbuffer.unpack(converter.convert())


def unmarked(content, per_channel):
    """Takes out of a converted file what tells a converter of rounding, and joins the scales of weights if wanted.

    Args:
        content: the file's bytes.
        per_channel: as for `convert`.

    Returns:
        `schema.ModelT`.
    """
    converted = flatbuffer.unpack(content)
    remove_shores(converted)
    if not per_channel:
        join_scales(converted)
    return converted


def save(model, output_name, folder):
    """Saves a model of one input and one output for a converter, with a batch of one image.

    Args:
        model: functional `keras.Model`.
        output_name: name of the output in the signature.
        folder: path of the SavedModel.
    """
    shape = model.inputs[0].shape[1:]
    save_function(lambda image: {output_name: model(image, training=False)}, model.variables, shape, folder)


def save_function(serve, variables, shape, folder):
    """Saves a function of one image for a converter.

    Args:
        serve: function of a float32 tensor `[1, height, width, channels]`; it returns a dict from names to tensors.
        variables: those of Keras that it reads.
        shape: the image's (height, width, channels).
        folder: path of the SavedModel.
    """
    signature = tf.TensorSpec((1, *shape), tf.float32, name=INPUT_NAME)
    weights = [(variable, variable.numpy()) for variable in variables]

    def constant(image):
        # To write variables and to read them again would take half of the time of an export.
        with keras.StatelessScope([(variable, tf.constant(values)) for variable, values in weights]):
            return serve(image)

    concrete = tf.function(constant, input_signature=[signature], autograph=False).get_concrete_function()
    # The trace alone, without Keras' objects, and the variables that are none of Keras'.
    saved = tf.Module()
    saved.trace_variables = concrete.graph.variables
    tf.saved_model.save(saved, folder, signatures={SIGNATURE: concrete})


def _configure(converter, calibration, target, quantization):
    sets = tf.lite.OpsSet
    # Named explicitly, so that nothing falls back to TensorFlow's own (Flex) kernels.
    converter.target_spec.supported_ops = [
        {
            # A graph with fake quantisation becomes int8 by itself; demanded, it would need calibration as well.
            "int8": sets.TFLITE_BUILTINS if calibration is None else sets.TFLITE_BUILTINS_INT8,
            "int16x8": sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
        }.get(quantization, sets.TFLITE_BUILTINS)
    ]
    converter.allow_custom_ops = False
    if quantization != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantization == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantization in ("int8", "int16x8") and calibration is not None:
        converter.representative_dataset = _representative(calibration, quantization)
    # Fake quantisation in training gives a dense layer one scale, which every target takes.
    per_channel_dense = target.per_channel_dense and calibration is not None
    converter._experimental_disable_per_channel_quantization_for_dense_layers = not per_channel_dense


def _representative(images, quantization):
    """Pixels in float32, of which two are moved to the ends of the range.

    The converter derives the input's scale from the smallest and the largest value it sees. Two corner values of one
    image pin it to `INPUT_QUANTIZATION` exactly, and change no other range noticeably; images that are 0 or 255
    throughout would widen all of them.
    """
    scale, _ = INPUT_QUANTIZATION["int16" if quantization == "int16x8" else "int8"]
    largest = 255.0 if quantization == "int8" else 32767 * scale

    def batches():
        for index, image in enumerate(images):
            pixels = image[np.newaxis].astype(np.float32)
            if index == 0:
                pixels.flat[0], pixels.flat[-1] = 0.0, largest
            yield {INPUT_NAME: pixels}

    return batches


def _luma(quantization):
    if quantization not in ("int8", "int16x8"):
        return _LUMA
    # Rounded as int8 will round them, then scaled back to a sum of one: grey pixels (r = g = b) keep their value
    # exactly, and no colour is off by more than half a grey level.
    levels = np.round(127.0 * _LUMA / _LUMA.max())
    return levels / levels.sum()


def _refused(error, target, quantization):
    text = str(error)
    names = re.findall(r"(?:TF Select|Flex|Custom) ops: *([^\n]+)", text) or re.findall(r"for op: *'([^']+)'", text)
    if not names:
        return error
    operators = ", ".join(dict.fromkeys(names))
    return UserError(
        f"The {target.name} target cannot take this network as {quantization}: TFLite has no kernel for {operators}. "
        "Build it from convolutions, pooling, sums and ReLU"
    )
