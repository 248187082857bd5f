"""A fine-tuning from a trained network, of a run or any other, to the row that tells of it."""

import time

import keras
import numpy as np

from odtf import export, models, workdir_lock
from odtf.atomic_files import AtomicFiles
from odtf.data import calibration_images
from odtf.errors import UserError
from odtf.files import check_directory
from odtf.finetune import compression
from odtf.finetune import settings as settings_lib
from odtf.finetune.cluster import Clustered
from odtf.finetune.origins import PeerOfRun, figure_names, read_any_model
from odtf.finetune.prune import Pruned
from odtf.finetune.quantize import RoundedTwin
from odtf.finetune.tuned_file import aware_file, figures, is_still_there
from odtf.finetune.tuning import Lesson, Tuning, quality
from odtf.finetune.twin import twin_of
from odtf.tasks import Classification
from odtf.training import cohorts, config_data

# What rounding must keep of the stage before it.
_PRESERVE = {"prune": "zeros", "cluster": "clusters"}


def finetune(workdir, settings, allow_code=False):
    """Fine-tunes a peer of a finished run, exports and verifies it, and adds the result to the run's report.json.

    Everything goes to WORKDIR/finetune/MODE: config.json, a directory a stage with its log and checkpoints, export/.
    The same call goes on where a killed one stopped.

    Args:
        workdir: directory of the run.
        settings: `Settings`.
        allow_code: as for `odtf.runs.Run`.

    Returns:
        The row of this fine-tuning, as `report.json` has it in "finetuned".

    Raises:
        UserError: if the run, the peer or the target does not exist, TFMOT cannot take the network, or another
            fine-tuning is in its place; or if another process writes to the workdir.
        odtf.stopping.Stopped: after SIGTERM or Ctrl-C, when everything is saved.
    """
    settings_lib.check(settings)
    target = export.find_target(settings.target, "int8")
    origin = PeerOfRun(workdir, settings.peer, allow_code)
    with workdir_lock.writing(workdir):
        return _finetune(origin, settings, target)


def finetune_model(
    model,
    data,
    output,
    settings,
    *,
    labels=None,
    pixels=None,
    task=None,
    data_dir=None,
    validation_fraction=0.1,
    calibration_examples=256,
    seed=0,
    batch_size=128,
):
    """Fine-tunes any Keras model as `finetune` does a peer of a run; its teacher is the model itself, as it was.

    Everything goes to OUTPUT/MODE, and the rows of all modes to OUTPUT/finetuned.json. It trains without augmentation
    and weight decay, by default at 0.01.

    Args:
        model, data, labels, pixels, task, data_dir, validation_fraction, calibration_examples, seed: as for
            `odtf.model_exports.export_model`; the seed is also that of the order of the training images.
        output: directory; made if needed.
        settings: `Settings` without a peer.
        batch_size: of the training.

    Returns:
        The row of this fine-tuning, as `finetuned.json` has it.

    Raises:
        UserError: if the model, its data or the target are none for that, what the model takes and answers is not
            known, TFMOT cannot take it, or another fine-tuning is in its place: no file has changed then. After that,
            if the loss stops being finite or a file is not as good as it should be.
        odtf.stopping.Stopped: after SIGTERM or Ctrl-C, when everything is saved.
    """
    settings_lib.check(settings)
    if settings.peer is not None:
        raise UserError(f"A model has no peers: leave peer out. Received: peer={settings.peer!r}.")
    target = export.find_target(settings.target, "int8")
    check_directory(output)
    options = {"validation_fraction": validation_fraction, "calibration_examples": calibration_examples}
    given = {"labels": labels, "pixels": pixels, "data_dir": data_dir, "seed": seed, "batch_size": batch_size}
    origin = read_any_model(model, data, output, task or Classification(), **given, **options)
    with workdir_lock.writing(output):
        return _finetune(origin, settings, target)


def _finetune(origin, settings, target):
    started = time.monotonic()
    directory, base = origin.modes / settings.mode, {**origin.base, "grouped": target.grouped}
    settings_lib.check_claim(directory, settings, base)
    cohorts.set_runtime(origin.config)
    network = origin.network
    # The twin is float32; the peers keep the precision they were built with.
    keras.config.set_dtype_policy("float32")
    lesson, taught_by = _lesson(origin, settings)
    tuned = _Tuned(origin, network, target, settings, lesson)
    settings_lib.claim(directory, settings, base)
    with AtomicFiles() as atomic:
        row = {
            "mode": settings.mode,
            "peer": origin.name,
            "target": target.name,
            "teacher": taught_by,
            "float": origin.figures or tuned.float_quality(),
            **tuned.run(directory, atomic),
        }
        row["seconds"] = round(time.monotonic() - started, 1)
        origin.add(row, atomic)
    return row


