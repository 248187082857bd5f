"""Tasks, one a file or a package: what a sample is, how an answer is judged, what becomes of it on a device.

`odtf.tasks.Classification` lives in `classification`: the file is named after the class and after the word by which
commands and configs find it, so a new task is one new file or package and nothing is registered.
"""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING

from odtf import names as names_lib
from odtf import own_code
from odtf.errors import UserError
from odtf.tasks.exported import Answer
from odtf.tasks.task import Task

if TYPE_CHECKING:
    from typing import Any


__all__ = ["Answer", "Task", "check", "find", "make", "names"]


def names() -> list[str]:
    """Returns the names of all tasks, sorted; imports none of them."""
    return names_lib.tasks()


def check(name: str, wanted: str = "A task is") -> None:
    """Raises UserError if the name is none of `names()`, nor of the form that own code has; imports nothing."""
    if name not in names() and not own_code.is_own(name):
        raise UserError(f"{wanted} {names_lib.listed(names(), name)}. Received: {name!r}.")


def find(name: str) -> type[Task]:
    """Returns the class of a task, a subclass of `Task`.

    Args:
        name: one of `names()`, or package.module:CLASS or FILE.py:CLASS for a task of the user's own.

    Raises:
        UserError: if there is none.
    """
    check(name)
    if name in names():
        module = importlib.import_module(f"{__name__}.{name}")
        for value in vars(module).values():
            if _is_task(value) and value.name == name:
                return value
        raise LookupError(f"{module.__file__} must have a task of the name {name!r}.")
    return own_code.find(name, "a task", "a subclass of odtf.tasks.Task", _is_task)


def make(name: str, **arguments: Any) -> Task:
    """Returns a task, made with arguments of its constructor; the others have their defaults.

    Args:
        name: as for `find`.
        **arguments: those of the constructor.

    Raises:
        UserError: if there is none, it lacks a part that every task has, or needs an argument that is not given.
        ValueError: if the task refuses a value.
    """
    task = find(name)
    given = inspect.signature(task).parameters.values()
    missing = [p.name for p in given if p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    if missing := [argument for argument in missing if argument not in arguments]:
        raise UserError(
            f"The arguments of a task are keys of config.task, and have defaults for commands that read no config. "
            f"Received: {name!r} without {', '.join(missing)}."
        )
    made = task(**arguments)
    from odtf.tasks.written import check_written  # It imports Keras, which names alone do not need.

    check_written(made, name)
    return made


def _is_task(value):
    return isinstance(value, type) and issubclass(value, Task)


def __getattr__(name):
    stem = {stem.replace("_", ""): stem for stem in names()}.get(name.lower())
    if stem is not None and name[0].isupper():
        return getattr(importlib.import_module(f"{__name__}.{stem}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
