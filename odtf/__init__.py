"""odtf: online distillation for TensorFlow.

Sub-packages are imported when first used, so that `import odtf` costs nothing and a command line answers `--help`
without waiting for TensorFlow.
"""

__version__ = "0.2.0"


def __getattr__(name):
    import importlib

    if name in _parts():
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*_parts(), "__version__"])


def _parts():
    import pkgutil

    return [module.name for module in pkgutil.iter_modules(__path__)]
