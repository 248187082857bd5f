"""Networks by name: the function of a file that bears its name."""

import collections.abc
import importlib
import inspect
import numbers
import pkgutil

from odtf.models import backbones

# What the caller of `build` supplies itself, so that a specification cannot.
_RESERVED = ("input_shape", "head", "seed", "name", "synchronized")

_KINDS = {
    bool: (bool, "True or False"),
    int: (numbers.Integral, "an integer"),
    float: (numbers.Real, "a number"),
    str: (str, "text"),
    tuple: (collections.abc.Sequence, "a list"),
}


def build(spec, input_shape, head, *, seed, name="network", synchronized=False):
    """Builds the network that a specification names.

    A new network needs no entry anywhere: it is the function of the file of its name in `odtf/models/backbones`.

    Args:
        spec: mapping with the "name" of the network and further arguments of its function, such as
            `{"name": "od_cheap_resnet", "depth": 8, "conv": "shift"}`.
        input_shape: `(height, width, channels)`.
        head: number of classes of a linear classifier, or a head of `odtf.models.heads`.
        seed: integer that every random weight follows from.
        name: name of the `keras.Model`.
        synchronized: whether batch normalisations take their statistics over all replicas.

    Returns:
        Functional `keras.Model` with a dictionary of taps for output.

    Raises:
        ValueError: if there is no such network, it has no such argument, or refuses a value.
    """
    arguments = dict(spec)
    wanted = arguments.pop("name", None)
    if wanted not in names():
        raise ValueError(f"Unknown network; there are {', '.join(names())}. Received: name={wanted!r}")
    network = find(wanted)
    known = [p for p in inspect.signature(network).parameters if p not in _RESERVED]
    for argument in arguments:
        if argument not in known:
            raise ValueError(f"{wanted} has no argument {argument!r}; it has {', '.join(known)}")
    try:
        return network(input_shape, head, **arguments, seed=seed, name=name, synchronized=synchronized)
    except TypeError:
        check_kinds(network, arguments)  # The network's own words come first, where it has any.
        raise


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


def names():
    """Returns the names of all networks, sorted; imports none of them."""
    return sorted(module.name for module in pkgutil.iter_modules(backbones.__path__))


def find(name):
    """Returns the function of a network, one of `names()`."""
    return getattr(importlib.import_module(f"{backbones.__name__}.{name}"), name)
