"""Learning rates of players: those of the method's optimizer, at another factor or pace."""

import inspect

import keras
from keras import ops

ONE_LOSS_SCALE = (
    "mixed_float16 is not supported with several optimizers; use float32 or mixed_bfloat16. Received: mixed_float16."
)


class Derived(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that is made of another one; a subclass keeps its constructor's arguments as attributes.

    Args:
        rate: `LearningRateSchedule` or float.
    """

    def __init__(self, rate):
        self.rate = rate

    def get_config(self):
        arguments = {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}
        return {**arguments, "rate": keras.saving.serialize_keras_object(self.rate)}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "rate": keras.saving.deserialize_keras_object(config["rate"])})


@keras.saving.register_keras_serializable("odtf")
class Scaled(Derived):
    """A learning rate times a factor.

    Args:
        rate: `LearningRateSchedule` or float.
        factor: float.
    """

    def __init__(self, rate, factor):
        super().__init__(rate)
        self.factor = float(factor)

    def __call__(self, step):
        rate = self.rate(step) if callable(self.rate) else self.rate
        return ops.cast(rate, "float32") * self.factor


@keras.saving.register_keras_serializable("odtf")
class Paced(Derived):
    """The learning rate of a player that steps in every n-th step alone: at each, that of the others.

    An optimizer counts its own steps, of which the k-th, from 1, is step number `every` times k.

    Args:
        rate: `LearningRateSchedule` of all steps.
        every: int, as of `Player`.
    """

    def __init__(self, rate, every):
        super().__init__(rate)
        self.every = int(every)

    def __call__(self, step):
        return self.rate((step + 1) * self.every - 1)


def with_rate(optimizer, factor, every=1, timed=None):
    """Returns a new optimizer like another one, its learning rate or schedule multiplied.

    Args:
        optimizer: Keras optimizer; not one that scales the loss.
        factor: float.
        every: int, as of the `Player` that is to have it; a schedule is read at the steps that it takes.
        timed: callable from a schedule to one that is to stand for it, as where the player has a clock of its own; None
            for itself.

    Raises:
        ValueError: if the optimizer scales the loss.
    """
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        raise ValueError(ONE_LOSS_SCALE)
    config = optimizer.get_config()
    rate = config["learning_rate"]
    if isinstance(rate, dict):
        schedule = Scaled(keras.saving.deserialize_keras_object(rate), factor)
        schedule = schedule if timed is None else timed(schedule)
        config["learning_rate"] = Paced(schedule, every) if every > 1 else schedule
    else:
        config["learning_rate"] = factor * rate
    return type(optimizer).from_config(config)
