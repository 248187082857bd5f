"""Methods: one file per system in the literature, found by its name.

`odtf.methods.OnlineDistillationCheap` lives in `online_distillation_cheap.py`: the file is named after the class, so a
new method is one new file and nothing is registered by hand. `import odtf.methods` is what `keras.models.load_model`
needs to know the cohort in a file.
"""

from __future__ import annotations

import importlib

from odtf import names, own_code
from odtf.errors import UserError
from odtf.methods.base import Method


def available() -> list[str]:
    """Returns the names of all methods, sorted; imports none of them."""
    return names.methods()


def find(name: str) -> type[Method]:
    """Returns the class of a method, a subclass of `Method`.

    Args:
        name: one of `available()`, or package.module:CLASS or FILE.py:CLASS for a method of the user's own.

    Raises:
        UserError: if there is none.
    """
    if name in available():
        return __getattr__(name)
    if not own_code.is_own(name):
        raise UserError(f"config.method.name must be one of {names.listed(available(), name)}. Received: {name!r}.")
    return own_code.find(
        name,
        "a method",
        "a subclass of odtf.methods.Method",
        lambda it: isinstance(it, type) and issubclass(it, Method),
    )


def __getattr__(name):
    stem = names.method_file(name)
    if stem is not None and name[0].isupper():
        return getattr(importlib.import_module(f"odtf.methods.{stem}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return ["Method", "available", "find", *available()]


# Keras finds a class in a file by its registered name alone, so that each has to be there before a file is read.
for _name in available():
    find(_name)
