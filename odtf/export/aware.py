"""The export of a student whose ranges come from training."""

import keras

from odtf.errors import UserError
from odtf.export.conversion import INPUT_NAME, fold_preprocessing
from odtf.quantization import FixedRange, lower
from odtf.tflite.raw_pixels import INPUT_QUANTIZATION


def lowered_model(network, dataset, target, quantization, task):
    """Makes the graph that a converter turns into an int8 file without a representative data set.

    Args:
        network: what `odtf.quantization.quantization_aware` returned, trained.
        dataset: `odtf.data.ImageDataset`, for the normalisation.
        target: `Target`.
        quantization: how the file will compute.
        task: `odtf.tasks.Task`.

    Returns:
        As `fold_preprocessing`, with fixed ranges for all activations.

    Raises:
        UserError: if the file is to compute in another way than the network was trained for, a layer is not quantised
            or its range was never observed.
    """
    if quantization != "int8":
        raise UserError(
            "A student that was trained quantised is exported as int8; for other files train it with "
            f"config.quantization.aware=False. Received: quantization={quantization}"
        )
    try:
        student = lower(network, output=task.output, grouped=target.grouped)
    except ValueError as error:
        raise UserError(f"This network cannot be exported with the ranges of its training. {error}") from error
    model = fold_preprocessing(student, dataset.mean, dataset.std, target, quantization, task)
    scale, lowest = INPUT_QUANTIZATION["int8"]
    image = keras.Input(model.input_shape[1:], batch_size=1, name=INPUT_NAME)
    return keras.Model(image, model(FixedRange(scale, -128 - lowest, name="pixels")(image)), name=model.name)
