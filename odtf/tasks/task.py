"""The base of tasks, all that the core knows of one: samples, head, loss terms, metrics, and exported files."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from odtf.errors import UserError
from odtf.tasks.evaluated import EvaluatedTask
from odtf.tasks.exported import ExportedTask

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    import numpy as np
    from matplotlib.figure import Figure
    from typing_extensions import Self

    from odtf.data import ImageDataset, Info, Target
    from odtf.losses.tensors import Targets, Tensor
    from odtf.metrics import Metric
    from odtf.models.annotations import Head, Path
    from odtf.tasks.clients import Client


class Task(ExportedTask, EvaluatedTask):
    """A task: what there is to learn about an image, how it is judged, and what becomes of it on a device.

    A method knows no other way to labels, a run no other way to a number of quality, an export no other way to what a
    file answers. A new task is a subclass in a file of its own; configs name it by that file, or by
    `package.module:attribute`. It has a `name`, `targets`, `metrics` and `output`, and writes `head`, `supervised`,
    `distil` (where a method compares answers) and `answer`; all else has defaults, which files have in `ExportedTask`
    and `EvaluatedTask`. Losses and metrics are written in `keras.ops`. The constructor's arguments are keys of
    `config.task`.

    Example:

    >>> class Brightness(odtf.tasks.Task):
    ...     name, output = "brightness", "level"
    ...     targets = {"level": odtf.data.Target((), "float32")}
    ...     metrics = {"mae": odtf.metrics.MeanAbsoluteError()}
    ...
    ...     def head(self, info):
    ...         return odtf.models.heads.Linear(1, tap="level")
    ...
    ...     def supervised(self, targets, output):
    ...         return keras.ops.abs(output[:, 0] - targets)
    ...
    ...     def distil(self, teacher, student, temperature=1.0):
    ...         return keras.ops.abs(teacher - student)[:, 0]
    ...
    ...     def answer(self, info, target, quantization):
    ...         return odtf.tasks.Answer("level", (1, 1))

    Attributes:
        name: the word in configs and reports.
        output: name of the tap that is a network's answer.
        metrics: mapping from a name, as in report.json ("val_NAME"), to `odtf.metrics.Metric`. Validation chooses the
            student by the first.
        targets: mapping from a name to `odtf.data.Target`, what a sample has beside its image. Where there is one,
            batches have it as it is; where there are several, as a dict.
        normalization: (mean, std) of pixels scaled to [0, 1], a number each for all channels, by which networks get
            their images where the config gives none; None: those of the training split.
        methods: names of those of odtf's methods that have a meaning in the task; empty: all that say nothing else.
        relational: whether `distil` compares how the answers of a batch lie to each other, and not answer with answer:
            teacher and student may then answer in different shapes.
        divergences: names of those of `config.method.divergence`, beside "kl", that its answers can be compared by:
            where an answer has a score for each of several classes on its last axis, and the one target is the class.
        mixes: whether its supervised term takes distributions over the classes in place of a class, as the mixed labels
            of MixUp and CutMix are.
        agreement: `Metric` of a file's answers, its targets being those of the network that it was made from.
        client: `odtf.tasks.clients.Client` that proves that a mobile library reads a file of it; None if there is none.
        draw: callable `draw(pyplot, info, images, targets, answers)` that returns a matplotlib figure of some images,
            uint8 `[n, height, width, channels]`, with their targets and the answers of networks or files, a dict from
            a name to what `comparable` gives; None where a picture tells nothing.
        templates: folder with the templates of its own, a path; None if there are none.
        arguments_of_terms: mapping from "supervised" or "distil" to names of the constructor's arguments that matter in
            that term alone: where a config names a function of the user's own for it, they are refused.
        snippets: mapping from a target's kind of snippet ("android", "firmware", "web") to the name of a template that
            shows the use of a file, in `templates`. For each there is one that serves any task; a task's own may extend
            it. "page" is that of a web page which shows answers its own way: it extends "browser.html.j2".
    """

    name: str = ""
    output: str = "output"
    metrics: Mapping[str, Metric] = {}
    targets: Mapping[str, Target] = {}
    normalization: tuple[float, float] | None = None
    methods: tuple[str, ...] = ()
    relational: bool = False
    divergences: tuple[str, ...] = ()
    mixes: bool = False
    agreement: Metric | None = None
    client: Client | None = None
    draw: Callable[..., Figure] | None = None
    templates: Path | None = None
    snippets: Mapping[str, str] = {}
    arguments_of_terms: Mapping[str, tuple[str, ...]] = {}

    # In a cohort's file ---------------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, which are the task's attributes of their names, as Keras has it.

        Raises:
            ValueError: if one of them is no attribute.
        """
        names = inspect.signature(type(self)).parameters
        if missing := [name for name in names if not hasattr(self, name)]:
            raise ValueError(
                "A task keeps its constructor's arguments as attributes of their names, or writes get_config. "
                f"Received: the task {self.name!r} without {', '.join(missing)}."
            )
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Returns a task with the arguments of `get_config`."""
        return cls(**config)

    # In training ----------------------------------------------------------------------------------------------------

    def head(self, info: Info) -> Head:
        """Returns what backbones end in: a number of outputs, or a callable as in `odtf.models.heads`.

        Args:
            info: `odtf.data.Info` of the data.
        """
        raise NotImplementedError

    def observe(self, dataset: ImageDataset) -> None:
        """Learns from the data itself, such as how often its classes are; called once, before training begins.

        What follows from it must be a pure function of the data: a run that goes on calls it again.

        Args:
            dataset: `odtf.data.ImageDataset`.

        Raises:
            UserError: if the task does not fit the data.
        """

    def standard(self, targets: Targets) -> Targets:
        """Returns targets as the task has them, from a form in which a user of Keras may give them.

        Args:
            targets: targets of a batch, tensors.
        """
        return targets

    def is_finished(self, answers: np.ndarray) -> bool:
        """Whether answers are what an app shows, as where `fold` put something behind the network.

        Args:
            answers: numpy array `[batch, ...]`, what a network says of some images.
        """
        return False

    def unfinished(self, answers: Tensor) -> Tensor:
        """Returns finished answers as the losses take them: the inverse of what `fold` does, on tensors."""
        return answers

    def supervised(self, targets: Targets, output: Tensor) -> Tensor:
        """Returns the loss against the targets, a float32 tensor `[batch]`.

        Args:
            targets: targets of the batch.
            output: tensor `[batch, ...]`, a network's answer.
        """
        raise UserError(self._no_term("supervised", "supervised(targets, output)"))

    def distil(self, teacher: Tensor, student: Tensor, temperature: float = 1.0) -> Tensor:
        """Returns the loss of a student's answer against a teacher's, a float32 tensor `[batch]`.

        Nothing is detached here: the method says which side is a constant.

        Args:
            teacher: tensor `[batch, ...]`.
            student: tensor of the same shape; of any, where the task is `relational`.
            temperature: positive float; of no meaning where answers are no logits.
        """
        raise UserError(self._no_term("distil", "distil(teacher, student, temperature)"))

    def progress(self, targets: Targets, output: Tensor) -> dict[str, Tensor]:
        """Returns what the log of training tells of a batch beside its loss: name -> scalar tensor."""
        return {}

    # For people -----------------------------------------------------------------------------------------------------

    @property
    def choice(self) -> str:
        """The name of the metric by which validation chooses."""
        return next(iter(self.metrics))

    @property
    def choices(self) -> tuple[str, ...]:
        """Names of metrics, `choice` first: an epoch in which any of them is the best so far is kept."""
        return (self.choice,)

    def is_better(self, value: float, other: float) -> bool:
        """Whether a value of the metric that chooses is better than another, or equal to it."""
        return self.metrics[self.choice].better(value, other) == value

    def _no_term(self, term, signature):
        return (
            f"The method wants the term {term!r} of the task: write {signature} in it, or name a function in "
            f"config.task.{term}. Received: the task {self.name!r} without it."
        )
