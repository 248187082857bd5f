"""Groups of variables that are trained differently: a weight decay, or an optimizer, of their own."""

import dataclasses

import keras
import tensorflow as tf
from keras import ops

ONE_LOSS_SCALE = (
    "mixed_float16 is not supported with several optimizers; use float32 or mixed_bfloat16. Received: mixed_float16."
)


@dataclasses.dataclass(frozen=True)
class Group:
    """Variables that are not trained as the rest of a method.

    Attributes:
        variables: list of trainable `keras.Variable`.
        weight_decay: float, coupled; None: the method's.
        optimizer: `keras.optimizers.Optimizer`; None: the one of `compile`.
    """

    variables: list
    weight_decay: float | None = None
    optimizer: keras.optimizers.Optimizer | None = None


@keras.saving.register_keras_serializable("odtf")
class Scaled(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate times a factor.

    Args:
        rate: `LearningRateSchedule` or float.
        factor: float.
    """

    def __init__(self, rate, factor):
        self.rate = rate
        self.factor = float(factor)

    def __call__(self, step):
        rate = self.rate(step) if callable(self.rate) else self.rate
        return ops.cast(rate, "float32") * self.factor

    def get_config(self):
        return {"rate": keras.saving.serialize_keras_object(self.rate), "factor": self.factor}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config["rate"]), config["factor"])


def with_rate(optimizer, factor):
    """Returns a new optimizer like another one, its learning rate or schedule multiplied.

    Args:
        optimizer: Keras optimizer; not one that scales the loss.
        factor: float.

    Raises:
        ValueError: if the optimizer scales the loss.
    """
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        raise ValueError(ONE_LOSS_SCALE)
    config = optimizer.get_config()
    rate = config["learning_rate"]
    if isinstance(rate, dict):
        config["learning_rate"] = Scaled(keras.saving.deserialize_keras_object(rate), factor)
    else:
        config["learning_rate"] = factor * rate
    return type(optimizer).from_config(config)


class Update:
    """Applies gradients group by group.

    Args:
        optimizer: the optimizer of everything that no group gives another one.
        variables: list of all trainable variables.
        weight_decay: float, of everything that no group gives another one.
        groups: list of `Group`; no variable in two of them.

    Raises:
        ValueError: if a group's variable is not trainable or in two groups, or groups with optimizers of their own meet
            a loss scale, which they would not know.
    """

    def __init__(self, optimizer, variables, weight_decay, groups):
        self._variables = variables
        self._decays = [weight_decay] * len(variables)
        position = {id(v): i for i, v in enumerate(variables)}
        owner = {}
        for group in groups:
            for v in group.variables:
                index = position.get(id(v))
                if index is None or index in owner:
                    raise ValueError(f"A group's variables are trainable, and in no other group. Received: {v.path}.")
                owner[index] = group.optimizer
                if group.weight_decay is not None:
                    self._decays[index] = group.weight_decay
        self.optimizers = [optimizer]
        self._members = []
        for other in (group.optimizer for group in groups):
            if other is not None and all(other is not known for known in self.optimizers):
                self.optimizers.append(other)
        if len(self.optimizers) > 1 and isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            raise ValueError(ONE_LOSS_SCALE)
        for current in self.optimizers:
            members = [i for i in range(len(variables)) if (owner.get(i) or optimizer) is current]
            # Slots are made here, under the strategy's scope, since a step inside `strategy.run` cannot make them.
            current.build([variables[i] for i in members])
            self._members.append(members)

    def apply(self, gradients, scale, forward_pass=()):
        """Adds the weight decay to the gradients and steps every optimizer.

        A variable without a gradient stays as it is, decay and momentum included, as in PyTorch: what a phase of
        training leaves out of its loss is not trained in it.

        Args:
            gradients: list of tensors or None, for the variables in order, of the loss times `scale`.
            scale: what the loss was multiplied by; the decay is, too.
            forward_pass: nest of tensors, all that the forward pass computed: no variable changes before they are
                there, neither here nor in anything that reads what changes here.
        """
        decayed = [
            g if g is None or not decay else g + decay * scale * v
            for g, v, decay in zip(gradients, self._variables, self._decays, strict=True)
        ]
        # Every gradient waits by itself. A `tf.function` orders what reads a variable before what assigns to it, but
        # Keras passes all gradients through one IdentityN (its all-reduce, also of one replica), so that all that comes
        # after the optimizer seems to wait for the whole step: TensorFlow's dependency optimizer drops those orders as
        # redundant, then the IdentityN, and nothing is left of them. A moving average of weights would move before or
        # after the forward pass has read it, as the threads happen to run.
        with tf.control_dependencies(tf.nest.flatten(forward_pass)):
            decayed = [g if g is None else tf.identity(g) for g in decayed]
        for optimizer, members in zip(self.optimizers, self._members, strict=True):
            pairs = [(decayed[i], self._variables[i]) for i in members if decayed[i] is not None]
            if pairs:
                optimizer.apply_gradients(pairs)