def _lesson(origin, settings):
    config = origin.config
    taught_by, teacher = origin.teacher(settings.teacher)
    origin.task.observe(origin.dataset)
    lesson = Lesson(
        task=origin.task,
        dataset=origin.dataset,
        pipeline=config_data.make_pipeline(config, origin.dataset),
        teacher=teacher,
        view=origin.view,
        alpha=settings.alpha,
        temperature=settings.temperature,
        learning_rate=settings.learning_rate or config.schedule.learning_rate / 10.0,
        weight_decay=config.weight_decay,
        epochs=settings.epochs,
    )
    return lesson, taught_by


class _Tuned:
    """One student on its way through the stages of a mode to its file; made, nothing is written yet.

    Raises:
        UserError: if the first stage cannot take the network.
    """

    def __init__(self, origin, network, target, settings, lesson):
        self._origin = origin
        self._network = network
        self._task, self._dataset = origin.task, origin.dataset
        self._target = target
        self._config = origin.config
        self._settings = settings
        self._lesson = lesson
        self._deployed = self._deploy()
        self._weights = {}
        self._first = self._stage(settings_lib.MODES[settings.mode][0], None)

    def _deploy(self):
        return models.deploy(self._network, output=self._task.output, grouped=self._target.grouped)

    def float_quality(self):
        """Measures the deployed student, without any rounding."""
        return self._both(lambda split: quality(self._deployed, self._task, self._dataset, split))

    def _both(self, measure):
        splits = zip(figure_names(self._task), ("validation", "test"), strict=True)
        return {key: measure(split) for key, split in splits}

    def run(self, directory, atomic):
        """Trains all stages, exports before and after, and returns what a row says of them.

        Args:
            directory: of the mode.
            atomic: `odtf.atomic_files.AtomicFiles` with which the exported files appear.
        """
        stages, left_dense, before = [], [], None
        for name in settings_lib.MODES[self._settings.mode]:
            stage = self._stage(name, before) if before else self._first
            tuning = Tuning(directory / name, stage, self._lesson)
            chosen = tuning.run()
            about = {"name": name, "epoch": chosen["epoch"], "step": chosen["step"]}
            stages.append({**about, figure_names(self._task)[0]: chosen["value"]})
            left_dense.extend(stage.left_dense)
            if name != "quantize":
                self._weights, before = stage.weights(), name
        result = {"stages": stages, "tuned": self._both(tuning.quality)}
        pruned = self._with_weights() if "prune" in settings_lib.MODES[self._settings.mode] else None
        result["post_training"] = self._post_training(directory, atomic)
        result["file"] = self._file(directory, stage.model, name == "quantize", atomic)
        result["left_dense"] = left_dense
        result["sparse_path"] = (
            compression.sparse_path(models.deploy(self._network, output=self._task.output), pruned) if pruned else None
        )
        return result

    def _stage(self, name, before):
        try:
            twin = twin_of(self._deployed)
        except ValueError as error:
            raise UserError(f"TFMOT cannot take this network. {error}.") from error
        for layer in twin.layers:
            if layer.name in self._weights:
                layer.set_weights(self._weights[layer.name])
        if name == "prune":
            return Pruned(twin, self._settings, self._lesson.epochs * self._lesson.pipeline.steps_per_epoch)
        if name == "cluster":
            return Clustered(twin, self._settings)
        images = calibration_images(self._dataset, self._config.export.calibration_examples, self._config.seed)
        mean, std = np.float32(self._dataset.mean), np.float32(self._dataset.std)
        return RoundedTwin(twin, (images / np.float32(255.0) - mean) / std, _PRESERVE.get(before))

    def _with_weights(self):
        """The deployed student with the weights of the last float stage."""
        deployed = self._deploy()
        for layer in deployed.layers:
            if layer.name in self._weights:
                layer.set_weights(self._weights[layer.name])
        return deployed

    def _post_training(self, directory, atomic):
        """The file that the student gives without fine-tuning, to compare with; one for all modes."""
        folder = directory.parent / "post-training" / f"{self._target.name}-{self._network.name}"
        path = str((folder / "student_int8.tflite").relative_to(self._origin.folder))
        for old in self._origin.rows():
            if old["post_training"]["path"] == path and is_still_there(old["post_training"], self._origin.folder):
                return old["post_training"]
        row = export.export_student(
            self._network,
            self._dataset,
            folder,
            task=self._task,
            target=self._target,
            calibration_examples=self._config.export.calibration_examples,
            seed=self._config.seed,
            atomic=atomic,
        )
        return figures(row, atomic.content(row["path"]), self._task, self._dataset, self._origin.folder)

    def _file(self, directory, model, aware, atomic):
        export.check_weights(model)
        if aware:
            content, equal = aware_file(model, self._task, self._dataset, self._target), model
        else:
            equal = self._with_weights()
            examples, seed = self._config.export.calibration_examples, self._config.seed
            content = export.convert_calibrated(equal, self._dataset, self._target, "int8", self._task, examples, seed)
        row = export.publish_student(
            content,
            equal,
            self._dataset,
            directory / "export" / self._target.name,
            task=self._task,
            target=self._target,
            quantization="int8",
            atomic=atomic,
        )
        return figures(row, atomic.content(row["path"]), self._task, self._dataset, self._origin.folder)
