"""The base of every method: a cohort is one Keras model; what a method defines of it, and its forward pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from odtf.methods.shared.divergence import KL, Divergence
from odtf.methods.shared.held_out import Evaluation
from odtf.methods.shared.hooks import Hooks
from odtf.methods.shared.keras_loops import KerasLoops
from odtf.methods.shared.reached import Reached
from odtf.methods.shared.replicas import assign_together
from odtf.methods.shared.saved import Saved
from odtf.methods.shared.training_step import TrainingStep
from odtf.tasks import Classification

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from odtf.losses.tensors import Targets, Tensor
    from odtf.methods.shared.signatures import Outputs, Taps
    from odtf.tasks import Task


class Method(Hooks, TrainingStep, KerasLoops, Evaluation, Saved, keras.Model):
    """A cohort of peers, the online teacher built from them, and what they minimise together.

    A subclass builds its peers in the constructor and returns the named terms of its loss from `loss_terms`; if it has
    a teacher, `call_teacher` computes it from the peers' outputs. What else it may define is in `Hooks`; everything
    else is here and in the parts: the step in `TrainingStep`, how a cohort is evaluated in `Evaluation`, what Keras'
    own methods do with it in `KerasLoops`, and how it is saved in `Saved`.

    Args:
        task: `odtf.tasks.Task`: what a sample is, the supervised term, the metrics; classification by default.
        seed: int. Every network is initialised with a seed of its own, derived from this one.
        synchronized: bool, whether batch normalisation of what the method itself builds spans all replicas.
        divergence: what a student's answer is compared with a teacher's by: "kl", "standardized", "dkd" or "dist"; or a
            mapping with it as "name", and options. See `odtf.methods.shared.divergence.Divergence`.
        name: str.

    Raises:
        ValueError: if the method has no meaning in the task, or compares no answers by that divergence.

    Attributes:
        label: the name where none is given; None: the class's own in small letters.
        only: names of the tasks that the method has a meaning in; empty: all.
        mixes: whether its terms have a meaning for mixed labels, distributions over the classes `[batch, classes]`.
        tells_peers_apart: whether equal peers come to differ by what the method itself builds, such as a teacher on
            their features; see `odtf.methods.shared.warm_start.twins`.
        distils: whether a term of the loss is a divergence of answers, by `distil`.
        aggregates: whether the target of one is a weighted mean of several answers, made by `divergence.mean`.
        teacher: a network of its own that teaches and is no peer, a `keras.Model`; None where there is none.
        takes_stored: whether a teacher may be stored answers, which come with the images of a batch.
        stored_shape: shape of one of them; None where there are none.
        peers: mapping from a peer's name to its network, a `keras.Model` whose output is a dict of named taps, the
            task's output among them. Every peer can be deployed. A subclass sets it in its constructor.

    Example:

    >>> network = functools.partial(odtf.models.od_cheap_resnet, (8, 8, 1), 10, depth=8, conv="depthwise")
    >>> cohort = odtf.methods.OnlineDistillationCheap(network, num_peers=2)
    >>> cohort.compile(keras.optimizers.SGD(0.1, momentum=0.9), weight_decay=2e-4)
    >>> cohort.fit(images_and_labels, epochs=3)
    >>> student = odtf.models.deploy(cohort.peers["peer_0"])

    One's own; a config's `networks` is a callable, and further arguments are keys of `config.method`:

    >>> class Pull(odtf.methods.Method):
    ...     def __init__(self, networks, *, weight=1.0, **common):
    ...         super().__init__(**common)
    ...         self.weight = weight
    ...         self.peers = {name: networks(seed=self.seed + i, name=name) for i, name in enumerate(("a", "b"))}
    ...
    ...     def loss_terms(self, targets, outputs):
    ...         answers = self.answers(outputs)
    ...         terms = {f"{name}/labels": self.task.supervised(targets, answers[name]) for name in self.peers}
    ...         return {**terms, "pull": self.weight * self.distil(targets, answers["a"], answers["b"])}
    """

    only: tuple[str, ...] = ()
    label: str | None = None
    distils = True
    aggregates = False
    teacher: Any = None
    takes_stored = False
    stored_shape = None
    mixes = True
    tells_peers_apart = False

    def __init__(
        self,
        *,
        task: Task | None = None,
        seed: int = 0,
        synchronized: bool = False,
        divergence: Any = KL,
        name: str | None = None,
    ) -> None:
        # Never Keras' own, which counts instances: it is part of the variables' paths, by which weights are found.
        super().__init__(name=name or self.label or type(self).__name__.lower())
        self.task = Classification() if task is None else task
        if self.only and self.task.name not in self.only:
            raise ValueError(
                f"{type(self).__name__} has no meaning outside {', '.join(self.only)}; choose another method. "
                f"Received: task={self.task.name!r}."
            )
        others = self.task.methods
        if others and type(self).__name__ not in others and type(self).__module__.startswith("odtf.methods."):
            raise ValueError(
                f"{type(self).__name__} has no meaning in {self.task.name}; choose one of {', '.join(others)}. "
                f"Received: task={self.task.name!r}."
            )
        self.divergence = Divergence(divergence, self.task, self.aggregates)
        if not self.distils and not self.divergence.is_default:
            raise ValueError(
                f"{type(self).__name__} compares no answers: leave divergence out. Received: divergence={divergence!r}."
            )
        self.seed = int(seed)
        self.synchronized = bool(synchronized)
        self.peers: dict[str, Any] = {}
        self.phase = self.phase_began = 0
        # An `odtf.quantization.Schedule`, where the networks were made with one: it is told of every epoch.
        self.quantization = None
        # A `WarmStart`, where networks start from trained weights that wait at first, or learn at another rate.
        self.warm_start = None
        # What a recipe does otherwise: an `Averaging` of the weights, `Norms` for batch normalisation, a `Resizing`.
        self.averaging = self.norms = self.resizing = None
        self._forwards: dict[Any, Any] = {}
        self._step_functions: dict[Any, Any] = {}
        self._pass_function = None
        self._sums_functions: dict[bool | None, Any] = {}
        self.forget_loops()
        self.reached = Reached()
        # Every part is a functional model, built by now; Keras need not trace a batch to learn the shapes.
        self.built = True

    # What a method has ----------------------------------------------------------------------------------------------

    def follow(self, pairs: Iterable[tuple[keras.Variable, keras.Variable]], decay: float | Tensor) -> None:
        """Moves averages one step, inside `after_step`: average <- decay * average + (1 - decay) * variable.

        Args:
            pairs: iterable of (average, variable), both `keras.Variable` of one shape.
            decay: float or float32 scalar tensor in [0, 1].
        """
        pairs = list(pairs)
        self.reached.follow(pairs)
        moved = [decay * average.value + (1.0 - decay) * variable.value for average, variable in pairs]
        assign_together([average for average, _ in pairs], moved)

    def answer(self, taps: Taps) -> Tensor:
        """Returns what a network, or the teacher, answers: the tap of the task's output among its taps."""
        return taps[self.task.output]

    def answers(self, outputs: Mapping[str, Taps]) -> dict[str, Tensor]:
        """Returns the answer of everything in `outputs` that has one, by name."""
        return {name: self.answer(taps) for name, taps in outputs.items() if self.task.output in taps}

    def distil(self, targets: Targets, teacher: Tensor, student: Tensor, temperature: float = 1.0) -> Tensor:
        """Returns the divergence of a student's answer from a teacher's, by `config.method.divergence`: `[batch]`.

        Nothing is detached here: the method says which side is a constant.

        Args:
            targets: targets of the batch.
            teacher: tensor `[batch, ...]`.
            student: tensor of the same shape; of any, where the task is `relational`.
            temperature: positive float.
        """
        return self.divergence(self, targets, teacher, student, temperature)

    # The forward pass -----------------------------------------------------------------------------------------------

    def call(self, images: Tensor, training: bool = False) -> Outputs:
        """Runs every peer once, then the teacher.

        Args:
            images: float tensor `[batch, height, width, channels]`, the same for all peers, or
                `[batch, views, height, width, channels]`: peer j sees view j (modulo the number of views).
            training: bool.

        Returns:
            dict: the name of each peer, and "teacher" where there is one, to a dict of taps.
        """
        outputs = {
            name: network(self.view(images, index), training=training)
            for index, (name, network) in enumerate(self.peers.items())
        }
        teacher = self.call_teacher(outputs, training)
        if teacher is not None:
            outputs["teacher"] = teacher
        return outputs

    @staticmethod
    def view(images: Tensor, index: int) -> Tensor:
        """Returns the images that peer `index` sees."""
        return images if len(images.shape) == 4 else images[:, index % images.shape[1]]
