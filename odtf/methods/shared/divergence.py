"""The divergence of a student's answer from a teacher's: what `config.method.divergence` says, for every method."""

import collections.abc

from keras import ops

from odtf.losses import dist, dkd, standardized_kl

# The name of the task's own distillation, and what the others have as options beside those of `_COMMON`.
KL = "kl"
OPTIONS = {
    KL: {"reduction": "batchmean"},
    "standardized": {},
    "dkd": {"alpha": 1.0, "beta": 8.0, "warmup_epochs": 20.0},
    "dist": {"beta": 1.0, "gamma": 1.0},
}
_COMMON = {"weight": 1.0, "aggregate": "logits"}
_WORDS = {"reduction": ("batchmean", "elementmean"), "aggregate": ("logits", "probabilities")}


class Divergence:
    """A divergence with its options; which side of it is a constant is the method's to say.

    The temperature and all weights of a method hold for each of them. By name, with their options:

    * "kl": the task's own `distil`, T^2 KL(p_teacher || p_student) in classification. `reduction`: "batchmean" (the sum
      over classes), or "elementmean" (their mean, which PyTorch has by default).
    * "standardized": `odtf.losses.standardized_kl`.
    * "dkd": `odtf.losses.dkd`, with `alpha` and `beta`; it needs labels. It is multiplied by min(e / warmup_epochs, 1),
      e the epoch, 0-based, since the phase of training began; `warmup_epochs` is 20.
    * "dist": `odtf.losses.dist`, with `beta` and `gamma`.

    All have `weight`, a factor, 1 by default. Where a target is a weighted mean of several answers, `aggregate` says
    whether it is of their "logits" or of their "probabilities" at the temperature.

    Args:
        said: the name; or a mapping with it as "name", and options.
        task: `odtf.tasks.Task`.
        aggregates: bool, whether the method has such means.

    Attributes:
        name: as above.
        is_default: whether it is what every method has where nothing is said.
        used: whether a loss has asked for it.

    Raises:
        ValueError: if the name or an option is unknown, an option out of range, or the task has no class scores.
    """

    def __init__(self, said, task, aggregates=False):
        options = dict(said) if isinstance(said, collections.abc.Mapping) else {"name": said}
        self.name = options.pop("name", None)
        if not isinstance(self.name, str) or self.name not in OPTIONS:
            raise ValueError(f"divergence must be one of {', '.join(OPTIONS)}. Received: {said!r}.")
        if self.name not in (KL, *task.divergences):
            known = ", ".join((KL, *task.divergences))
            raise ValueError(
                f"The divergence {self.name!r} compares class scores: {known}, the task's own distillation, would be "
                f"right. Received: the task {task.name!r}."
            )
        common = _COMMON if aggregates else {key: value for key, value in _COMMON.items() if key != "aggregate"}
        self.options = {**OPTIONS[self.name], **common}
        self._given = {}
        for key, value in options.items():
            if key not in self.options:
                raise ValueError(f"The divergence {self.name!r} takes {', '.join(self.options)}. Received: {key!r}.")
            self._set(key, value, f"divergence.{key}")
        self.is_default = self.name == KL and not options
        self.used = False

    def take(self, **arguments):
        """Takes options that a method has as arguments of its own, which came before there were others.

        Args:
            **arguments: an option, as "kl_reduction" or "aggregate", to its value; None: it is not given.

        Raises:
            ValueError: if a value is out of range, or the divergence says otherwise.
        """
        for argument, value in arguments.items():
            key = argument.removeprefix("kl_")
            if value is None:
                continue
            if key not in self.options:
                if value != OPTIONS[KL].get(key):
                    raise ValueError(f"{argument} is of the divergence 'kl'. Received: {value!r} with {self.name!r}.")
                continue
            if self._given.get(key, value) != value:
                raise ValueError(
                    f"{argument} and {key} of the divergence are one. Received: {value!r} and {self._given[key]!r}."
                )
            self._set(key, value, argument)

    def _set(self, key, value, title):
        words = _WORDS.get(key)
        if words and value not in words:
            raise ValueError(f"{title} must be {words[0]!r} or {words[1]!r}. Received: {value!r}.")
        number = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")
        if not words and not number:
            raise ValueError(f"{title} must be a number, 0 or more. Received: {value!r}.")
        self.options[key] = self._given[key] = value

    @property
    def needs_labels(self):
        """Whether it has a meaning only where every image has labels."""
        return self.name == "dkd"

    def __call__(self, method, targets, teacher, student, temperature=1.0):
        """Returns the divergence, a float32 tensor `[batch]`; see `Method.distil`.

        Args:
            method: `odtf.methods.Method`, which knows the task and the epoch.
            targets, teacher, student, temperature: as for `Method.distil`.
        """
        self.used = True
        own = {key: value for key, value in self.options.items() if key not in _COMMON}
        value = _VALUES[self.name](method, targets, teacher, student, temperature, **own)
        weight = self.options["weight"]
        return value if weight == 1.0 else weight * value

    def mean(self, logits, weights, temperature):
        """Returns the logits of a weighted mean: of logits, or of the probabilities that they stand for.

        Args:
            logits: list of tensors `[batch, classes]`.
            weights: as many numbers or tensors `[batch, 1]`, of sum 1.
            temperature: float, at which probabilities are those of a mean.
        """
        if self.options["aggregate"] == "logits":
            return sum(w * z for w, z in zip(weights, logits, strict=True))
        softened = [ops.softmax(z / temperature) for z in logits]
        probabilities = sum(w * p for w, p in zip(weights, softened, strict=True))
        return temperature * ops.log(ops.maximum(probabilities, 1e-30))


def _distil(method, targets, teacher, student, temperature, reduction):
    value = method.task.distil(teacher, student, temperature)
    return value if reduction == "batchmean" else (1.0 / student.shape[-1]) * value


def _standardized(method, targets, teacher, student, temperature):
    return standardized_kl(teacher, student, temperature)


def _dkd(method, targets, teacher, student, temperature, alpha, beta, warmup_epochs):
    (target,) = method.task.targets.values()
    value = dkd(targets, teacher, student, temperature, alpha, beta, ignore=target.ignore)
    if not warmup_epochs:
        return value
    return ops.clip((method.epoch - method.phase_began) / warmup_epochs, 0.0, 1.0) * value


def _dist(method, targets, teacher, student, temperature, beta, gamma):
    return dist(teacher, student, temperature, beta, gamma)


_VALUES = {KL: _distil, "standardized": _standardized, "dkd": _dkd, "dist": _dist}
