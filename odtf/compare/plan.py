"""The configs of a comparison: what is held equal between them, what may be overridden, and another length."""

import ast
import contextlib
import fractions
import json
import re

from odtf.compare import baseline
from odtf.errors import UserError
from odtf.training import config as config_lib
from odtf.training import config_checks, config_file, overrides

# What the same network alone gets as much of as the method does: the values of --equal, and what each means.
EQUAL = {
    "epochs": "the epochs in which the student learns within its method",
    "steps": "the optimizer steps of the method's whole run, the stages of its teachers included",
    "examples": "the training images of all networks that learn in the method's run, each network's counted for itself",
    "seconds": "the seconds of training of the method's whole run, estimated from an earlier run alone",
}


# Of the data, what decides nothing about the test split.
_OWN = {"num_views": None, "domains": (), "max_train_examples": None}


def make_plan(paths, given, seeds, equal="epochs", images=()):
    """Loads the configs of a comparison.

    They must agree in the task and the data, which decide what the test set is and how it is judged. Everything else is
    a config's own: network, rate, batch, length, how many images it trains on, how many views of an image there are,
    which other images join, and of the task how networks teach each other (`baseline.untaught`).

    Args:
        paths: list of "FILE.py" or "FILE.py:arg".
        given: list of overrides: "key.path=value", applied to every config, or "N:key.path=value", to the N-th alone,
            from 1, whose label then says so.
        seeds: iterable of int.
        equal: a key of `EQUAL`: what a student and the same network alone have in common.
        images: iterable of int, or None for all: every config is trained on so many images each, a row for each.

    Returns:
        dict: "entries", a list of (label, config), "seeds" and "equal".

    Raises:
        UserError: if a config cannot be read, a key does not exist, the configs differ in task or data, or a method's
            student has no epoch to learn in, or no schedule of its own.
    """
    if equal not in EQUAL:
        raise UserError(f"A student and its network alone share one of {', '.join(EQUAL)}. Received: {equal!r}.")
    entries = []
    for text, (common, own) in zip(paths, _overrides(given, len(paths)), strict=True):
        for count in images or (...,):
            label = " ".join([text, *own, *([] if count is ... else [f"images={count or 'all'}"])])
            config = config_file.load(text)
            try:
                _override(config, [*common, *own], text)
            except UserError as error:
                raise UserError(f"{text}: {error}") from error
            if count is not ...:
                config.data.max_train_examples = count
            config.export.targets = ()
            config_checks.check(config)
            entries.append((label, config))
    _check_same_test(entries)
    for label, config in entries:
        try:
            baseline.alone(config, "peer_0", {"peer_0": config.network.to_dict()})
        except UserError as error:
            raise UserError(f"{label}: {error}") from error
    return {"entries": entries, "seeds": list(seeds), "equal": equal}


def _overrides(given, count):
    """Returns for each of `count` configs the overrides of all, and its own."""
    common, own = [], [[] for _ in range(count)]
    for text in given:
        found = re.match(r"(\d+):(.*)", text, re.DOTALL)
        if found is None:
            common.append(text)
        elif 1 <= int(found[1]) <= count:
            own[int(found[1]) - 1].append(found[2])
        else:
            raise UserError(f"--override=N:KEY=VALUE changes the N-th config, of 1 to {count}. Received: {text!r}.")
    return [(common, each) for each in own]


def _check_same_test(entries):
    """Raises UserError unless all configs have one task and the same data."""

    def decisive(config):
        data = config_lib.to_json(config)
        return {"task": baseline.untaught(data["task"]), "data": {**data["data"], **_OWN}}

    (first, config), *others = entries
    for label, other in others:
        if changes := config_lib.differences(decisive(config), decisive(other)):
            raise UserError(
                "A comparison needs the same task and data in all configs; --override sets a key of all. "
                f"Received: {'; '.join(changes)} from {first} to {label}."
            )


def _override(config, given, label):
    for text in given:
        if "=" not in text:
            raise UserError(f"--override takes KEY=VALUE with a key that the configs have. Received: {text!r}.")
    values = {}
    for path, value in (text.split("=", 1) for text in given):
        values[path] = _value(value)
    overrides.apply(config, values, "--override=", lambda line: print(f"{label}: {line}"))


def _value(text):
    """What a text says as JSON or, as odtf-train's flags take it, in Python: true and True; else the text itself."""
    for read in (json.loads, ast.literal_eval):
        with contextlib.suppress(ValueError, SyntaxError, MemoryError, RecursionError):
            return read(text)
    return text


def stretched(config, epochs):
    """Returns a config of another length, all of whose epochs (of schedule and quantisation) are scaled with it.

    Args:
        config: `ConfigDict`.
        epochs: int, at least 1.
    """
    if epochs == config.epochs:
        return config
    scale = fractions.Fraction(epochs, config.epochs)
    data = config_lib.to_json(config)
    data["epochs"] = epochs
    schedule, quantization = data["schedule"], data["quantization"]
    schedule["warmup_epochs"] = float(schedule["warmup_epochs"] * scale)
    data["recipe"]["sizes"] = [[int(epoch * scale), *size] for epoch, *size in data["recipe"]["sizes"]]
    data["init"]["frozen_epochs"] = int(data["init"]["frozen_epochs"] * scale)
    for key in ("milestones", "restarts"):
        schedule[key] = [_number(epoch * scale) for epoch in schedule[key]]
    for key in ("delay_epochs", "freeze_batch_norm_epochs"):
        if quantization[key] is not None:
            quantization[key] = int(quantization[key] * scale)
    return config_lib.from_json(data)


def _number(value):
    """Returns an int where a fraction is one, else the nearest float."""
    return int(value) if int(value) == value else float(value)
