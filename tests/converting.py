"""Files as somebody else would make them."""

import numpy as np
import tensorflow as tf

from odtf.quiet import quiet


def convert(model, folder, calibration=None):
    """Converts a model as anybody would; the batch is left open, and the tensors keep Keras' names.

    Args:
        model: Keras model of one input and one output.
        folder: where the file is written.
        calibration: float32 images, for a file that is int8 throughout; or None.

    Returns:
        The file's path.
    """
    with quiet():
        model.export(folder / "saved", verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved"))
        if calibration is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([image[np.newaxis]] for image in calibration)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
        path = folder / "model.tflite"
        path.write_bytes(converter.convert())
    return path
