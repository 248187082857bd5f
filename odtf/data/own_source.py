"""A user's function as a data source: as `odtf.data.sources` describes one, or a simpler one that gives arrays."""

import inspect

from odtf.data import in_process
from odtf.data.dataset import Split
from odtf.data.stores import MemoryStore
from odtf.errors import UserError

# Arguments that are given where they are set.
_FURTHER = ("resize", "channels")


def adapted(function):
    """Returns `open_source` of a function of the user's own.

    Args:
        function: takes those arguments of `open_source` (see `odtf.data.sources`) that it has a use for, maybe none.
            Where a split is to be a `Split` it may give a pair (images, values), or a `tf.data.Dataset`, as
            `odtf.data.from_arrays` takes them; in place of all, the name of another data set.
    """

    def open_source(argument, **wanted):
        given = function(*_positional(function, argument, wanted), **_taken(function, wanted))
        if isinstance(given, str):
            from odtf.data import sources

            open_other, argument = sources.find(given)
            said = {key: wanted[key] for key in _FURTHER if key in wanted}
            own = {key: value for key, value in wanted.items() if key not in said}
            return open_other(argument, **own, **sources.further(open_other, given, **said))
        if unknown := [key for key in _FURTHER if key in wanted and key not in _taken(function, wanted)]:
            from odtf.data import sources

            raise sources.refused(unknown[0], wanted[unknown[0]], _title(function))
        try:
            names, splits = given
            splits = dict(splits)
        except (TypeError, ValueError) as error:
            raise UserError(
                "A data source returns (names, splits): names of classes or (), and {'train': (images, values), ...}. "
                f"Received: {type(given).__name__} from {_title(function)}."
            ) from error
        return names, {part: _split(split, part, wanted["targets"]) for part, split in splits.items()}

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


def _split(split, part, targets):
    if isinstance(split, Split):
        return split
    images, values = in_process.pair(split, part)
    return Split(MemoryStore(images, in_process.values_of(values, targets), targets))


def _title(function):
    return getattr(function, "__name__", repr(function))
