"""Players: who is trained in a step, by which optimizer, and for what.

One forward pass serves all of them. Each player's gradient is taken of its own objective and for its own variables, all
gradients before any update; so a generator and its discriminator are two players of one step.
"""

import collections.abc
import dataclasses

import keras
import tensorflow as tf
from keras import ops

from odtf.methods.shared.rates import ONE_LOSS_SCALE


@dataclasses.dataclass(frozen=True)
class Player:
    """Variables that are not trained as the rest of a method.

    Attributes:
        name: for messages.
        variables: list of trainable `keras.Variable`.
        optimizer: `keras.optimizers.Optimizer`; None: the one of `compile`.
        weight_decay: float, coupled; None: that of `compile`.
        terms: tuple of names of the loss terms that it minimises, or of what they begin with; None: all that no player
            names.
        every: int; it steps in every so many-th step alone, first in step number `every`.
        when: callable `when(targets, outputs, terms)` that returns a bool scalar tensor; it steps where that is true on
            all replicas. None: always.
        counts: what its optimizer counts, by which a schedule goes and Adam corrects its moments: "all" steps of the
            run, or its "own", in which it has a gradient and does not pause. None: all steps, but for pauses.

    Raises:
        ValueError: if it does not step in every step, and has no optimizer of its own.
    """

    name: str
    variables: list
    optimizer: keras.optimizers.Optimizer | None = None
    weight_decay: float | None = None
    terms: tuple | None = None
    every: int = 1
    when: collections.abc.Callable | None = None
    counts: str | None = None

    def __post_init__(self):
        if self.every < 1:
            raise ValueError(f"A player steps in every n-th step, n at least 1. Received: every={self.every}.")
        if self.counts not in (None, "all", "own"):
            raise ValueError(f'An optimizer counts "all" steps or its "own". Received: counts={self.counts!r}.')
        if (self.pauses or self.counts) and self.optimizer is None:
            raise ValueError(
                f"A player that does not step in every step needs an optimizer of its own. Received: {self.name}."
            )

    @property
    def pauses(self):
        """Whether there may be steps in which it does not step."""
        return self.every > 1 or self.when is not None


