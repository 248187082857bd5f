"""Stores what a teacher answers to every view of every training image: a step of training then runs no teacher.

    odtf-store --config=kd:data=cifar10 --config.data.augment.pad=2 --teacher=runs/teacher --output=answers
    odtf-train --config=kd:data=cifar10,teacher=answers --config.data.augment.pad=2 --workdir=DIR

Of the config, task, data and augmentation count; they must be the same in both commands. Of crop and flip all views
are stored, (2 pad + 1)^2 of each image, and twice as many with flips; of any other augmentation --views=N of each
image, drawn once. In the directory: answers.json, and the logits in float16, which are mapped from the disk. They
belong to images by the source's own numbers, so that they serve every seed, every split and data.max_train_examples.

--teacher is a finished run's workdir, or a model that config.method.teacher may be, as a path or as
'{"file": "big.onnx", "pixels": "0..1"}'; or answers of another framework, FILE.npz. Of several the mean of the logits
is stored. The same command goes on where it stopped.

FILE.npz has the arrays logits [n, views, classes], index [n], the source's number of each image, and pixel_sums [n],
the sum of its pixels, 0..255; pad, flip and pad_mode, the augmentation, where there is one; and names [classes], where
they are in another order. View (row * (2 pad + 1) + column) * 2 + flipped is the crop that begins at row and column of
the padded image, mirrored if flipped is 1; without flips it is row * (2 pad + 1) + column.
"""

import json

from absl import flags

from odtf import runs
from odtf.commands import cli
from odtf.errors import UserError
from odtf.quiet import import_tensorflow
from odtf.training import config_checks, config_file

_CONFIG = config_file.define("config", "Whose data and augmentation: as odtf-train takes it.")
_TEACHERS = flags.DEFINE_multi_string("teacher", None, "Who answers; give it several times for the mean of several.")
_OUTPUT = flags.DEFINE_string("output", None, "The directory of the answers; made if needed.")
_VIEWS = flags.DEFINE_integer("views", 0, "How many views of each image, drawn once; 0 for all.", lower_bound=0)
_ALLOW_CODE = cli.define_allow_code("the workdir of a teacher, or a SavedModel,")
_DOWNLOAD = cli.define_download()


def _main(argv):
    cli.no_arguments(argv)
    config, output = cli.required(_CONFIG), cli.required(_OUTPUT)
    teachers = [_teacher(text) for text in cli.required(_TEACHERS)]
    config_checks.check(config)
    import_tensorflow()
    from odtf import data
    from odtf.training import storing

    if _DOWNLOAD.value:
        data.download(config.data.name, config.data.data_dir)

    def load(said, info):
        return runs.load_teacher(said, info, _ALLOW_CODE.value or runs.own_names(config))

    found = storing.store(config, output, teachers, load, runs.teacher_digest, number=_VIEWS.value)
    record = found.record
    print(
        f"{record['images']:,} images x {record['views']['count']} views in {output}; "
        f"--config.method.teacher={output} learns from them"
    )


def _teacher(text):
    if not text.startswith("{"):
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise UserError(f"--teacher is a path, or a mapping in JSON. Received: {text!r}.") from error


def main():
    """Entry point of `odtf-store`."""
    cli.run(_main, __doc__, None, config_file.explain)


if __name__ == "__main__":
    main()
