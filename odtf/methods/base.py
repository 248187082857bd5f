"""The base of every method: a cohort is one Keras model; what a method defines of it, and its forward pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import tensorflow as tf

from odtf.methods.shared.divergence import KL, Divergence
from odtf.methods.shared.held_out import Evaluation
from odtf.methods.shared.keras_loops import KerasLoops
from odtf.methods.shared.reached import Reached
from odtf.methods.shared.saved import Saved
from odtf.methods.shared.training_step import TrainingStep
from odtf.tasks import Classification

if TYPE_CHECKING:
    from typing import Any

    from odtf.tasks import Task


class Method(TrainingStep, KerasLoops, Evaluation, Saved, keras.Model):
    """A cohort of peers, the online teacher built from them, and what they minimise together.

    A subclass builds its peers in the constructor and returns the named terms of its loss from `loss_terms`; if it has
    a teacher, `call_teacher` computes it from the peers' outputs. Everything else is here and in the parts: the step in
    `TrainingStep`, how a cohort is evaluated in `Evaluation`, what Keras' own methods do with it in `KerasLoops`, and
    how it is saved in `Saved`.

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
        self._forwards: dict[Any, Any] = {}
        self._step_function = self._sums_function = None
        self.forget_loops()
        self.reached = Reached()
        # Every part is a functional model, built by now; Keras need not trace a batch to learn the shapes.
        self.built = True

    # What a method defines ------------------------------------------------------------------------------------------

    def call_teacher(self, outputs, training):
        """Returns the teacher's taps (at least its answer) from the peers' outputs, or None if there is no teacher.

        Args:
            outputs: dict from a peer's name to its dict of taps.
            training: bool.
        """
        return None

    def loss_terms(self, targets, outputs):
        """Returns the named terms of the loss, each a float32 tensor `[batch]`; the loss is the sum of their means.

        Args:
            targets: targets of the batch, as the task has them: integer labels `[batch]` in classification.
            outputs: what `call` returned: a dict from the name of each peer, and "teacher", to its dict of taps.
        """
        raise NotImplementedError

    def players(self):
        """Returns a list of `Player`: the variables with an objective, an optimizer or a weight decay of their own.

        What is in none of them is trained by the optimizer of `compile`, for all terms that no player names.
        """
        return []

    def after_step(self, targets, outputs):
        """Runs after the optimizers, inside the step and on every replica: moving averages belong here.

        Args:
            targets: targets of the batch.
            outputs: what `call` returned.
        """

    def waiting(self):
        """Returns a list of the trainable variables that wait in this phase: they get no gradient, and stay as are."""
        return []

    def follow(self, pairs, decay):
        """Moves averages one step, inside `after_step`: average <- decay * average + (1 - decay) * variable.

        Args:
            pairs: iterable of (average, variable), both `keras.Variable` of one shape.
            decay: float or float32 scalar tensor in [0, 1].
        """
        pairs = list(pairs)
        self.reached.follow(pairs)
        pairs = [(average.value, variable.value) for average, variable in pairs]

        def move(average, variable, decay):
            average.assign(decay * average + (1.0 - decay) * variable)

        def across_replicas(strategy, decay):
            for average, variable in pairs:
                strategy.extended.update(average, move, args=(variable, decay), group=False)

        # The copies that replicas hold of one variable are assigned to together, or they would drift apart.
        tf.distribute.get_replica_context().merge_call(across_replicas, args=(decay,))

    def phase_at(self, epoch):
        """Returns the phase of training that an epoch belongs to, a pure function of its 0-based number.

        A method that trains in stages reads `self.phase` wherever the stages differ (which variables are trainable,
        which terms there are); the step is traced anew for every phase.
        """
        return 0

    def before_training(self, batch):
        """Runs once before the first step of a run, in odtf's loop: what a method fits to the data.

        What it changes must be variables of the model, so that checkpoints hold it.

        Args:
            batch: callable from the number of a step, from 0, to its images and targets.
        """

    def enter_phase(self, phase):
        """Runs once when training crosses into a phase, outside the step; not when a run resumes within it.

        What it changes must be variables of the model, so that checkpoints hold it.
        """

    @property
    def students(self):
        """Names of the peers that the student is chosen from; all of them, where none is there only to teach."""
        return tuple(self.peers)

    @property
    def selection(self):
        """The metric that validation chooses by: "NAME/metric" among the values of a split."""
        return self.task.choice

    def extra_values(self, split, examples):
        """Returns what else there is to say of a split: "NAME/metric" -> float.

        It is logged with the metrics; what belongs to a peer or the teacher stands in report.json beside them.

        Args:
            split: "validation" or "test".
            examples: callable from the name of any split to a finite dataset of (images, targets, weights), in order
                and not augmented; see `collect`.
        """
        return {}

    def held_out_sums(self, targets, outputs, weights):
        """Returns further sums over held-out examples, name -> scalar; `evaluate` makes means of them.

        Args:
            targets: targets of the batch.
            outputs: what `call` returned for inference.
            weights: float32 tensor `[batch]`: 0 for padding, else 1.
        """
        return {}

    def after_validation(self, values):
        """Runs after each validation with its means, outside the step: what a method learns from held-out data.

        Args:
            values: dict of floats, those of `held_out_sums` among them.
        """

    def complete(self, outputs, training):
        """Returns what `call` returned with what there is for the losses alone, beside the taps of the networks.

        `call` does so in training; in inference it is asked for where the loss of held-out examples is wanted.

        Args:
            outputs: dict from the name of each peer, and "teacher", to its dict of taps.
            training: bool.
        """
        return outputs

    def with_targets(self, outputs, targets, training):
        """Returns outputs with what there is for the losses alone that needs the targets: what networks make of them.

        A step asks for it after the forward pass, under the same tape.

        Args:
            outputs: what `call` or `complete` returned.
            targets: targets of the batch.
            training: bool.
        """
        return outputs

    def answer(self, taps):
        """Returns what a network, or the teacher, answers: the tap of the task's output among its taps."""
        return taps[self.task.output]

    def answers(self, outputs):
        """Returns the answer of everything in `outputs` that has one, by name."""
        return {name: self.answer(taps) for name, taps in outputs.items() if self.task.output in taps}

    def distil(self, targets, teacher, student, temperature=1.0):
        """Returns the divergence of a student's answer from a teacher's, by `config.method.divergence`: `[batch]`.

        Nothing is detached here: the method says which side is a constant.

        Args:
            targets: targets of the batch.
            teacher: tensor `[batch, ...]`.
            student: tensor of the same shape; of any, where the task is `relational`.
            temperature: positive float.
        """
        return self.divergence(self, targets, teacher, student, temperature)

    # What a comparison asks -----------------------------------------------------------------------------------------

    @classmethod
    def epochs_of(cls, options, networks, epochs):
        """Returns in which epochs of a run each of its networks learns: a dict from its name to (first, end).

        A pure function of the config, so that the same network alone can be given the same epochs. Networks that do not
        learn themselves (averages of others, or made of several) are not in it.

        Args:
            options: dict, `config.method` without its name.
            networks: dict from the name of every peer to its specification; a list of them where it is made of several.
            epochs: int, how many the whole run has.
        """
        return {name: (0, epochs) for name, network in networks.items() if not isinstance(network, list)}

    @classmethod
    def rate_of(cls, options, name, rate):
        """Returns the learning rate of a network, where that of the run is `rate`; see `epochs_of`."""
        return rate

    def schedule_epochs(self, epochs):
        """Returns over how many epochs the learning rate of a run of so many goes, where the method has its own time.

        Args:
            epochs: int, how many the run has.
        """
        return epochs

    # The forward pass -----------------------------------------------------------------------------------------------

    def call(self, images, training=False):
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
    def view(images, index):
        """Returns the images that peer `index` sees."""
        return images if len(images.shape) == 4 else images[:, index % images.shape[1]]
