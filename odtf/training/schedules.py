"""Learning-rate schedules and optimizers, from a config in epochs to Keras objects in steps."""

import inspect

import keras
from keras import ops

from odtf import names
from odtf.errors import UserError
from odtf.training.config_checks import check_optimizer


@keras.saving.register_keras_serializable("odtf")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise from 0 over the first steps, then another schedule, which counts from step 0 all the while.

    Args:
        schedule: the `LearningRateSchedule` that follows.
        steps: int, how many steps the rise takes; step `steps` is the first at the full rate.
    """

    def __init__(self, schedule, steps):
        self.schedule = schedule
        self.steps = int(steps)

    def __call__(self, step):
        share = ops.minimum(ops.cast(step, "float32") / max(1, self.steps), 1.0)
        return share * self.schedule(step) if self.steps else self.schedule(step)

    def get_config(self):
        return {"schedule": keras.saving.serialize_keras_object(self.schedule), "steps": self.steps}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config["schedule"]), config["steps"])


@keras.saving.register_keras_serializable("odtf")
class Restarts(keras.optimizers.schedules.LearningRateSchedule):
    """Schedules one after another, each of which counts from 0.

    Args:
        schedules: list of `LearningRateSchedule`.
        starts: list of int, the step at which each begins; the first is 0.
    """

    def __init__(self, schedules, starts):
        self.schedules = list(schedules)
        self.starts = [int(start) for start in starts]

    def __call__(self, step):
        step = ops.cast(step, "int64")
        rate = self.schedules[0](step)
        for schedule, start in zip(self.schedules[1:], self.starts[1:], strict=True):
            rate = ops.where(step >= start, schedule(ops.maximum(step - start, 0)), rate)
        return rate

    def get_config(self):
        return {"schedules": [keras.saving.serialize_keras_object(s) for s in self.schedules], "starts": self.starts}

    @classmethod
    def from_config(cls, config):
        return cls([keras.saving.deserialize_keras_object(s) for s in config["schedules"]], config["starts"])


@keras.saving.register_keras_serializable("odtf")
class LinearByEpoch(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that is constant, then falls by the same step from epoch to epoch, as if to 0 in the one after the last.

    In epoch e, from 0, it is `rate * (1 - max(0, e + 1 - constant) / (epochs - constant + 1))`, as in pix2pix and
    CycleGAN.

    Args:
        rate: float.
        steps_per_epoch: int.
        constant: number of the epochs before it falls.
        epochs: int, all epochs.
    """

    def __init__(self, rate, steps_per_epoch, constant, epochs):
        self.rate, self.steps_per_epoch = float(rate), int(steps_per_epoch)
        self.constant, self.epochs = float(constant), int(epochs)

    def __call__(self, step):
        epoch = ops.cast(ops.cast(step, "int64") // self.steps_per_epoch, "float32")
        fallen = ops.maximum(0.0, epoch + 1.0 - self.constant) / (max(0.0, self.epochs - self.constant) + 1.0)
        return self.rate * ops.maximum(0.0, 1.0 - fallen)

    def get_config(self):
        return {name: getattr(self, name) for name in ("rate", "steps_per_epoch", "constant", "epochs")}


@keras.saving.register_keras_serializable("odtf")
class Falling(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that is constant up to a step, then falls by the same amount from step to step.

    Behind a `WarmUp` of as many steps it is one cycle: up to the peak, and down from it, both in straight lines.

    Args:
        rate: float, the peak.
        start: int, the last step at the peak.
        end: int, the step at which it has fallen; it stays there.
        final_fraction: float, to which share of the peak it falls.

    Reference:
        Smith, Topin, "Super-Convergence", arXiv 1708.07120; the linear fall is that of cifar10-fast and airbench.
    """

    def __init__(self, rate, start, end, final_fraction=0.0):
        self.rate, self.start, self.end = float(rate), int(start), int(end)
        self.final_fraction = float(final_fraction)

    def __call__(self, step):
        over = ops.cast(step, "float32") - self.start
        share = ops.clip(over / max(1, self.end - self.start), 0.0, 1.0)
        return self.rate * (1.0 - (1.0 - self.final_fraction) * share)

    def get_config(self):
        return {name: getattr(self, name) for name in ("rate", "start", "end", "final_fraction")}


def make_schedule(config, steps_per_epoch, epochs):
    """Returns the learning-rate schedule of a config, in steps.

    Args:
        config: mapping with name ("constant", "piecewise", "cosine", "linear", "one_cycle"), learning_rate,
            warmup_epochs, milestones, factor, final_fraction and restarts, as in `odtf.training.config`.
        steps_per_epoch: int.
        epochs: int, the length of the whole run; a cosine and one cycle end with it, or with the next restart.

    Returns:
        `keras.optimizers.schedules.LearningRateSchedule`.
    """
    starts = [0, *(epoch for epoch in config["restarts"] if 0 < epoch < epochs)]
    lengths = [end - start for start, end in zip(starts, [*starts[1:], epochs], strict=True)]
    schedules = [_make_schedule(config, steps_per_epoch, length) for length in lengths]
    return Restarts(schedules, [round(start * steps_per_epoch) for start in starts]) if starts[1:] else schedules[0]


def _make_schedule(config, steps_per_epoch, epochs):
    schedules = keras.optimizers.schedules
    rate, total = float(config["learning_rate"]), steps_per_epoch * epochs
    warmup = round(config["warmup_epochs"] * steps_per_epoch)
    if config["name"] == "cosine":
        schedule = schedules.CosineDecay(rate, max(1, total), alpha=float(config["final_fraction"]))
    elif config["name"] == "one_cycle":
        schedule = Falling(rate, warmup, total, config["final_fraction"])
    elif config["name"] == "linear":
        schedule = LinearByEpoch(rate, steps_per_epoch, next(iter(config["milestones"]), 0), epochs)
    else:
        milestones = config["milestones"] if config["name"] == "piecewise" else ()
        # Keras keeps the old rate up to and including the boundary; ours drops at the first step of the epoch.
        boundaries = [round(epoch * steps_per_epoch) - 1 for epoch in milestones]
        values = [rate * float(config["factor"]) ** i for i in range(len(boundaries) + 1)]
        schedule = schedules.PiecewiseConstantDecay(boundaries, values) if boundaries else _Constant(rate)
    return WarmUp(schedule, warmup) if warmup else schedule


@keras.saving.register_keras_serializable("odtf")
class _Constant(keras.optimizers.schedules.LearningRateSchedule):
    """One rate for ever; a schedule, so that it can follow a warm-up."""

    def __init__(self, rate):
        self.rate = rate

    def __call__(self, step):
        return ops.convert_to_tensor(self.rate, "float32")

    def get_config(self):
        return {"rate": self.rate}


# Arguments of a Keras optimizer that come from elsewhere in the config, and from where.
_ELSEWHERE = {
    "learning_rate": "config.schedule.learning_rate",
    "weight_decay": "config.weight_decay, which is coupled,",
}


def optimizer_arguments(name):
    """Returns the keys that `config.optimizer` may have beside its name, a list.

    Raises:
        UserError: on an unknown name.
    """
    keys = inspect.signature(_find_optimizer(name)).parameters
    return [key for key in keys if key not in (*_ELSEWHERE, "name", "kwargs")]


def _find_optimizer(name):
    optimizers = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam}
    optimizer = optimizers.get(str(name).lower())
    if optimizer is None:
        known = f"{', '.join(optimizers)}{names.meant(name, optimizers)}"
        raise UserError(f"config.optimizer.name must be one of {known}. Received: {name!r}.")
    return optimizer


def make_optimizer(config, schedule):
    """Returns the Keras optimizer of a config.

    Args:
        config: mapping with "name" ("sgd" or "adam") and arguments of `keras.optimizers.SGD` or `Adam`; not
            weight_decay, which is the method's.
        schedule: `LearningRateSchedule` or float.

    Raises:
        UserError: on an unknown name or argument.
    """
    options = {key: value for key, value in dict(config).items() if key != "name"}
    optimizer, known = _find_optimizer(config["name"]), optimizer_arguments(config["name"])
    for key, value in options.items():
        if key not in known:
            listed = f"its keys are {', '.join(known)}{names.meant(key, known)}"
            hint = f"{_ELSEWHERE[key]} would be right" if key in _ELSEWHERE else listed
            raise UserError(f"config.optimizer: {config['name']} takes no {key}; {hint}. Received: {key}={value!r}.")
    check_optimizer(options)
    try:
        return optimizer(schedule, **options)
    except ValueError as error:
        raise UserError(f"config.optimizer: {error} Received: {options}.") from error