class Update:
    """The gradients of all players and the steps of their optimizers.

    Args:
        optimizer: the optimizer of everything that no player gives another one. Its iterations count the steps.
        variables: list of all trainable variables.
        weight_decay: float, of everything that no player gives another one.
        players: list of `Player`; no variable in two of them. What is in none is trained with `optimizer`, for all
            terms that no player names.
        decay_factors: dict from the identities of variables to what the decay that they have is multiplied by.

    Attributes:
        variables: as given.
        optimizers: list of all optimizers, that of the method first.

    Raises:
        ValueError: if a player's variable is not trainable or in two of them, or players with optimizers of their own
            meet a loss scale, which they would not know.
    """

    def __init__(self, optimizer, variables, weight_decay, players, decay_factors=None):
        self.variables = variables
        self._decays = [weight_decay] * len(variables)
        self._terms = [None] * len(variables)
        owner = self._claim(players)
        self._decays = [d * (decay_factors or {}).get(id(v), 1.0) for d, v in zip(self._decays, variables, strict=True)]
        self.optimizers = [optimizer]
        for player in players:
            if player.optimizer is not None and all(player.optimizer is not known for known in self.optimizers):
                self.optimizers.append(player.optimizer)
        if len(self.optimizers) > 1 and isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            raise ValueError(ONE_LOSS_SCALE)
        self._members = []
        for current in self.optimizers:
            members = [i for i in range(len(variables)) if (owner.get(i) or optimizer) is current]
            # Slots are made here, under the strategy's scope, since a step inside `strategy.run` cannot make them.
            current.build([variables[i] for i in members])
            self._members.append(members)
        self._counts_own = [any(p.counts == "own" and p.optimizer is each for p in players) for each in self.optimizers]
        self._pausing = [player for player in players if player.pauses]
        for player in self._pausing:
            if sum(other.optimizer is player.optimizer for other in players) > 1:
                raise ValueError(
                    "A player that does not step in every step shares its optimizer with no other. "
                    f"Received: {player.name}."
                )

    def _claim(self, players):
        """Notes decays and terms of the players' variables; returns position -> optimizer of those in a player."""
        position = {id(v): i for i, v in enumerate(self.variables)}
        owner = {}
        for player in players:
            for v in player.variables:
                index = position.get(id(v))
                if index is None or index in owner:
                    raise ValueError(f"A player's variables are trainable, and in no other. Received: {v.path}.")
                owner[index] = player.optimizer
                self._terms[index] = player.terms
                if player.weight_decay is not None:
                    self._decays[index] = player.weight_decay
        return owner

    def resting(self, step):
        """Returns the names of the players that do not step in a step whatever comes, a frozenset.

        Args:
            step: int, its number from 1.

        Returns:
            None where all players may step in every step.
        """
        paced = [player for player in self._pausing if player.every > 1]
        return frozenset(player.name for player in paced if step % player.every) if paced else None

    def variables_of(self, names):
        """Returns the identities of the variables of the named players that pause, a set."""
        return {id(v) for player in self._pausing if player.name in names for v in player.variables}

    @property
    def has_several_objectives(self):
        """Whether not all players minimise the same."""
        return len(set(self._terms)) > 1

    def objectives(self, terms):
        """Adds up what is minimised: a dict from the terms that players name, None for the rest, to a scalar tensor.

        Args:
            terms: dict from the name of every term to its mean, a scalar tensor.

        Returns:
            Of those who name terms that are not there, as in a phase of training that has none for them, nothing.
        """
        named = [key for key in dict.fromkeys(self._terms) if key is not None]
        found = {key: [value for name, value in terms.items() if name.startswith(key)] for key in named}
        found[None] = [value for name, value in terms.items() if not any(name.startswith(key) for key in named)]
        return {key: sum(values) for key, values in found.items() if values and key in self._terms}

    def gradients(self, tape, objectives, waiting=frozenset()):
        """Returns the gradient of every trainable variable, of its player's objective alone; None where there is none.

        Args:
            tape: `tf.GradientTape`, persistent where there are several objectives.
            objectives: what `objectives` returned, scaled.
            waiting: identities of variables that get none.
        """
        waits = [id(v) in waiting for v in self.variables]
        found = [None] * len(self.variables)
        for key, objective in objectives.items():
            members = [i for i, terms in enumerate(self._terms) if terms == key and not waits[i]]
            if not members:
                continue
            gradients = tape.gradient(objective, [self.variables[i].value for i in members])
            for i, gradient in zip(members, gradients, strict=True):
                found[i] = gradient
        return found

    def regularized(self, gradients, scale=1.0):
        """Adds the gradients of the variables' own regularizers.

        As with the weight decay, a variable without a gradient stays as it is.

        Args:
            gradients: list of tensors or None, for the variables in order.
            scale: what the loss was multiplied by; the regularizers are, too.

        Returns:
            The gradients, and a dict of "regularization": their sum, a scalar; empty where there is none.
        """
        gradients, penalties = list(gradients), []
        for i, (gradient, v) in enumerate(zip(gradients, self.variables, strict=True)):
            if gradient is not None and v.regularizer is not None:
                with tf.GradientTape() as tape:
                    penalty = v.regularizer(v)
                gradients[i] = gradient + scale * tape.gradient(penalty, v.value)
                penalties.append(penalty)
        return gradients, {"regularization": sum(penalties)} if penalties else {}

    def apply(self, gradients, scale, forward_pass=(), when=(), resting=None):
        """Adds the weight decay to the gradients and steps every optimizer.

        A variable without a gradient stays as it is, decay and momentum included, as in PyTorch: what a phase of
        training leaves out of its loss is not trained in it.

        Args:
            gradients: list of tensors or None, for the variables in order, of the loss times `scale`.
            scale: what the loss was multiplied by; the decay is, too.
            forward_pass: nest of tensors, all that the forward pass computed: no variable changes before they are
                there, neither here nor in anything that reads what changes here.
            when: the arguments of `Player.when`; of need where a player has one.
            resting: what `resting` returned of this step, whose gradients are None; None where its number is not known
                beforehand.
        """
        decayed = [
            g if g is None or not decay else g + decay * scale * v
            for g, v, decay in zip(gradients, self.variables, self._decays, strict=True)
        ]
        rest = [player for player in self._pausing if player.name in (resting or ())]
        unsure = [p for p in self._pausing if p not in rest and (resting is None or p.when is not None)]
        pauses = [(player, self._steps(player, when), _values(player)) for player in unsure]
        uncounted = [player.optimizer for player in rest if player.counts != "all"]
        before = [(steps, values) for _, steps, values in pauses]
        # Every gradient waits by itself. A `tf.function` orders what reads a variable before what assigns to it, but
        # Keras passes all gradients through one IdentityN (its all-reduce, also of one replica), so that all that comes
        # after the optimizer seems to wait for the whole step: TensorFlow's dependency optimizer drops those orders as
        # redundant, then the IdentityN, and nothing is left of them. A moving average of weights would move before or
        # after the forward pass has read it, as the threads happen to run.
        computed = tf.nest.flatten((forward_pass, before))
        with tf.control_dependencies(computed):
            decayed = [g if g is None else tf.identity(g) for g in decayed]
        for optimizer, members, counts_own in zip(self.optimizers, self._members, self._counts_own, strict=True):
            pairs = [(decayed[i], self.variables[i]) for i in members if decayed[i] is not None]
            if pairs:
                optimizer.apply_gradients(pairs)
            elif not counts_own and all(optimizer is not each for each in uncounted):
                # Its iterations count the steps all the same: a schedule goes by them.
                with tf.control_dependencies(computed):
                    optimizer.iterations.assign_add(1)
        for player, steps, values in pauses:
            _take_back(player, steps, values)

    def _steps(self, player, when):
        """Returns whether a player steps, a bool scalar tensor that is the same on all replicas."""
        steps = ops.equal((self.optimizers[0].iterations + 1) % player.every, 0)
        if player.when is None:
            return steps
        wish = ops.cast(player.when(*when), "float32")
        context = tf.distribute.get_replica_context()
        return ops.logical_and(steps, context.all_reduce(tf.distribute.ReduceOp.MEAN, wish) > 0.999)


def mean_over_replicas(values):
    """Returns the mean over all replicas of every tensor of a nest; inside of a step."""
    context = tf.distribute.get_replica_context()
    return tf.nest.map_structure(lambda value: context.all_reduce(tf.distribute.ReduceOp.MEAN, value), values)


def _values(player):
    """Returns the present values of all that a step of a player changes."""
    return [tf.identity(v.value) for v in _changed(player)]


def _changed(player):
    kept = player.optimizer.iterations if player.counts == "all" else None
    return [*player.variables, *(v for v in player.optimizer.variables if v is not kept)]


def _take_back(player, steps, values):
    """Gives everything that a step has changed its former value, unless the player steps.

    A step that is made and taken back costs what a step costs, and works in one graph on any number of replicas; a
    condition around an optimizer does not.
    """

    def restore(variable, steps, value):
        variable.assign(tf.where(steps, variable, value))

    def across_replicas(strategy, steps, *values):
        for v, value in zip(_changed(player), values, strict=True):
            strategy.extended.update(v.value, restore, args=(steps, value), group=False)

    tf.distribute.get_replica_context().merge_call(across_replicas, args=(steps, *values))
