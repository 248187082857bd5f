"""Any model that was trained quantised as the bytes of an int8 file."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

import tensorflow as tf

from odtf.export.conversion import SIGNATURE, save, unmarked
from odtf.export.soundness import check_weights
from odtf.quantization import has_channel_scales, lower
from odtf.quiet import quiet
from odtf.tflite import flatbuffer
from odtf.tflite.far_terms import cut_far_terms

if TYPE_CHECKING:
    import keras


def int8_file(model: keras.Model, output: str | int | None = None, interface: str = "int8") -> bytes:
    """Converts a model that `odtf.quantization.quantization_aware` made and that was trained into a TFLite file.

    The ranges of its activations are those of training: no representative data set is needed.

    Args:
        model: the trained model, with one input.
        output: name or number of the output; None for the only one.
        interface: type of the file's input and output, "int8", "uint8" or "float32".

    Returns:
        bytes of a file with batch 1, whose input is named "image". `odtf.tflite.operators` lists what is in it.

    Raises:
        UserError: if a weight or a range is no finite number.
        ValueError: if a layer is not quantised, its range was never observed, or the model has several outputs and none
            is named.
    """
    check_weights(model)
    with quiet(), tempfile.TemporaryDirectory(prefix="odtf-") as folder:
        lowered = lower(model, output)
        if len(lowered.outputs) != 1:
            raise ValueError(
                f"A file has one output: one must be named. Received: output={output!r} of {len(lowered.outputs)}"
            )
        save(lowered, "output", folder)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE])
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True
        converter.inference_input_type = converter.inference_output_type = tf.dtypes.as_dtype(interface)
        content = converter.convert()
    converted = unmarked(content, has_channel_scales(model))
    cut_far_terms(converted)
    return flatbuffer.pack(converted)
