"""Methods: one file per system in the literature, found by its name.

`odtf.methods.OnlineDistillationCheap` lives in `online_distillation_cheap.py`: the file is named after the class, so a
new method is one new file and nothing is registered.
"""

import importlib
import pathlib

from odtf.methods.base import Method

_FILES = {path.stem.replace("_", ""): path.stem for path in pathlib.Path(__file__).parent.glob("[a-z]*.py")}
_FILES.pop("base")


def available():
    """Returns the names of all methods, sorted; imports every method's file."""
    return sorted(
        name
        for stem in _FILES.values()
        for name, value in vars(importlib.import_module(f"odtf.methods.{stem}")).items()
        if isinstance(value, type) and issubclass(value, Method) and name.lower() == stem.replace("_", "")
    )


def __getattr__(name):
    stem = _FILES.get(name.lower())
    if stem is not None and name[0].isupper():
        return getattr(importlib.import_module(f"odtf.methods.{stem}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return ["Method", "available", *available()]
