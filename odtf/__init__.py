"""odtf: online distillation for TensorFlow.

Sub-packages are imported when first used, so that `import odtf` costs nothing and a command line answers `--help`
without waiting for TensorFlow.
"""

import importlib

__version__ = "0.1.0"

_SUBPACKAGES = (
    "benchmark",
    "comparison",
    "data",
    "export",
    "layers",
    "losses",
    "methods",
    "models",
    "quantization",
    "training",
    "workdir",
)


def __getattr__(name):
    if name in _SUBPACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_SUBPACKAGES])
