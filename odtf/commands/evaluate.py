"""Evaluates any image classifier that is a TFLite file, on any data.

    odtf-evaluate runs/digits/export/soc/student_int8.tflite --data=digits
    odtf-evaluate foreign.tflite --data=folder:photos --pixels=-1..1 --json=foreign.json
    odtf-evaluate student.tflite --data=cifar10 --data_dir=DATA --against=other.tflite --threads=2

Top-1 and top-5, recall of every class, calibration error and likelihood, agreement with another file. Images come in
the size of the file, and their pixels as its metadata or its quantised input say. A float file says nothing without
metadata: --pixels, or --mean and --std, must say it. --json=FILE writes the figures; the confusion matrix goes beside
it, as FILE's .csv and, where matplotlib is installed, .png. The JSON, stable; keys may be added:

    file         path, bytes, input, classes, pixels (where their scaling is from), scores (logits or probabilities)
    data, split, examples, top1, top1_standard_error, top5 (where there are more than 5 classes)
    calibration  ece, nll (nats), mean_confidence, bins: for each above, upto, examples, accuracy, confidence
    classes      for each: name, examples, recall, precision, taken_for
    against      file, top1, top5, agreement, only_file_right, only_other_right, mean_probability_gap
"""

import pathlib

from absl import flags

from odtf import files
from odtf.commands import cli
from odtf.errors import UserError
from odtf.quiet import import_tensorflow

_DATA = flags.DEFINE_string("data", None, "digits, folder:PATH or the name of a TFDS data set.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Where TFDS prepared the set.")
_SPLIT = flags.DEFINE_enum("split", "test", ["train", "validation", "test"], "The images to evaluate on.")
_SEED = flags.DEFINE_integer(
    "seed",
    0,
    "With --split=validation of a set that has none: config.seed of the run, or the file is judged by images that it "
    "was trained on.",
)
_FRACTION = flags.DEFINE_float("validation_fraction", 0.1, "Likewise, config.data.validation_fraction of the run.")
_MAX_EXAMPLES = flags.DEFINE_integer("max_examples", None, "A seeded choice of that many of them.", lower_bound=1)
_AGAINST = flags.DEFINE_string("against", None, "Another TFLite file, for the agreement of the two.")
_JSON = flags.DEFINE_string("json", None, "File for the figures; the table is printed in any case.")
_THREADS = flags.DEFINE_integer("threads", 1, "Threads that LiteRT may use.", lower_bound=1)
_PIXELS = flags.DEFINE_enum(
    "pixels", None, ["0..255", "0..1", "-1..1"], "What pixels become, for files that do not say it."
)
_MEAN = flags.DEFINE_list("mean", None, "In place of --pixels: mean per channel of pixels scaled to [0, 1].")
_STD = flags.DEFINE_list("std", None, "With --mean: deviation per channel of pixels scaled to [0, 1].")
_SCORES = flags.DEFINE_enum(
    "scores",
    None,
    ["logits", "probabilities"],
    "What FILE ends in; by default, and for the other one always, its last operator says it.",
)
_LABEL_OFFSET = flags.DEFINE_integer(
    "label_offset", 0, "The output of the first class: 1 if output 0 is a background.", lower_bound=0
)
_SKIP_CORRUPT = flags.DEFINE_boolean("skip_corrupt", False, "Pass over images that cannot be decoded.")


def _main(argv):
    if len(argv) != 2:
        received = " ".join(argv[1:]) or "nothing"
        raise UserError(f"odtf-evaluate FILE.tflite --data=NAME evaluates one file. Received: {received}.")
    path, data = argv[1], cli.required(_DATA)
    for file in filter(None, (path, _AGAINST.value)):
        if not pathlib.Path(file).is_file():
            raise UserError(f"odtf-evaluate takes TFLite files. Received: {file}, which is no file.")
    if _JSON.value is not None:
        if pathlib.Path(_JSON.value).is_dir() or pathlib.Path(_JSON.value).suffix in (".csv", ".png"):
            raise UserError(f"--json must name a file, not a directory, .csv or .png. Received: {_JSON.value!r}.")
        files.check_directory(pathlib.Path(_JSON.value).parent)
    from odtf.evaluation import pixels

    given = pixels.from_flags(_PIXELS.value, _MEAN.value, _STD.value)
    import_tensorflow()
    from odtf.evaluation import evaluator, presentation
    from odtf.evaluation.classifier import Classifier

    threads = _THREADS.value
    classifier = Classifier(path, given=given, scores=_SCORES.value, num_threads=threads)
    against = Classifier(_AGAINST.value, given=given, num_threads=threads) if _AGAINST.value else None
    if given and classifier.says_pixels and (against is None or against.says_pixels):
        raise UserError(
            f"The file says itself how it takes pixels: {classifier.pixels.source}. Received: {given.source}."
        )
    result, matrix = evaluator.evaluate(
        classifier,
        data,
        against=against,
        data_dir=_DATA_DIR.value,
        split=_SPLIT.value,
        seed=_SEED.value,
        validation_fraction=_FRACTION.value,
        max_examples=_MAX_EXAMPLES.value,
        label_offset=_LABEL_OFFSET.value,
        skip_corrupt=_SKIP_CORRUPT.value,
    )
    print(presentation.render(result))
    if _JSON.value is not None:
        print(f"\n{presentation.write(result, matrix, _JSON.value)}")


def main():
    """Entry point of `odtf-evaluate`."""
    cli.run(_main, __doc__)


if __name__ == "__main__":
    main()
