"""The loop of one stage: steps under a teacher, a validation an epoch, checkpoints."""

import math
import time
import typing

import numpy as np
import tensorflow as tf
import tf_keras

from odtf import data, metrics, stopping
from odtf.errors import UserError
from odtf.files import make_directory
from odtf.layers.strided_pointwise import protect
from odtf.tasks import Task
from odtf.training.checkpoints import Checkpoints
from odtf.training.logs import Log

_MOMENTUM = 0.9


class Lesson(typing.NamedTuple):
    """What is learned from, the same in all stages.

    Attributes:
        task: `odtf.tasks.Task`.
        dataset: `odtf.data.ImageDataset`.
        pipeline: its `odtf.data.TrainPipeline`.
        teacher: function from the images of a batch to the teacher's answers, or None.
        view: function from the images of a batch to those that the student sees.
        alpha: share of the distillation; of no meaning without a teacher.
        temperature: of the distillation.
        learning_rate: of the first step; it falls to 0 along a cosine.
        weight_decay: coupled, as in training.
        epochs: of a stage.
    """

    task: Task
    dataset: data.ImageDataset
    pipeline: data.TrainPipeline
    teacher: typing.Callable | None
    view: typing.Callable
    alpha: float
    temperature: float
    learning_rate: float
    weight_decay: float
    epochs: int


class Tuning:
    """Trains a stage in a directory of its own, or goes on where an earlier run stopped.

    The loss is (1 - alpha) L(z, y) + alpha D(z_teacher, z), the task's supervised and distillation terms, where there
    is a teacher: (1 - alpha) CE(z, y) + alpha T^2 KL(p_teacher || p) in classification. All of the step is one graph:
    teacher (Keras 3), student (tf_keras), optimizer, masks.

    Args:
        directory: of the stage; its checkpoints, chosen weights and log go there.
        stage: `odtf.finetune.stage.Stage`.
        lesson: `Lesson`.
    """

    def __init__(self, directory, stage, lesson):
        self._stage = stage
        self._lesson = lesson
        self.total_steps = lesson.epochs * lesson.pipeline.steps_per_epoch
        schedule = tf_keras.optimizers.schedules.CosineDecay(lesson.learning_rate, self.total_steps)
        self._optimizer = tf_keras.optimizers.SGD(schedule, momentum=_MOMENTUM, jit_compile=False)
        self._optimizer.build(stage.trainable)
        self._log = Log(make_directory(directory))
        self._checkpoints = Checkpoints(directory, _Kept(stage, self._optimizer), log=self._log.line)
        protect(stage.model)
        self._step = tf.function(self._train_step, autograph=False)
        self._forward = tf.function(lambda images: stage.model(images, training=False), autograph=False)
        self._requests = stopping.Requests()

    def run(self):
        """Trains what is left and loads the weights that validation chose.

        Returns:
            dict "epoch", "step", "value" (on validation, of the metric that chooses) of the choice.

        Raises:
            UserError: if the loss stops being finite.
            odtf.stopping.Stopped: after SIGTERM or Ctrl-C, when everything is saved.
        """
        progress = self._checkpoints.restore() or {"step": 0, "chosen": None, "seconds": 0.0}
        self._log.start(progress["step"], self.total_steps)
        try:
            if progress["step"] < self.total_steps:
                with self._requests:
                    self._train(progress)
        finally:
            self._log.close()
        self._checkpoints.load_chosen(progress["chosen"]["step"], progress["chosen"].get("sha256"))
        return progress["chosen"]

    def quality(self, split):
        """Returns the metric that chooses, of the model as it is, over a whole split."""
        return quality(self._forward, self._lesson.task, self._lesson.dataset, split)

    def _train(self, progress):
        per_epoch = self._lesson.pipeline.steps_per_epoch
        batches = iter(self._lesson.pipeline.dataset(progress["step"]))
        values, started, before = [], time.monotonic(), progress["seconds"]
        for step in range(progress["step"] + 1, self.total_steps + 1):
            values.append(self._step(*next(batches)))
            self._log.advance()
            progress["step"] = step
            ends = step % per_epoch == 0
            if ends or self._requests.asked:
                self._note(step, values)
                values = []
            if ends:
                self._validate(progress)
            if ends or self._requests.asked:
                progress["seconds"] = before + time.monotonic() - started
                self._log.send()
                self._checkpoints.save(progress)
            self._requests.heed(f"stopped at step {step} of {self.total_steps}; the same command goes on from there")

    def _train_step(self, images, targets):
        lesson, variables = self._lesson, self._stage.trainable
        target = lesson.teacher(images) if lesson.teacher else None
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            answers = self._stage.model(lesson.view(images), training=True)
            terms = {"supervised": tf.reduce_mean(lesson.task.supervised(targets, answers))}
            loss = terms["supervised"]
            if target is not None:
                distillation = tf.reduce_mean(lesson.task.distil(target, answers, lesson.temperature))
                terms["distillation"] = distillation
                loss = (1.0 - lesson.alpha) * loss + lesson.alpha * distillation
        pairs = [(g, v) for g, v in zip(tape.gradient(loss, variables), variables, strict=True) if g is not None]
        self._optimizer.apply_gradients([(g + lesson.weight_decay * v, v) for g, v in pairs])
        self._stage.after_step()
        return {"loss": loss, **terms, **lesson.task.progress(targets, answers)}

    def _note(self, step, values):
        means = {name: float(np.mean([value[name] for value in values])) for name in values[0]}
        if not math.isfinite(means["loss"]):
            raise UserError(
                f"The loss stopped being finite before step {step}; a lower --learning_rate would be right. "
                f"Received: --learning_rate={self._lesson.learning_rate:g}."
            )
        self._log.values(step, "train", means)

    def _validate(self, progress):
        step, epoch = progress["step"], progress["step"] // self._lesson.pipeline.steps_per_epoch
        task = self._lesson.task
        metric, value = task.metrics[task.choice], self.quality("validation")
        self._log.values(step, "validation", {"epoch": epoch, task.choice: value})
        may = step >= self._stage.first_choice
        shown = f"epoch {epoch}/{self._lesson.epochs}  validation {metric.title} {metric.text(value)}"
        self._log.line(shown + ("" if may else "  (not yet sparse)"))
        # Later wins a tie, as in training.
        if may and (progress["chosen"] is None or task.is_better(value, progress["chosen"]["value"])):
            digest = self._checkpoints.save_chosen(step)
            progress["chosen"] = {"step": step, "epoch": epoch, "value": value, "sha256": digest}


def quality(forward, task, dataset, split, batch_size=100):
    """Returns the metric that chooses, of a function from normalised images to answers, over a whole split."""

    def examples(split):
        return data.eval_dataset(split, dataset, batch_size=batch_size)

    parts = dataset.parts(metrics.references_of(task.metrics))
    references = {name: examples(part) for name, part in parts.items()}
    return round(metrics.evaluate(forward, examples(split), task.metrics, references)[task.choice], 6)


class _Kept:
    """A stage as `Checkpoints` knows a method: variables by position, and its optimizers."""

    def __init__(self, stage, optimizer):
        self.variables = [_Variable(v) for v in stage.variables]
        self.update = self
        self.optimizers = [_Slots(optimizer)]


class _Slots:
    def __init__(self, optimizer):
        self.variables = [_Variable(v) for v in optimizer.variables]


class _Variable:
    """A `tf.Variable` with the attributes of a Keras 3 one."""

    def __init__(self, variable):
        self.value = variable
        self.path = variable.name
        self.shape = variable.shape

    def numpy(self):
        return self.value.numpy()

    def assign(self, value):
        self.value.assign(value)
