"""odtf: online distillation for TensorFlow.

Sub-packages are imported when first used, so that `import odtf` costs nothing and a command line answers `--help`
without waiting for TensorFlow.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # For editors, which do not call __getattr__.
    from odtf import (
        data,
        errors,
        evaluation,
        export,
        layers,
        losses,
        methods,
        metrics,
        model_exports,
        models,
        quantization,
        run_exports,
        runs,
        targets,
        tasks,
        teachers,
        training,
        workflow,
        zoo,
    )

__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    import importlib

    if name in _parts():
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*_parts(), "__version__"])


def _parts() -> list[str]:
    import pkgutil

    return [module.name for module in pkgutil.iter_modules(__path__)]
