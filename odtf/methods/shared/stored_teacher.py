"""A teacher as it was at its best: a copy, judged at the end of its turns, from which the student learns."""

import keras
import numpy as np
from keras import ops

from odtf import metrics
from odtf.errors import UserError

DIRECTIONS = ("either_direction", "own_direction")


class StoredTeacher:
    """A copy of a generator, taken anew whenever it validates better than ever.

    Args:
        cohort: the `Method`, unpaired; it holds the best values as its variables.
        generator: the network that learns, a peer of the cohort.
        network: one of the same form, the copy. No step trains it; it may still run by the statistics of the batch.
        back: the generator of the other direction.
        chosen_by: "own_direction": it is stored where its own value is the best so far. "either_direction": also where
            that of the other direction is, as the released code of online multi-granularity distillation does.

    Raises:
        ValueError: on another `chosen_by`.
    """

    def __init__(self, cohort, generator, network, back, chosen_by):
        if chosen_by not in DIRECTIONS:
            raise ValueError(f"best_teacher is {' or '.join(DIRECTIONS)}. Received: {chosen_by!r}.")
        self._cohort, self._generator, self.network, self._back = cohort, generator, network, back
        self.metric = cohort.task.choice
        self._better = cohort.task.metrics[self.metric].better
        worst = keras.initializers.Constant(float("inf") if self._better is min else float("-inf"))
        names = [generator.name, back.name] if chosen_by == "either_direction" else [generator.name]
        state = {"initializer": worst, "trainable": False, "autocast": False, "dtype": "float32"}
        self._best = {name: cohort.add_weight(shape=(), name=f"{name}_best", **state) for name in names}
        # Variable by variable: a frozen layer would normalise by its moving statistics.
        for variable in network.trainable_variables:
            variable.trainable = False
        self._copy()

    def judge(self, values):
        """Stores the generator if it, or what else decides, validates better than ever.

        Args:
            values: dict of floats, what validation found, "NAME/METRIC" -> value.

        Raises:
            UserError: if a value is missing.
        """
        improved = False
        for name, best in self._best.items():
            if f"{name}/{self.metric}" not in values:
                raise UserError(
                    "The teacher is stored by values of both directions, which odtf's loop has, and not fit; "
                    f"best_teacher='own_direction' would do there. Received: no {name}/{self.metric}."
                )
            value, before = float(np.float32(values[f"{name}/{self.metric}"])), float(best.numpy())
            if value != before and self._better(value, before) == value:
                best.assign(value)
                improved = True
        if improved:
            self._copy()

    def _copy(self):
        for mine, its in zip(self.network.variables, self._generator.variables, strict=True):
            mine.assign(its.numpy())

    def check(self):
        """Refuses to teach before anything was stored.

        Raises:
            UserError: if no validation has judged the teacher.
        """
        if not any(np.isfinite(best.numpy()) for best in self._best.values()):
            raise UserError(
                "A student learns from its teacher as validation found it best: fit needs validation_data, and an "
                "epoch of the teacher's before. Received: no value of the teacher."
            )

    def value_back(self, examples):
        """Returns the value of the other direction, "NAME/METRIC" -> float; empty where it does not decide.

        Args:
            examples: finite dataset of (images, targets, weights), in order and not augmented.
        """
        if self._back.name not in self._best:
            return {}
        task, back = self._cohort.task, self._back
        known = {self.metric: task.metrics[self.metric]}

        def swapped():
            # The other way round: pictures are what is translated, and images what should come.
            for images, targets, weights in examples:
                wanted = ops.cast(ops.round(127.5 * (images + 1.0)), "uint8")
                yield task.real(targets), {"picture": wanted, "counted": targets["counted"][:, ::-1]}, weights

        found = metrics.evaluate(self._cohort.forward(back, task.output), swapped(), known)
        return {f"{back.name}/{name}": value for name, value in found.items()}
