"""A user's function as a data source: as `odtf.data.sources` describes one, or a simpler one that gives arrays."""

import inspect

from odtf.data.dataset import Split
from odtf.data.stores import MemoryStore
from odtf.errors import UserError


def adapted(function):
    """Returns `open_source` of a function of the user's own.

    Args:
        function: takes those arguments of `open_source` (see `odtf.data.sources`) that it has a use for, maybe none.
            Where a split is to be a `Split` it may give arrays, (images, values): images uint8
            `[n, height, width, channels]`; values of the task's one target, an array `[n, ...]`, or of several by name.
    """

    def open_source(argument, **wanted):
        given = function(*_positional(function, argument, wanted), **_taken(function, wanted))
        try:
            names, splits = given
            splits = dict(splits)
        except (TypeError, ValueError) as error:
            raise UserError(
                "A data source returns (names, splits): names of classes or (), and {'train': (images, values), ...}. "
                f"Received: {type(given).__name__} from {_title(function)}."
            ) from error
        return names, {part: _split(split, part, function, wanted["targets"]) for part, split in splits.items()}

    return open_source


def _positional(function, argument, wanted):
    """What goes before the keywords: the argument of `open_source`, if the first parameter is for it."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    first = next(iter(inspect.signature(function).parameters.values()), None)
    return [argument] if first is not None and first.kind in kinds and first.name not in wanted else []


def _taken(function, wanted):
    parameters = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return wanted
    return {key: value for key, value in wanted.items() if key in parameters}


def _split(split, part, function, targets):
    if isinstance(split, Split):
        return split
    if not isinstance(split, tuple) or len(split) != 2:
        raise UserError(
            f"The split {part!r} of a data source is (images, values). Received: {type(split).__name__} from "
            f"{_title(function)}."
        )
    images, values = split
    values = values if isinstance(values, dict) else dict.fromkeys(targets, values)
    return Split(MemoryStore(images, values, targets))


def _title(function):
    return getattr(function, "__name__", repr(function))
