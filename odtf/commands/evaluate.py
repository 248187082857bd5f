"""Evaluates any TFLite file that takes an image and gives one output, on any data, by its task.

    odtf-evaluate runs/digits/export/soc/student_int8.tflite --data=digits
    odtf-evaluate foreign.tflite --data=folder:photos --pixels=-1..1 --json=foreign.json
    odtf-evaluate imagenet.tflite --data=folder:photos --labels=imagenet.txt --split=all
    odtf-evaluate student.tflite --data=cifar10 --data_dir=DATA --against=other.tflite --threads=2
    odtf-evaluate painter.tflite --data=folder:HORSES --task=translation --nopaired --features=judge.keras
    odtf-evaluate zoo/digits_shift
    odtf-evaluate brightness.tflite --data=digits --task=my_package.brightness:Brightness

zoo/NAME is a student that comes with odtf, on the data of its card, which must give the number that the card says.

The metrics of the task and what else it tells, and the agreement with another file. Images come in the size of the
file, and their pixels as its metadata or its quantised input say. A float file says nothing without metadata: --pixels,
or --mean and --std, must say it. --json=FILE writes the figures, and a task may write more beside it, as FILE's .csv
and, where matplotlib is installed, .png. The JSON, stable; keys may be added:

    task, data, split, examples
    file         path, bytes, input, pixels (where their scaling is from), and what the task has to say of a file
    METRIC       for each metric of the task, and further figures: odtf/tasks/classification/class_study.py has its keys
    against      file, each METRIC, agreement (where the task knows one), and further figures
"""

import inspect

from absl import flags

import odtf
from odtf import files, names, paths
from odtf.commands import cli
from odtf.errors import UserError
from odtf.pixel_scales import RANGES
from odtf.quiet import import_tensorflow
from odtf.zoo import students

_TASK = flags.DEFINE_string("task", "classification", f"What the output means: {names.listed(names.tasks())}.")
_DATA = flags.DEFINE_string("data", None, f"What to evaluate on: {names.data_sets()}.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Where TFDS prepared the set.")
_DOWNLOAD = cli.define_download()
_SPLIT = flags.DEFINE_enum("split", "test", ["train", "validation", "test", "all"], "The images to evaluate on.")
_SEED = flags.DEFINE_integer(
    "seed",
    0,
    "With --split=validation of a set that has none: config.seed of the run, or the file is judged by images that it "
    "was trained on.",
)
_FRACTION = flags.DEFINE_float("validation_fraction", 0.1, "Likewise, config.data.validation_fraction of the run.")
_MAX_EXAMPLES = flags.DEFINE_integer("max_examples", None, "A seeded choice of that many of them.", lower_bound=1)
_MAX_TRAIN_EXAMPLES = flags.DEFINE_integer(
    "max_train_examples",
    None,
    "For tasks that compare with training images, as a search does: config.data.max_train_examples of the run.",
    lower_bound=1,
)
_AGAINST = flags.DEFINE_string("against", None, "Another TFLite file, for the agreement of the two.")
_JSON = flags.DEFINE_string("json", None, "File for the figures; the table is printed in any case.")
_THREADS = flags.DEFINE_integer(
    "threads", 1, "Threads that LiteRT may use.", lower_bound=1, upper_bound=cli.MAX_THREADS
)
_PIXELS = flags.DEFINE_enum("pixels", None, list(RANGES), "What pixels become, for files that do not say it.")
_MEAN = flags.DEFINE_list("mean", None, "In place of --pixels: mean per channel of pixels scaled to [0, 1].")
_STD = flags.DEFINE_list("std", None, "With --mean: deviation per channel of pixels scaled to [0, 1].")
_RESIZE = flags.DEFINE_enum(
    "resize",
    None,
    ["stretch", "fit", "crop"],
    "The way of images to the size of a file that does not say it: stretched, all of them on black, or their centre.",
)
_LABELS = flags.DEFINE_string("labels", None, "Text file with the name of each output, for a file that has none.")
_SCORES = flags.DEFINE_enum(
    "scores",
    None,
    ["logits", "probabilities"],
    "For tasks with scores, what FILE ends in; by default, and for the other one always, its last operator says it.",
)
_LABEL_OFFSET = flags.DEFINE_integer(
    "label_offset",
    None,
    "For tasks with classes, the output of the first: 1 if output 0 is a background, else 0.",
    lower_bound=0,
)
_FEATURES = flags.DEFINE_string(
    "features", None, "For translation, config.task.features: the network of the Fréchet distance."
)
_SEGMENTER = flags.DEFINE_string(
    "segmenter", None, "For translation, config.task.segmenter: what the mIoU of pictures is judged by."
)
_PAIRED = flags.DEFINE_boolean("paired", None, "For translation: --nopaired for two sets without pairs.")
_SKIP_CORRUPT = flags.DEFINE_boolean("skip_corrupt", False, "Pass over images that cannot be decoded.")


