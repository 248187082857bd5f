"""The description of a TFDS set, looked through before TFDS reads it, which imports what features.json names."""

import json

from odtf import paths
from odtf.errors import UserError

# Keys that say which class a feature is: as the proto has it, as JSON has it, and in older sets.
_KEYS = ("python_class_name", "pythonClassName", "type")
# What older sets call a tensor; TFDS knows it still.
_OLDER = "tensorflow_datasets.core.features.feature.Tensor"


def check_features(folder):
    """Shows that a prepared set names no classes but TFDS' own, and that all of its files are regular ones.

    Args:
        folder: of the set, with features.json.

    Raises:
        UserError: if it names another class, a file is of another kind, or features.json cannot be read.
    """
    folder = paths.at(folder)
    try:
        for path in folder.iterdir() if not paths.is_store(folder) else ():
            if not path.is_dir():
                paths.check_regular(path)
        described = json.loads((folder / "features.json").read_text("utf-8"))
        strange = sorted(set(_classes(described)) - _own_classes())
    except (OSError, ValueError, RecursionError) as error:
        reason = f"{error.filename}, {error.strerror}" if isinstance(error, OSError) else str(error).split("\n")[0]
        raise UserError(
            f"The TFDS set cannot be opened: prepare it again. Received: {folder} ({type(error).__name__}: {reason})."
        ) from error
    if strange:
        raise UserError(
            "The features of a TFDS set are of TFDS' own classes: others would be imported, and their code run. "
            f"Received: {', '.join(strange)} in {folder / 'features.json'}."
        )


def _own_classes():
    from tensorflow_datasets import features

    found = (getattr(features, name) for name in dir(features))
    kinds = (kind for kind in found if isinstance(kind, type) and issubclass(kind, features.FeatureConnector))
    return {f"{kind.__module__}.{kind.__name__}" for kind in kinds} | {_OLDER}


def _classes(value):
    """Yields the names of all classes in what a features.json holds, which may hold JSON as text in turn."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in _KEYS and isinstance(inner, str):
                yield inner
            yield from _classes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _classes(inner)
    elif isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            inner = json.loads(value)
        except ValueError:
            return
        yield from _classes(inner)
