"""Kinds of devices that files are exported for, one a file here: what each takes, as data.

Every stage of the export reads these descriptions and none of them asks which target it is working for. A new target
is a module whose attribute `TARGET` is a `Target`; nothing else has to name it. Nothing here imports TensorFlow.
"""

import importlib
import pkgutil

from odtf.errors import UserError
from odtf.targets.description import Target

__all__ = ["QUANTIZATIONS", "TARGETS", "Target", "find_target"]


def _described():
    modules = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    return [module.TARGET for module in modules if hasattr(module, "TARGET")]


TARGETS = {target.name: target for target in _described()}
QUANTIZATIONS = tuple(dict.fromkeys(kind for target in TARGETS.values() for kind in target.tensors))


def find_target(name, quantization):
    """Returns the description of a target, checked against the quantisation asked for.

    Args:
        name: key of `TARGETS`, or a `Target`.
        quantization: `"int8"`, `"int16x8"`, `"float16"`, `"dynamic"` or `"float32"`.

    Raises:
        UserError: if there is no such target or quantisation, or the target does not take it.
    """
    target = name if isinstance(name, Target) else TARGETS.get(name)
    if target is None:
        raise UserError(f"No such export target: it must be one of {', '.join(TARGETS)}. Received: target={name!r}")
    if quantization not in QUANTIZATIONS:
        known = ", ".join(QUANTIZATIONS)
        raise UserError(f"No such quantization: it must be one of {known}. Received: quantization={quantization!r}")
    if quantization not in target.tensors:
        taken = " or ".join(target.tensors)
        raise UserError(f"The {target.name} target takes {taken} files only. Received: quantization={quantization!r}")
    return target
