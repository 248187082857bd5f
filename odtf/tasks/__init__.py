"""Tasks, one a file or a package: what a sample is, how an answer is judged, what becomes of it on a device."""

import importlib
import pkgutil

from odtf.tasks.base import Answer, Task
from odtf.tasks.classification import Classification

__all__ = ["Answer", "Classification", "Task", "find", "names"]


def names():
    """Returns the names of all tasks, sorted; imports none of them."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "base")


def find(name):
    """Returns the class of a task by its name: the `Task` in the file or package of that name.

    Raises:
        ValueError: if there is no such task.
    """
    if name not in names():
        raise ValueError(f"Unknown task; there are {', '.join(names())}. Received: {name!r}.")
    module = importlib.import_module(f"{__name__}.{name}")
    return next(
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Task) and value.name == name
    )
