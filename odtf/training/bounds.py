"""The values that a key of a config may have: one table, in words and as a predicate. Nothing here imports TensorFlow.

A value beyond a bound is out of any sense: it would end in a traceback, never end, or leave a network untrained. What
depends on the data, or on what a part names, is judged by those.
"""

import collections.abc
import math
import numbers
import os
import typing

import ml_collections

from odtf import names

_LARGEST = 2**31 - 1
_EPOCHS = 100_000


class Bound(typing.NamedTuple):
    """What is right for a key: `wanted` says it after "must be", `holds` is a predicate of a value.

    `names` are the texts that it may be, if it is one of some.
    """

    wanted: str
    holds: collections.abc.Callable
    names: tuple = ()

    def wanted_for(self, value):
        """Returns `wanted`, and which of the names was likely meant by a value."""
        return self.wanted + (names.meant(value, self.names) if isinstance(value, str) else "")


def is_number(value):
    """Whether a value is a finite number; a bool is none."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    return isinstance(value, int) or math.isfinite(value)


def integer(low, high=_LARGEST, optional=False):
    """Returns the bound of integers from `low` to `high`; `optional`: None is right too."""
    either = "None or " if optional else ""
    wanted = f"{either}an integer of at least {low}, and at most {high:,}"
    return Bound(wanted, lambda v: (optional and v is None) or (type(v) is int and low <= v <= high))


def number(low, high, *, above=False, below=False, optional=False):
    """Returns the bound of numbers from `low` to `high`; `above` and `below` exclude the ends."""
    either = "None or " if optional else ""
    if low == 0 and not below:
        wanted = f"a {'positive ' if above else ''}number{'' if above else ', 0 or more'}, and at most {high:g}"
    elif above and below:
        wanted = f"a number between {low:g} and {high:g}, both excluded"
    else:
        wanted = f"a number in {'(' if above else '['}{low:g}, {high:g}{')' if below else ']'}"

    def holds(v):
        if optional and v is None:
            return True
        return is_number(v) and (v > low if above else v >= low) and (v < high if below else v <= high)

    return Bound(f"{either}{wanted}", holds)


def one_of(*values):
    """Returns the bound of some texts."""
    *others, last = values
    return Bound(f"one of {', '.join(others)} or {last}", lambda v: isinstance(v, str) and v in values, values)


SWITCH = Bound("True or False", lambda v: isinstance(v, bool))
_PATH = Bound("None or a path", lambda v: v is None or (isinstance(v, str) and _is_path(v)))
_NAMED = Bound(
    "a mapping with a name", lambda v: isinstance(v, ml_collections.ConfigDict) and isinstance(v.get("name"), str)
)


def _is_path(text):
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:  # A lone half of a character, as a file's name cannot have it.
        return False


def _is_list(value):
    return isinstance(value, (tuple, list))


def _are_epochs(value):
    return _is_list(value) and all(map(is_number, value)) and list(value) == sorted({n for n in value if n >= 0})


def _is_size(value):
    sides = value if _is_list(value) else (value, value)
    return value is None or (len(sides) == 2 and all(type(side) is int and 1 <= side <= 16384 for side in sides))


def _per_channel(low, high):
    """Returns a predicate of None, a number, or one for each channel, in [low, high]."""

    def holds(value):
        values = value if _is_list(value) else (value,)
        return value is None or (len(values) > 0 and all(is_number(v) and low <= v <= high for v in values))

    return holds


def _is_span(value):
    """Whether a value is a pair (first, end) of epochs, or None."""
    if value is None:
        return True
    if not _is_list(value) or len(value) != 2:
        return False
    first, end = value
    return type(first) is int and first >= 0 and (end is None or (type(end) is int and end > first))


# Of a key of a domain.
_OF_DOMAIN = {
    "name": lambda v: isinstance(v, str) and v not in ("", "folder:"),
    "images": lambda v: v is None or (type(v) is int and v >= 1),
    "epochs": _is_span,
    "labels": lambda v: isinstance(v, bool),
}


def _are_domains(value):
    return _is_list(value) and all(
        isinstance(domain, collections.abc.Mapping)
        and "name" in domain
        and all(key in _OF_DOMAIN and _OF_DOMAIN[key](domain[key]) for key in domain)
        for domain in value
    )


def _are_sizes(value):
    def is_stage(stage):
        whole = _is_list(stage) and len(stage) in (2, 3) and all(type(v) is int for v in stage)
        return whole and stage[0] >= 0 and all(1 <= side <= 16384 for side in stage[1:])

    if not _is_list(value) or not all(map(is_stage, value)):
        return False
    epochs = [stage[0] for stage in value]
    return not epochs or (epochs[0] == 0 and epochs == sorted(set(epochs)))


_MILESTONES = Bound("a tuple of rising epochs, 0 or more", _are_epochs)

# Every key of `odtf.training.config.default_config` but those that are arguments of what a part names.
BOUNDS = {
    "seed": Bound("an integer from 0 to 2**31 - 1", integer(0).holds),
    "deterministic": SWITCH,
    "batch_size": integer(1, 2**20),
    "epochs": integer(1, _EPOCHS),
    "weight_decay": number(0, 1),
    "precision": one_of("auto", "float32", "mixed_bfloat16", "mixed_float16"),
    "jit": SWITCH,
    "sync_batch_norm": SWITCH,
    "log_every_steps": integer(1),
    "code_dir": _PATH,
    "data.name": Bound(names.data_sets(), _OF_DOMAIN["name"]),
    "data.data_dir": _PATH,
    "data.image_size": Bound("None, one integer, or height and width, each from 1 to 16384", _is_size),
    "data.resize": one_of("stretch", "fit", "crop"),
    "data.channels": Bound("None, 1 or 3", lambda v: v is None or (v in (1, 3) and not isinstance(v, bool))),
    "data.validation_fraction": number(0, 1, above=True, below=True),
    "data.stratify": SWITCH,
    "data.balanced": SWITCH,
    "data.memory_budget_mb": integer(0),
    "data.max_train_examples": integer(1, optional=True),
    "data.skip_corrupt": SWITCH,
    "data.mean": Bound(
        "None, or a number in [0, 1] for each channel: of pixels scaled to [0, 1], not of 0..255", _per_channel(0, 1)
    ),
    "data.std": Bound(
        "None, or a number in [0.001, 1] for each channel: of pixels scaled to [0, 1], not of 0..255",
        _per_channel(0.001, 1),
    ),
    "data.num_views": integer(1, 64),
    "data.domains": Bound(
        "a tuple of mappings, each with a name, and maybe images (at least 1), epochs (first, end) and labels (a bool)",
        _are_domains,
    ),
    "data.augment": Bound("a mapping", lambda v: isinstance(v, ml_collections.ConfigDict)),
    "task": _NAMED,
    "network": _NAMED,
    "method": _NAMED,
    "optimizer": _NAMED,
    "average.name": one_of("none", "ema", "lookahead"),
    "average.decay": number(0, 1, below=True),
    "average.every_steps": integer(1),
    "average.power": number(0, 100),
    "average.norm_batches": integer(1),
    "recipe.norm_bias_rate": number(0, 1000, above=True),
    "recipe.norm_decay": SWITCH,
    "recipe.whitened_stem": SWITCH,
    "recipe.sizes": Bound(
        "a tuple of (epoch, side) or (epoch, height, width), rising by epoch from 0, with sides from 1 to 16384",
        _are_sizes,
    ),
    "init.frozen_epochs": integer(0, _EPOCHS),
    "init.body_rate": number(0, 1000, above=True),
    "schedule.name": one_of("constant", "piecewise", "cosine", "linear", "one_cycle"),
    "schedule.learning_rate": number(0, 1000, above=True),
    "schedule.warmup_epochs": number(0, _EPOCHS),
    "schedule.milestones": _MILESTONES,
    "schedule.factor": number(0, 10, above=True),
    "schedule.final_fraction": number(0, 1),
    "schedule.restarts": _MILESTONES,
    "quantization.aware": SWITCH,
    "quantization.delay_epochs": integer(0, _EPOCHS, optional=True),
    "quantization.freeze_batch_norm_epochs": integer(0, _EPOCHS, optional=True),
    "quantization.range_momentum": number(0, 1, below=True),
    "checkpoint.every_steps": integer(0),
    "checkpoint.keep": integer(1),
    "pictures.every_epochs": integer(0, _EPOCHS),
    "pictures.images": integer(1, 64),
    "compare.alone": SWITCH,
    "compare.recorded": Bound("None or text", lambda v: v is None or isinstance(v, str)),
    "export.targets": Bound("a tuple of names", lambda v: _is_list(v) and all(isinstance(name, str) for name in v)),
    "export.quantization": Bound("the name of a quantisation", lambda v: isinstance(v, str)),
    "export.calibration_examples": integer(1),
}

_CLIP = number(1e-6, 1e6, optional=True)

# Arguments of `config.optimizer`, whichever optimizer takes them.
OF_OPTIMIZER = {
    "momentum": number(0, 1, below=True),
    "nesterov": SWITCH,
    "beta_1": number(0, 1, below=True),
    "beta_2": number(0, 1, below=True),
    "epsilon": number(0, 1, above=True),
    "amsgrad": SWITCH,
    "clipnorm": _CLIP,
    "clipvalue": _CLIP,
    "global_clipnorm": _CLIP,
}

# Arguments that Keras' optimizers take and a run does not: the default, which changes nothing and passes, and why.
REFUSED_OF_OPTIMIZER = {
    "use_ema": (False, "config.average.name=ema averages the weights that are chosen and exported"),
    "ema_momentum": (0.99, "it is of use_ema; config.average has its own"),
    "ema_overwrite_frequency": (None, "it is of use_ema; config.average has its own"),
    "gradient_accumulation_steps": (
        None,
        "schedules, and what else goes by epochs, would be stretched by it; config.batch_size may be larger",
    ),
    "loss_scale_factor": (None, "config.precision=mixed_float16 scales the loss by itself, and nothing else needs it"),
}

# Numbers in the free parts, whose keys are arguments of what the part names, which has more to say of them: by the last
# name of the key; else integers by their part, and all others.
_OF_ARGUMENT = {
    "temperature": Bound("a positive number, from 0.001 to 1000", number(0.001, 1000).holds),
    "num_peers": integer(0, 256),
    "depth": integer(0, 4096),
}
_OF_PART = dict.fromkeys(("network", "method"), integer(-_EPOCHS, _EPOCHS))
_OF_ANY = number(-1e9, 1e9)


def of_argument(key, value):
    """Returns the bound of a number in a free part of a config.

    Args:
        key: such as "method.temperature" or "method.networks.0.width".
        value: the number.
    """
    *parts, last = key.split(".")
    whole = isinstance(value, numbers.Integral)
    if last in _OF_ARGUMENT and (whole or last == "temperature"):
        return _OF_ARGUMENT[last]
    return _OF_PART.get(parts[0], _OF_ANY) if whole else _OF_ANY
