"""Says what a TFLite file answers for pictures without labels: those in and below a folder.

    odtf-predict runs/photos/export/phone/student_int8.tflite --images=holiday
    odtf-predict foreign.tflite --images=holiday --pixels=-1..1 --labels=classes.txt
    odtf-predict student.tflite --images=holiday --csv=answers.csv --json=answers.json

Pictures come to the file's size, and their pixels enter, as its metadata say; a file that says nothing is told by
--pixels, --resize and --labels as odtf-evaluate is. The CSV has a line for each picture. The JSON, stable; keys may be
added:

    task
    file         path, input, pixels, resize, and what the task has to say of a file
    images       for each: image (its path in the folder), and what the task tells: label, probability, scores (of the
                 likeliest classes); or error, where it cannot be read
    notes        what was passed over, by kind; missing where nothing was
"""

from absl import flags

from odtf import files, names, paths
from odtf.commands import cli
from odtf.errors import UserError
from odtf.quiet import import_tensorflow

_TASK = flags.DEFINE_string("task", "classification", f"What the output means: {names.listed(names.tasks())}.")
_IMAGES = flags.DEFINE_string("images", None, "Folder of the pictures.")
_CSV = flags.DEFINE_string("csv", None, "File for the answers, a line for each picture.")
_JSON = flags.DEFINE_string("json", None, "File for the answers with all that there is to say.")
_LABELS = flags.DEFINE_string("labels", None, "Text file with the name of each output, for a file that has none.")
_THREADS = flags.DEFINE_integer(
    "threads", 1, "Threads that LiteRT may use.", lower_bound=1, upper_bound=cli.MAX_THREADS
)
_PIXELS = flags.DEFINE_enum(
    "pixels", None, ["0..255", "0..1", "-1..1"], "What pixels become, for files that do not say it."
)
_MEAN = flags.DEFINE_list("mean", None, "In place of --pixels: mean per channel of pixels scaled to [0, 1].")
_STD = flags.DEFINE_list("std", None, "With --mean: deviation per channel of pixels scaled to [0, 1].")
_RESIZE = flags.DEFINE_enum(
    "resize", None, ["stretch", "fit", "crop"], "The way of pictures to the size of a file that does not say it."
)
_SCORES = flags.DEFINE_enum(
    "scores", None, ["logits", "probabilities"], "What FILE ends in; by default its last operator says it."
)
_LABEL_OFFSET = flags.DEFINE_integer(
    "label_offset", None, "The output of the first class: 1 if output 0 is a background, else 0.", lower_bound=0
)


def _main(argv):
    if len(argv) != 2:
        received = " ".join(argv[1:]) or "nothing"
        raise UserError(f"odtf-predict FILE.tflite --images=FOLDER answers for pictures. Received: {received}.")
    path, folder = argv[1], paths.at(cli.required(_IMAGES)).expanduser()
    if not paths.at(path).is_file():
        raise UserError(f"odtf-predict takes a TFLite file. Received: {path}, which is no file.")
    for flag in (_CSV, _JSON):
        if flag.value is not None:
            files.check_file(flag.value, flag.name)
    from odtf import tasks
    from odtf.evaluation import pixels

    tasks.check(_TASK.value)
    given = pixels.from_flags(_PIXELS.value, _MEAN.value, _STD.value)
    import_tensorflow()
    from odtf.data import renaming
    from odtf.evaluation import evaluator, prediction
    from odtf.evaluation.image_file import ImageFile

    task = tasks.make(_TASK.value)
    options = {flag.name: flag.value for flag in (_SCORES, _LABEL_OFFSET) if flag.value is not None}
    evaluator.check_options(task, options)
    labels = None if _LABELS.value is None else renaming.read_names(_LABELS.value, distinct=False)
    file = ImageFile(path, given, _THREADS.value, _RESIZE.value)
    if given and file.says_pixels:
        raise UserError(f"The file says itself how it takes pixels: {file.pixels.source}. Received: {given.source}.")
    result = prediction.predict(file, folder, task, names=labels, options=options)
    # Before they are printed: whoever reads along may have left.
    written = prediction.write(result, _CSV.value, _JSON.value)
    print(prediction.render(result))
    if written:
        print(f"\nAll of it: {', '.join(written)}")


def main():
    """Entry point of `odtf-predict`."""
    cli.run(_main, __doc__)


if __name__ == "__main__":
    main()