def _main(argv):
    if len(argv) != 2:
        received = " ".join(argv[1:]) or "nothing"
        raise UserError(f"odtf-evaluate FILE.tflite --data=NAME evaluates one file. Received: {received}.")
    path, student = argv[1], None
    if path.startswith(students.PREFIX) and not paths.at(path).exists():
        student, path = path, str(students.path(path))
    data = _DATA.value or students.card(student)["data"] if student else cli.required(_DATA)
    for name in filter(None, (path, _AGAINST.value)):
        if not paths.at(name).is_file():
            raise UserError(f"odtf-evaluate takes TFLite files. Received: {name}, which is no file.")
    if _JSON.value is not None:
        if paths.at(_JSON.value).suffix in (".csv", ".png"):
            raise UserError(f"--json must name a file that is no .csv or .png. Received: {_JSON.value!r}.")
        files.check_file(_JSON.value, "json")
    from odtf import tasks
    from odtf.evaluation import pixels

    tasks.check(_TASK.value)
    given = pixels.from_flags(_PIXELS.value, _MEAN.value, _STD.value)
    import_tensorflow()
    from odtf.data import renaming
    from odtf.evaluation import evaluator, presentation
    from odtf.evaluation.image_file import ImageFile

    task = _make_task()
    options = {flag.name: flag.value for flag in (_SCORES, _LABEL_OFFSET) if flag.value is not None}
    evaluator.check_options(task, options)
    file = ImageFile(path, given, _THREADS.value, _RESIZE.value)
    if _LABELS.value is not None:
        file.name_outputs(renaming.read_names(_LABELS.value, distinct=False))
    against = ImageFile(_AGAINST.value, given, _THREADS.value, _RESIZE.value) if _AGAINST.value else None
    if given and file.says_pixels and (against is None or against.says_pixels):
        raise UserError(f"The file says itself how it takes pixels: {file.pixels.source}. Received: {given.source}.")
    if _DOWNLOAD.value:
        odtf.data.download(data, _DATA_DIR.value)
    result, study = evaluator.evaluate(
        file,
        data,
        task,
        against=against,
        options=options,
        data_dir=_DATA_DIR.value,
        split=_SPLIT.value,
        seed=_SEED.value,
        validation_fraction=_FRACTION.value,
        max_examples=_MAX_EXAMPLES.value,
        max_train_examples=_MAX_TRAIN_EXAMPLES.value,
        skip_corrupt=_SKIP_CORRUPT.value,
    )
    # Before they are printed: whoever reads along may have left.
    written = presentation.write(result, study, _JSON.value) if _JSON.value is not None else None
    print(presentation.render(result, study))
    if written:
        print(f"\n{written}")
    if student and _is_of_card(student, data):
        print(f"\n{students.check_quality(student, result)}")


def _is_of_card(student, data):
    """Whether all test images of a student's own data were read."""
    return data == students.card(student)["data"] and _SPLIT.value == "test" and _MAX_EXAMPLES.value is None


def _make_task():
    """Returns the task with the arguments that flags give it."""
    from odtf import tasks

    given = {flag.name: flag.value for flag in (_FEATURES, _SEGMENTER, _PAIRED) if flag.value is not None}
    known = inspect.signature(tasks.find(_TASK.value)).parameters
    for name, value in given.items():
        if name not in known:
            raise UserError(f"The task {_TASK.value!r} has no flag --{name}. Received: --{name}={value}.")
    try:
        return tasks.make(_TASK.value, **given)
    except ValueError as error:
        if not given:
            raise
        raise UserError(f"--task={_TASK.value}: {error}") from error


def main():
    """Entry point of `odtf-evaluate`."""
    cli.run(_main, __doc__)


if __name__ == "__main__":
    main()
