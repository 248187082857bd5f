"""What is right in a config, as far as that needs neither data nor TensorFlow."""

import collections.abc
import itertools
import json
import numbers

import ml_collections

from odtf import names, own_code
from odtf.errors import UserError
from odtf.training import bounds
from odtf.training.config import FREE, default_config, leaves

# Keys without a meaning unless another has some values: (key, that other, its values).
_ONLY_WITH = (
    ("schedule.milestones", "schedule.name", ("piecewise", "linear")),
    ("schedule.final_fraction", "schedule.name", ("cosine", "one_cycle")),
    ("average.decay", "average.name", ("ema", "lookahead")),
    ("average.every_steps", "average.name", ("ema", "lookahead")),
    ("average.power", "average.name", ("ema", "lookahead")),
    ("average.norm_batches", "average.name", ("ema", "lookahead")),
    ("quantization.delay_epochs", "quantization.aware", (True,)),
    ("quantization.freeze_batch_norm_epochs", "quantization.aware", (True,)),
)


def check(config):
    """Raises UserError if a value that needs no data and no TensorFlow to judge is wrong."""
    known = default_config()
    parts = (key for key, value in known.items() if isinstance(value, ml_collections.ConfigDict) and key not in FREE)
    for part in ("", *parts):
        have, allowed = (config[part], known[part]) if part else (config, known)
        where = f"config.{part}" if part else "config"
        keys = ", ".join(sorted(allowed))
        if not isinstance(have, ml_collections.ConfigDict):
            raise UserError(f"{where} must be a mapping with the keys {keys}. Received: {have!r}.")
        if unknown := sorted(set(have) - set(allowed)):
            raise UserError(
                f"{where} has the keys {keys}{names.meant(unknown[0], allowed)}. Received: {', '.join(unknown)}."
            )
        if missing := sorted(set(allowed) - set(have)):
            raise UserError(f"{where} has the keys {keys}. Received: none of {', '.join(missing)}.")
    for key, bound in bounds.BOUNDS.items():
        value = _value(config, key)
        if not bound.holds(value):
            raise UserError(f"config.{key} must be {bound.wanted_for(value)}. Received: {_shown(value)}.")
    for part in FREE:
        if part == "optimizer":
            check_optimizer(config.optimizer)
        else:
            _check_arguments(part, _value(config, part))
    _check_effects(config, known)
    _check_network(config, known)
    _check_warm_up(config)
    _check_quantization(config)
    if config.jit and config.deterministic:
        raise UserError(
            "config.jit must be False where config.deterministic is True: Keras leaves XLA off there. Received: True."
        )
    for key in ("init.body_rate", "recipe.norm_bias_rate") if config.precision == "mixed_float16" else ():
        if _value(config, key) != 1:
            raise UserError(
                f"config.{key} needs a second optimizer, which mixed_float16 does not allow: float32 or mixed_bfloat16 "
                f"would be right. Received: {_value(config, key)}."
            )
    for key, value in leaves(config.to_dict()):
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            raise UserError(
                f"config.{key} must be a finite number, text, True, False, None or a list. Received: {value!r}."
            ) from None


def _value(config, key):
    for part in key.split("."):
        config = config[part]
    return config


def _check_arguments(key, value):
    """Raises UserError if a number in a free part, at any depth, is out of any sense; own code may mean any."""
    if isinstance(value, (ml_collections.ConfigDict, collections.abc.Mapping)):
        if not own_code.is_own(value.get("name")):
            for name in value:
                _check_arguments(f"{key}.{name}", value[name])
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            _check_arguments(f"{key}.{index}", item)
    elif isinstance(value, numbers.Real) and not isinstance(value, bool):
        bound = bounds.of_argument(key, value)
        if not bound.holds(value):
            raise UserError(f"config.{key} must be {bound.wanted}. Received: {value!r}.")


def check_optimizer(options):
    """Raises UserError if a value in `config.optimizer`, a mapping, is of no sense or of no effect in a run.

    Arguments that no optimizer has are not looked at.
    """
    for key, value in options.items():
        if key in bounds.OF_OPTIMIZER and not (bound := bounds.OF_OPTIMIZER[key]).holds(value):
            raise UserError(f"config.optimizer.{key} must be {bound.wanted}. Received: {value!r}.")
        unset, instead = bounds.REFUSED_OF_OPTIMIZER.get(key, (value, ""))
        if type(value) is not type(unset) or value != unset:
            raise UserError(f"config.optimizer.{key} would be right left out: {instead}. Received: {value!r}.")
    if options.get("nesterov") and not options.get("momentum"):
        raise UserError("config.optimizer.nesterov is of a momentum, which must be set. Received: no momentum.")


def _check_effects(config, known):
    """Raises UserError if a key that was set has no effect beside the others."""
    for key, other, values in _ONLY_WITH:
        value, unset = _value(config, key), _value(known, key)
        changed = list(value) != [] if isinstance(value, (list, tuple)) else value != unset
        if changed and _value(config, other) not in values:
            raise UserError(
                f"config.{key} acts where config.{other} is {' or '.join(map(str, values))} alone: that, or {unset!r}, "
                f"would be right. Received: {value!r} with {_value(config, other)!r}."
            )


def _check_network(config, known):
    """Raises UserError if `config.network` says something while a list names every network of the method."""
    listed = config.method.to_dict().get("networks")
    names_all = isinstance(listed, (list, tuple)) and all(isinstance(one, collections.abc.Mapping) for one in listed)
    if not names_all or not listed:
        return
    network = config.network.to_dict()
    if network != known.network.to_dict() and network not in [dict(spec) for spec in listed]:
        raise UserError(
            "config.network is not read where config.method.networks says what every network is: a change there would "
            f"be right, and one of them, or {known.network.to_dict()}, here. Received: {network}."
        )


def _check_warm_up(config):
    """Raises UserError if no stage of the schedule is as long as its warm-up: the rate would never be reached."""
    starts = [0, *(epoch for epoch in config.schedule.restarts if 0 < epoch < config.epochs), config.epochs]
    longest = max(end - start for start, end in itertools.pairwise(starts))
    if config.schedule.warmup_epochs > longest:
        raise UserError(
            f"config.schedule.warmup_epochs must be at most {longest:g}, the epochs of the run or of its longest stage "
            f"between restarts: the rate would never be reached. Received: {config.schedule.warmup_epochs:g}."
        )


def _check_quantization(config):
    if not config.quantization.aware:
        return
    if config.precision not in ("float32", "auto"):
        raise UserError(
            "config.precision must be float32 where config.quantization.aware is: 16 bits cannot hold the levels of an "
            f"activation. Received: {config.precision!r}."
        )
    if config.average.name != "none":
        raise UserError(
            "config.average.name must be 'none' where config.quantization.aware is True: the ranges of activations are "
            f"those of the weights of the last step. Received: {config.average.name!r}."
        )
    if config.export.targets and config.export.quantization != "int8":
        raise UserError(
            "config.export.quantization must be int8, which students train for where config.quantization.aware is "
            f"True. Received: {config.export.quantization!r}."
        )
    if (config.quantization.delay_epochs or 0) >= config.epochs:
        raise UserError(
            f"config.quantization.delay_epochs must be less than the {config.epochs} epochs of the run. "
            f"Received: {config.quantization.delay_epochs}."
        )


def _shown(value):
    return value.to_dict() if isinstance(value, ml_collections.ConfigDict) else repr(value)
