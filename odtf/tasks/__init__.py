"""Tasks, one a file or a package: what a sample is, how an answer is judged, what becomes of it on a device.

`odtf.tasks.Classification` lives in `classification`: the file is named after the class and after the word by which
commands and configs find it, so a new task is one new file or package and nothing is registered.
"""

import importlib
import pkgutil

from odtf.errors import UserError
from odtf.tasks.task import Answer, Task

__all__ = ["Answer", "Task", "check", "find", "names"]

# Modules beside the tasks: what tasks have in common.
_COMMON = {"clients", "study", "task"}


def names():
    """Returns the names of all tasks, sorted; imports none of them."""
    return sorted({module.name for module in pkgutil.iter_modules(__path__)} - _COMMON)


def check(name):
    """Raises UserError if the name is none of `names()`, nor of the form package.module:attribute; imports nothing."""
    if name not in names() and not all(name.partition(":")):
        raise UserError(f"A task is {', '.join(names())} or package.module:CLASS of your own. Received: {name!r}.")


def find(name):
    """Returns the class of a task, a subclass of `Task`.

    Args:
        name: one of `names()`, or package.module:CLASS for a task of the user's own.

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
    module_name, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise UserError(f"A task must be there to be imported. Received: {name!r}; {error}.") from error
    if not _is_task(found):
        raise UserError(f"A task is a subclass of odtf.tasks.Task. Received: {name!r}, which is {found!r}.")
    return found


def _is_task(value):
    return isinstance(value, type) and issubclass(value, Task)


def __getattr__(name):
    stem = {stem.replace("_", ""): stem for stem in names()}.get(name.lower())
    if stem is not None and name[0].isupper():
        return getattr(importlib.import_module(f"{__name__}.{stem}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
