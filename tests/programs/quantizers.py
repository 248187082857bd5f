"""Compares what quantises a student today, TensorFlow's converter, with the LiteRT quantizer that is to follow it.

    pip install --no-deps litert-quantizer && pip install immutabledict
    python tests/programs/quantizers.py [--networks=PART_OF_NAME] [--output=docs/results/quantizers.md]

For students that know digits a little and for the degenerate networks of tests/export, as int8 and as int16x8: the file
that `odtf-export --target=soc` would write, and the one that the quantizer's recipe static_wi8_ai8 or static_wi8_ai16
makes of the same network in float32, calibrated by the same images: by their extremes, as the converter does, and by
the moving average that is the quantizer's own way. Of each: the share of test images that it gets
right and on which it agrees with its student, the root mean square difference of logits in units of their standard
deviation, its bytes when lean, and its operators. Takes some ten minutes.
"""

import argparse
import collections
import pathlib
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

CALIBRATION = 64
RECIPES = {"int8": "static_wi8_ai8", "int16x8": "static_wi8_ai16"}
COLUMNS = ("network", "quantisation", "by", "top-1", "agreement", "error", "bytes", "operators")


def networks(dataset):
    """Yields names and networks that tell digits apart as far as they can."""
    from odtf import models
    from tests.export.conftest import KINDS, fit
    from tests.export.degenerate_networks import CASES, DEAD, make

    for name, specification in KINDS.items():
        yield name, fit(models.build(specification, (8, 8, 1), 10, seed=0, name="peer"), dataset)
    for name, changes in {**CASES, "dead": DEAD}.items():
        yield name, make(changes, dataset)


def by_converter(network, dataset, quantization):
    """Returns the file that an export writes today, before it is judged."""
    from odtf.export import SOC, convert_calibrated
    from odtf.models import deploy
    from odtf.tasks import Classification

    task = Classification()
    deployed = deploy(network, output=task.output, grouped=SOC.grouped)
    return convert_calibrated(deployed, dataset, SOC, quantization, task, CALIBRATION, 0)


def by_quantizer(network, dataset, quantization, update="min_max_update"):
    """Returns what the quantizer makes of the same network in float32; `update` joins the ranges of images."""
    import tensorflow as tf
    from litert_quantizer import calibrator, quantizer, recipe, recipe_manager
    from litert_quantizer.utils import qsv_utils

    from odtf.data import calibration_images
    from odtf.export import SOC, fold_preprocessing
    from odtf.export.conversion import INPUT_NAME, SIGNATURE, save
    from odtf.models import deploy
    from odtf.tasks import Classification

    task = Classification()
    deployed = deploy(network, output=task.output, grouped=SOC.grouped)
    model = fold_preprocessing(deployed, dataset.mean, dataset.std, SOC, quantization, task)
    with tempfile.TemporaryDirectory() as folder:
        save(model, "logits", folder)
        content = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE]).convert()
    images = calibration_images(dataset, CALIBRATION, 0).astype(np.float32)
    images[0].flat[0], images[0].flat[-1] = 0.0, 255.0  # As an export pins the range of pixels.
    chosen, manager = getattr(recipe, RECIPES[quantization])(), recipe_manager.RecipeManager()
    manager.load_quantization_recipe(chosen)
    ranges = calibrator.Calibrator(bytearray(content), qsv_update_func=getattr(qsv_utils, update))
    ranges.calibrate({SIGNATURE: [{INPUT_NAME: image[np.newaxis]} for image in images]}, manager)
    made = quantizer.Quantizer(bytearray(content), chosen)
    return bytes(made.quantize(ranges.get_model_qsvs(), enable_progress_report=False).quantized_model)


def by_moving_average(network, dataset, quantization):
    """Returns what the quantizer makes of it where it calibrates its own way."""
    return by_quantizer(network, dataset, quantization, "moving_average_update")


WAYS = {"converter": by_converter, "quantizer": by_quantizer, "quantizer, moving average": by_moving_average}


def judged(content, expected, images, labels):
    """Returns the figures of a file, a dict of text by column."""
    from odtf.tflite import flatbuffer, trial
    from odtf.tflite.lean import lean
    from odtf.tflite.runner import Runner

    content = lean(content)
    trial.check(content, "the file")
    answers = Runner(content).predict(images)
    spread = float(expected.std()) or 1.0
    operators = flatbuffer.operators(content)
    return {
        "top-1": f"{np.mean(answers.argmax(1) == labels):.2%}",
        "agreement": f"{np.mean(answers.argmax(1) == expected.argmax(1)):.2%}",
        "error": f"{np.sqrt(np.mean(np.square(answers - expected))) / spread:.3f}",
        "bytes": f"{len(content):,}",
        "operators": f"{sum(operators.values())}: {' '.join(operators)}",
    }


def rows_of(name, network, dataset):
    """Yields a row for each quantisation of a network and each of the ways."""
    from odtf.export.verification import student_of

    images, labels = dataset.splits["test"].take(np.arange(len(dataset.splits["test"])))
    expected = student_of(network, dataset, "logits")(images)
    for quantization in RECIPES:
        for title, way in WAYS.items():
            row = collections.defaultdict(str, {"network": name, "quantisation": quantization, "by": title})
            try:
                row |= judged(way(network, dataset, quantization), expected, images, labels)
            except Exception as error:  # Of any kind: that is what is asked.
                row["operators"] = f"refused: {' '.join(str(error).split())[:120] or type(error).__name__}"
            yield row


def main():
    """Prints the table, and writes it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", default="")
    parser.add_argument("--output", type=pathlib.Path)
    args = parser.parse_args()

    from odtf import data

    dataset = data.load("digits")
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    print("\n".join(lines), flush=True)
    for name, network in networks(dataset):
        if args.networks not in name:
            continue
        for row in rows_of(name, network, dataset):
            lines.append("| " + " | ".join(row[column] for column in COLUMNS) + " |")
            print(lines[-1], flush=True)
    if args.output:
        head = ["# Ways to quantise a student", "", "`python tests/programs/quantizers.py`", ""]
        args.output.write_text("\n".join([*head, *lines]) + "\n", "utf-8")


if __name__ == "__main__":
    main()
