"""Kinds of devices that files are exported for, one a file here: what each takes, as data.

Every stage of the export reads these descriptions and none of them asks which target it is working for. A new target
is a module whose attribute `TARGET` is a `Target`; nothing else has to name it. Nothing here imports TensorFlow.
"""

from __future__ import annotations

import importlib
import pkgutil
import re

from odtf import names, own_code
from odtf.errors import UserError
from odtf.targets.description import Target

__all__ = ["QUANTIZATIONS", "TARGETS", "Target", "find", "find_target"]


def _described():
    modules = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    return [module.TARGET for module in modules if hasattr(module, "TARGET")]


TARGETS = {target.name: target for target in _described()}
QUANTIZATIONS = tuple(dict.fromkeys(kind for target in TARGETS.values() for kind in target.tensors))


def find(name: str | Target) -> Target:
    """Returns the description of a target.

    Args:
        name: key of `TARGETS`, package.module:TARGET or FILE.py:TARGET for one of the user's own, or a `Target`.

    Raises:
        UserError: if there is no such target, or one's own cannot be told from those of odtf.
    """
    if isinstance(name, Target):
        return name
    if name in TARGETS:
        return TARGETS[name]
    if not own_code.is_own(name):
        raise UserError(
            f"No such export target: it must be one of {names.listed(TARGETS, name)}. Received: target={name!r}"
        )
    target = own_code.find(name, "an export target", "an odtf.targets.Target", lambda it: isinstance(it, Target))
    # It names a folder of every workdir.
    if target.name in TARGETS or not re.fullmatch(r"[A-Za-z0-9_-]+", target.name):
        raise UserError(
            f"An export target of one's own has a name of letters, digits, - and _ that odtf's targets do not have. "
            f"Received: {target.name!r} of {name!r}."
        )
    return target


def find_target(name: str | Target, quantization: str) -> Target:
    """Returns the description of a target, checked against the quantisation asked for.

    Args:
        name: as for `find`.
        quantization: `"int8"`, `"int16x8"`, `"float16"`, `"dynamic"` or `"float32"`.

    Raises:
        UserError: if there is no such target or quantisation, or the target does not take it.
    """
    target = find(name)
    if quantization not in (*QUANTIZATIONS, *target.tensors):
        known = ", ".join(QUANTIZATIONS)
        raise UserError(f"No such quantization: it must be one of {known}. Received: quantization={quantization!r}")
    if quantization not in target.tensors:
        taken = " or ".join(target.tensors)
        raise UserError(f"The {target.name} target takes {taken} files only. Received: quantization={quantization!r}")
    return target
