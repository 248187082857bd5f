"""From a fine-tuned model to its verified file."""

import dataclasses
import tempfile

import keras
import numpy as np
import tensorflow as tf

from odtf import digests, export, metrics, paths
from odtf.files import disk_errors
from odtf.finetune import compression
from odtf.quiet import quiet


def aware_file(model, task, dataset, target):
    """Converts a model that rounds as a device does: the graph carries all ranges, no image is needed.

    Args:
        model: `tf_keras.Model` as `quantize` gives it.
        task: `odtf.tasks.Task`.
        dataset: `odtf.data.ImageDataset`, for its normalisation.
        target: `odtf.export.Target`.

    Returns:
        bytes of an int8 TFLite file that takes raw pixels.
    """
    # The normalisation as every export has it, in front of a student that does nothing.
    image = keras.Input(dataset.image_shape)
    nothing = keras.Model(image, keras.layers.Identity()(image))
    bare = dataclasses.replace(target, finished=False)
    answer = task.answer(dataset.info, target, "int8")
    with quiet():
        front = export.fold_preprocessing(nothing, dataset.mean, dataset.std, bare, "int8", task)
    module = tf.Module()
    # The variables, not the model: saving that would trace every layer of it.
    module.variables_of_both = [*model.variables, *(v.value for v in front.variables)]
    signature = tf.TensorSpec(front.input_shape, tf.float32, name="image")

    @tf.function(input_signature=[signature], autograph=False)
    def serve(image):
        # A pixel is its own code.
        pixels = tf.quantization.fake_quant_with_min_max_args(image, 0.0, 255.0)
        return {answer.name: task.fold(model(front(pixels, training=False), training=False), target)}

    with tempfile.TemporaryDirectory(prefix="odtf-") as folder:
        with quiet(), disk_errors(folder, tf.errors.OpError):
            tf.saved_model.save(module, folder, signatures={"serve": serve})
        return export.convert_saved(folder, None, target, "int8", answer)


def figures(row, content, task, dataset, folder):
    """Returns what a row of "finetuned" says of a published file.

    Args:
        row: what publishing it returned.
        content: bytes of the file.
        task: `odtf.tasks.Task`.
        dataset: `odtf.data.ImageDataset`.
        folder: directory that the path in the row is to be relative to.

    Returns:
        dict: the row without its target, the path within the folder, the metric that chooses on the validation split,
        and what `compression.summary` says.
    """

    def examples(split):
        return [split.take(np.arange(len(split)))]

    parts = dataset.parts(metrics.references_of(task.metrics))
    references = {name: examples(part) for name, part in parts.items()}
    runner, target = export.Runner(content), export.find_target(row["target"], row["quantization"])
    found = metrics.evaluate(
        lambda images: task.comparable(runner.predict(images), dataset.info, target),
        examples(dataset.splits["validation"]),
        task.metrics,
        references,
    )
    return {
        **{key: value for key, value in row.items() if key != "target"},
        "path": str(paths.at(row["path"]).relative_to(folder)),
        f"val_{task.choice}": round(found[task.choice], 6),
        **compression.summary(content),
    }


def is_still_there(row, folder):
    """Whether the file that `figures` told of is there and the same."""
    path = paths.at(folder) / row["path"]
    return path.is_file() and digests.sha256_of(path) == row["sha256"]
