"""What a fine-tuning starts from: a peer of a finished run, or any Keras model."""

import functools

from odtf import export, paths, runs, sealed
from odtf.errors import UserError
from odtf.export.foreign_model import digest_of
from odtf.finetune.teacher import make_teacher
from odtf.models.graph import graph_of
from odtf.training import config as config_lib
from odtf.training.report import task_row

# What of finetuned.json is read again.
_FILE = {"path": str, "sha256": str}
_ROWS = {"finetuned": [{"model": str, "file": _FILE, "post_training": _FILE}]}


def figure_names(task):
    """Returns the names that the figures of a network of a task have in rows: on validation, and on the test split."""
    return f"val_{task.choice}", f"test_{task.choice}"


class PeerOfRun:
    """A peer of a finished run; the cohort that it comes from can teach it.

    Args:
        workdir, allow_code: as for `odtf.runs.Run`.
        peer: name of the peer; None for the student.

    Attributes:
        name: of the network, as rows of a report have it in "peer".
        folder: `pathlib.Path`, which the paths in rows are relative to.
        modes: `pathlib.Path`, where the directory of each mode is.
        config: `ConfigDict`: what a training needs besides, such as the seed and the size of a batch.
        task: `odtf.tasks.Task`.
        dataset: `odtf.data.ImageDataset`.
        base: dict that names what is fine-tuned, for the record in the directory of a mode.
        figures: dict from "val_METRIC" and "test_METRIC" to what is known of the float network; None: to be measured.

    Raises:
        UserError: if there is no such run or peer.
    """

    def __init__(self, workdir, peer=None, allow_code=False):
        self._run = runs.Run(workdir, allow_code)
        row = self._run.peer(peer)
        self.name = row["name"]
        self.folder, self.config = self._run.workdir, self._run.config
        self.modes = self.folder / "finetune"
        self.base = {"peer": self.name, "step": self._run.report["student"]["step"]}
        # A report has what the network answers as it was trained, which may be int8.
        self.figures = None
        if not self.config.quantization.aware:
            self.figures = {key: row[key] for key in figure_names(self.task)}

    @property
    def task(self):
        return self._run.task

    @property
    def dataset(self):
        return self._run.unchanged_dataset

    @functools.cached_property
    def _method(self):
        return self._run.cohort()

    @property
    def network(self):
        """The network, a `keras.Model` from normalised images to named taps."""
        return self._method.peers[self.name]

    def teacher(self, kind):
        """Returns (name, function) of a teacher, one of `odtf.finetune.settings.TEACHERS`; see `make_teacher`."""
        return make_teacher(kind, self._method)

    def view(self, images):
        """Returns what the network sees of the images of a batch."""
        return self._method.view(images, list(self._method.peers).index(self.name))

    def rows(self):
        """Returns the rows of earlier fine-tunings, read anew: another mode may have ended meanwhile."""
        return runs.read_report(self.folder).get("finetuned", [])

    def add(self, row, atomic):
        """Adds the row of a fine-tuning to the report, which appears with other `AtomicFiles`."""
        self._run.add_finetuned(row, atomic)


class AnyModel:
    """A Keras model that nobody trained here; it can teach itself, as it was.

    It trains as a run of the default config does: without augmentation and weight decay.

    Args:
        output: directory; each mode has one in it, and their rows are in its finetuned.json.
        foreign, network, dataset: what `odtf.export.read_model` returned.
        task: `odtf.tasks.Task`.
        **options: seed, batch_size, calibration_examples and validation_fraction.

    Attributes:
        As of `PeerOfRun`.

    Raises:
        UserError: if the model has no graph.
    """

    figures = None

    def __init__(self, output, foreign, network, dataset, task, **options):
        if graph_of(foreign.model) is None:
            raise UserError(
                "A model is fine-tuned layer by layer, so it must be functional or sequential. "
                f"Received: {foreign.source}, a {type(foreign.model).__name__} without a graph."
            )
        self.name, self.network, self.dataset, self.task = foreign.name, network, dataset, task
        self.folder = self.modes = paths.at(output)
        self._digest = digest_of(network, dataset)[:16]
        self.base = {"model": self.name, "digest": self._digest, **options}
        self.config = config_lib.default_config()
        self.config.seed, self.config.batch_size = options["seed"], options["batch_size"]
        self.config.export.calibration_examples = options["calibration_examples"]

    def teacher(self, kind):
        """Returns (name, function) of a teacher: the model itself, or (None, None) for "none"."""
        if kind == "none":
            return None, None
        return "itself before", lambda images: self.network(images, training=False)[self.task.output]

    def view(self, images):
        """Returns the images of a batch as they are."""
        return images

    def rows(self):
        """Returns the rows of earlier fine-tunings of this very model."""
        return [row for row in self._all_rows() if row["model"] == self._digest]

    def add(self, row, atomic):
        """Writes the row of a fine-tuning to finetuned.json, in place of the one whose file has the same path."""
        row["model"] = self._digest
        others = [old for old in self._all_rows() if old["file"]["path"] != row["file"]["path"]]
        text = sealed.text({"task": task_row(self.task), "finetuned": [*others, row]})
        atomic.add(self.folder, {self._path.name: text.encode()})

    @property
    def _path(self):
        return self.folder / "finetuned.json"

    def _all_rows(self):
        try:
            return sealed.read(self._path, _ROWS, "without it, fine-tunings begin it anew")["finetuned"]
        except FileNotFoundError:
            return []


def read_any_model(model, data, output, task, *, labels, pixels, data_dir, **options):
    """Returns `AnyModel` of a model and data as `odtf.export.read_model` takes them; `options` as for `AnyModel`."""
    given = {"labels": labels, "pixels": pixels, "data_dir": data_dir, "calls_for": "fine-tuned"}
    given |= {key: options[key] for key in ("seed", "validation_fraction")}
    return AnyModel(output, *export.read_model(model, data, task, **given), task, **options)
