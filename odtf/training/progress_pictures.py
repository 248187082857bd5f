"""Pictures along training: what all networks make of the same images of the validation split, epoch by epoch."""

import numpy as np

from odtf import paths, pictures, targets
from odtf.files import make_directory

FOLDER = "pictures"


class ProgressPictures:
    """Draws them as the task does, into `workdir/pictures/epoch-N.png`; nothing of training depends on it.

    Args:
        settings: mapping with "every_epochs" and "images", as `config.pictures`.
        workdir: directory of the run.
        dataset: `odtf.data.ImageDataset`.
        method: the `Method`.
        log: callable that takes one line of text.
    """

    def __init__(self, settings, workdir, dataset, method, log):
        self._every, self._count = settings["every_epochs"], settings["images"]
        self._folder = paths.at(workdir) / FOLDER
        self._dataset, self._method, self._log = dataset, method, log
        if self._every and method.task.draw is None:
            self._say(f"no pictures: the task {method.task.name!r} draws none")

    def after(self, epoch):
        """Draws the networks as they are after an epoch, counted from 1, if it is one of those that are drawn."""
        if not self._every or epoch % self._every:
            return
        from odtf import data  # Whoever only looks for pictures needs no TensorFlow.

        task, info, finished = self._method.task, self._dataset.info, targets.find("phone")
        part = self._dataset.splits["validation"].part(self._count)
        images, truth = part.take(np.arange(len(part)))
        batches = data.eval_dataset(part, self._dataset, batch_size=len(part))
        normalized = next(iter(batches))[0]
        outputs = self._method.answers(self._method(normalized, training=False))
        answers = {
            name: task.comparable(task.folded(np.asarray(answer, "float32"), finished), info, finished)
            for name, answer in outputs.items()
        }
        path = make_directory(self._folder) / f"epoch-{epoch:05d}.png"
        said = pictures.save(path, task.draw, info, images, truth, answers, word="pictures")
        if said and said != [str(path)]:
            self._say(said[0])

    def _say(self, line):
        self._log(line)
        self._every = 0  # Once is enough.


def drawn(workdir):
    """Returns the pictures that are there, a list of (epoch, path) by epoch."""
    found = [(path.stem.removeprefix("epoch-"), path) for path in (paths.at(workdir) / FOLDER).glob("epoch-*.png")]
    return sorted((int(epoch), path) for epoch, path in found if epoch.isdecimal())
