"""What is right in a config, as far as that needs neither data nor TensorFlow."""

import collections.abc
import json
import math

import ml_collections

from odtf import names
from odtf.errors import UserError
from odtf.training.config import default_config, leaves


def is_number(value):
    """Whether a value is a finite number; a bool is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_span(value):
    """Whether a value is a pair (first, end) of epochs, or None."""
    if value is None:
        return True
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        return False
    first, end = value
    return type(first) is int and first >= 0 and (end is None or (type(end) is int and end > first))


# What is right for a key of a domain.
_OF_DOMAIN = {
    "name": lambda v: isinstance(v, str) and v not in ("", "folder:"),
    "images": lambda v: v is None or (type(v) is int and v >= 1),
    "epochs": _is_span,
    "labels": lambda v: isinstance(v, bool),
}


def _are_domains(value):
    """Whether a value is what `config.data.domains` is."""
    return isinstance(value, (tuple, list)) and all(
        isinstance(domain, collections.abc.Mapping)
        and "name" in domain
        and all(key in _OF_DOMAIN and _OF_DOMAIN[key](domain[key]) for key in domain)
        for domain in value
    )


def _at_least(low):
    return f"an integer of at least {low}", lambda v: type(v) is int and v >= low


# What is right for a key, in words and as a predicate.
_RULES = {
    "seed": ("an integer from 0 to 2**31 - 1", lambda v: type(v) is int and 0 <= v < 2**31),
    **dict.fromkeys(("batch_size", "epochs", "log_every_steps", "data.num_views", "checkpoint.keep"), _at_least(1)),
    **dict.fromkeys(("checkpoint.every_steps", "data.memory_budget_mb", "init.frozen_epochs"), _at_least(0)),
    "export.calibration_examples": _at_least(1),
    "data.max_train_examples": ("None or an integer of at least 1", lambda v: v is None or (type(v) is int and v >= 1)),
    **dict.fromkeys(
        ("quantization.delay_epochs", "quantization.freeze_batch_norm_epochs"),
        ("None or an integer of at least 0", lambda v: v is None or (type(v) is int and v >= 0)),
    ),
    **dict.fromkeys(
        ("deterministic", "jit", "sync_batch_norm", "data.skip_corrupt", "quantization.aware"),
        ("True or False", lambda v: isinstance(v, bool)),
    ),
    **dict.fromkeys(
        ("weight_decay", "schedule.warmup_epochs"), ("a number, 0 or more", lambda v: is_number(v) and v >= 0)
    ),
    **dict.fromkeys(
        ("schedule.learning_rate", "schedule.factor", "init.body_rate"),
        ("a positive number", lambda v: is_number(v) and v > 0),
    ),
    "schedule.final_fraction": ("a number in [0, 1]", lambda v: is_number(v) and 0 <= v <= 1),
    "quantization.range_momentum": ("a number in [0, 1)", lambda v: is_number(v) and 0 <= v < 1),
    "data.validation_fraction": (
        "a number between 0 and 1, both excluded",
        lambda v: is_number(v) and 0 < v < 1,
    ),
    "schedule.name": (
        "constant, piecewise, cosine or linear",
        lambda v: v in ("constant", "piecewise", "cosine", "linear"),
    ),
    **dict.fromkeys(
        ("schedule.milestones", "schedule.restarts"),
        (
            "a tuple of rising epochs, 0 or more",
            lambda v: (
                isinstance(v, (tuple, list)) and all(map(is_number, v)) and list(v) == sorted({n for n in v if n >= 0})
            ),
        ),
    ),
    "precision": (
        "one of float32, mixed_bfloat16, mixed_float16",
        lambda v: v in ("float32", "mixed_bfloat16", "mixed_float16"),
    ),
    "data.name": (
        names.data_sets(),
        lambda v: isinstance(v, str) and v not in ("", "folder:"),
    ),
    "data.domains": (
        "a tuple of mappings, each with a name, and maybe images (at least 1), epochs (first, end) and labels (a bool)",
        _are_domains,
    ),
    **dict.fromkeys(("code_dir", "data.data_dir"), ("None or a path", lambda v: v is None or isinstance(v, str))),
    "data.augment": ("a mapping", lambda v: isinstance(v, ml_collections.ConfigDict)),
    **dict.fromkeys(
        ("task", "network", "method", "optimizer"),
        (
            "a mapping with a name",
            lambda v: isinstance(v, ml_collections.ConfigDict) and isinstance(v.get("name"), str),
        ),
    ),
    "export.targets": (
        "a tuple of names",
        lambda v: isinstance(v, (tuple, list)) and all(isinstance(name, str) for name in v),
    ),
}


def check(config):
    """Raises UserError if a value that needs no data and no TensorFlow to judge is wrong."""
    known = default_config()
    for part in ("", "data", "init", "schedule", "quantization", "checkpoint", "export"):
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
    for key, (wanted, right) in _RULES.items():
        value = config
        for part in key.split("."):
            value = value[part]
        if not right(value):
            raise UserError(f"config.{key} must be {wanted}. Received: {_shown(value)}.")
    _check_quantization(config)
    if config.init.body_rate != 1 and config.precision == "mixed_float16":
        raise UserError(
            "config.init.body_rate needs a second optimizer, which mixed_float16 does not allow: float32 or "
            f"mixed_bfloat16 would be right. Received: {config.init.body_rate}."
        )
    for key, value in leaves(config.to_dict()):
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            raise UserError(
                f"config.{key} must be a finite number, text, True, False, None or a list. Received: {value!r}."
            ) from None


def _check_quantization(config):
    if not config.quantization.aware:
        return
    if config.precision != "float32":
        raise UserError(
            "config.precision must be float32 where config.quantization.aware is: 16 bits cannot hold the levels of an "
            f"activation. Received: {config.precision!r}."
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
