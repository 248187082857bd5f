"""Networks by name: the function of a file that bears its name."""

from __future__ import annotations

import collections.abc
import importlib
import inspect
import numbers
from typing import TYPE_CHECKING

import keras

from odtf import names as names_lib
from odtf import own_code
from odtf.models import automatic_names, backbones, derived, model_names

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from odtf.models.annotations import Head, Shape, Specification


# What the caller of `build` supplies itself, so that a specification cannot.
_RESERVED = ("input_shape", "head", "seed", "name", "synchronized", "normalization")

_KINDS = {
    bool: (bool, "True or False"),
    int: (numbers.Integral, "an integer"),
    float: (numbers.Real, "a number"),
    str: (str, "text"),
    tuple: (collections.abc.Sequence, "a list"),
}


def build(
    spec: Specification,
    input_shape: Shape,
    head: Head,
    *,
    seed: int,
    name: str = "network",
    synchronized: bool = False,
    normalization: tuple[Any, Any] | None = None,
    output: str | None = None,
    prepare: Callable[[keras.Model], Any] | None = None,
) -> keras.Model:
    """Builds the network that a specification names.

    A new network needs no entry anywhere: it is the function of the file of its name in `odtf/models/backbones`. One of
    the user's own is a function `network(input_shape, head, *, seed, name, ...)`, which may take `synchronized` and
    `normalization` too, or a Keras model.

    Args:
        spec: mapping with the "name" of the network (one of `names()`, package.module:FUNCTION or FILE.py:FUNCTION,
            FILE.keras or keras.applications:NAME) and further arguments of its function, such as
            `{"name": "od_cheap_resnet", "depth": 8, "conv": "shift"}`; of a Keras model `taps`, `pixels`, `answer` and
            `weights`, see `from_keras`, and of keras.applications their own; and what is made of it, such as
            `{"cheap": "shift"}` or `{"fraction": 0.5, "after": "stem_relu"}`, see `odtf.models.derived`.
        input_shape: `(height, width, channels)`.
        head: number of classes of a linear classifier, or a head of `odtf.models.heads`.
        seed: integer that every random weight follows from.
        name: name of the `keras.Model`.
        synchronized: whether batch normalisations take their statistics over all replicas.
        normalization: pair (mean, std) of pixels scaled to [0, 1], by which the images are normalised.
        output: name of the tap that is the answer, whose width stays in a narrow network; None for what `deploy` finds.
        prepare: function that is given the network before it is made cheap or narrow, to load trained weights.

    Returns:
        Functional `keras.Model` with a dictionary of taps for output.

    Raises:
        ValueError: if there is no such network, it has no such argument, or refuses a value.
    """
    arguments = dict(spec)
    wanted = arguments.pop("name", None)
    network = find(wanted)
    known = arguments_of(network)
    arguments, changes = derived.split(arguments, known)
    parameters = inspect.signature(network).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    known = (*known, *derived.KEYS)
    for argument, value in arguments.items():
        if argument not in known and (not takes_any or argument in _RESERVED):
            raise ValueError(
                f"{wanted} has no argument {argument!r}; it has {', '.join(known)}{names_lib.meant(argument, known)}. "
                f"Received: {argument}={value!r}"
            )
    if missing := [name for name in ("seed", "name") if name not in parameters and not takes_any]:
        raise ValueError(
            f"A network is a function network(input_shape, head, *, seed, name, ...). "
            f"Received: {wanted} without {', '.join(missing)}."
        )
    if "synchronized" in parameters:
        arguments["synchronized"] = synchronized
    if "normalization" in parameters:
        arguments["normalization"] = normalization
    try:
        with automatic_names.counted_anew():
            built = network(input_shape, head, **arguments, seed=seed, name=name)
    except TypeError:
        check_kinds(network, arguments)  # The network's own words come first, where it has any.
        raise
    if not isinstance(built, keras.Model) or not isinstance(built.output, dict):
        raise ValueError(
            "A network is a functional keras.Model whose output is a dict of named taps, as the head gives them. "
            f"Received: {built!r} of {wanted}."
        )
    if prepare is not None:
        prepare(built)
    return derived.derive(built, changes, output=output, seed=seed)


def arguments_of(network):
    """Returns the names of the arguments of a network's function that a specification may give, a list."""
    parameters = inspect.signature(network).parameters.values()
    return [p.name for p in parameters if p.name not in _RESERVED and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]


def keys_of(network):
    """Returns the keys of a specification in a config beside its name, a list: arguments, changes, and the start."""
    return [*arguments_of(network), *derived.KEYS, "init"]


def check_kinds(function, arguments):
    """Raises ValueError if an argument is of another kind than the function's default for it.

    Args:
        function: callable whose defaults tell the kinds; a default of None tells nothing.
        arguments: mapping from names to values.
    """
    parameters = inspect.signature(function).parameters
    for name, value in arguments.items():
        kind, words = _KINDS.get(type(parameters[name].default), (object, "")) if name in parameters else (object, "")
        if not isinstance(value, kind) or (isinstance(value, bool) and kind not in (bool, object)):
            raise ValueError(f"{name} must be {words}. Received: {name}={value!r}")


def names() -> list[str]:
    """Returns the names of all networks, sorted; imports none of them."""
    return names_lib.networks()


def find(name):
    """Returns the function of a network.

    Args:
        name: one of `names()`, or the name of own code.

    Raises:
        ValueError: if there is no such network.
        UserError: if there is no such code.
    """
    if name in names():
        return getattr(importlib.import_module(f"{backbones.__name__}.{name}"), name)
    if model_names.is_model(name):
        return model_names.network_of(name)
    if not own_code.is_own(name):
        known = f"{', '.join(names())}, {names_lib.MODELS}, or {names_lib.OWN}{names_lib.meant(name, names())}"
        raise ValueError(f"Unknown network; there are {known}. Received: name={name!r}")
    return own_code.find(name, "a network", "a function that returns a keras.Model")
