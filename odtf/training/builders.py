"""The arguments of what a free part of a config names: its keys beside the name."""

import inspect

from odtf import methods, tasks
from odtf.errors import UserError
from odtf.models import specification
from odtf.training import own_losses, schedules


def arguments(kind, name):
    """Returns the keys that a part may have beside its name.

    Args:
        kind: "task", "network", "method" or "optimizer".
        name: what the part names.

    Returns:
        dict: key -> whether it has to be given.

    Raises:
        UserError: if there is no such task, network, method or optimizer.
    """
    if kind == "task":
        return of_task(tasks.find(name))
    if kind == "method":
        return of_method(methods.find(name))
    if kind == "optimizer":
        return dict.fromkeys(schedules.optimizer_arguments(name), False)
    try:
        return dict.fromkeys(specification.keys_of(specification.find(name)), False)
    except ValueError as error:
        raise UserError(f"config.network: {error}.") from error


def of_task(task):
    """Returns the keys of `config.task` for a class of tasks, as `arguments` does."""
    return dict.fromkeys(own_losses.TERMS, False) | {key: p.default is p.empty for key, p in _named(task).items()}


def of_method(method):
    """Returns the keys of `config.method` for a class of methods, as `arguments` does."""
    needed = {key: p.default is p.empty for key, p in _named(method).items()}
    needed["networks"] = False  # One network, for all peers, stands in config.network.
    takes_all = any(p.kind is p.VAR_KEYWORD for p in inspect.signature(method).parameters.values())
    if method.distils and takes_all:
        needed["divergence"] = False  # It is the base's, whose arguments a method passes on.
    if "teacher" in needed:
        needed |= {"teacher_workdir": needed["teacher"], "teacher": False}  # A finished run, or a file.
    return needed


def _named(function):
    """Returns the parameters of a callable that are named."""
    parameters = inspect.signature(function).parameters
    return {key: p for key, p in parameters.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
