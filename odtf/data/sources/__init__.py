"""Sources of images, one a file; `odtf.data.load` makes the splits that a source lacks.

A source's file has a docstring that says what it reads, `FORM`, the name of a data set as an error quotes it, and one
function::

    def open_source(argument, *, data_dir, image_size, targets):
        return names, splits

Args: `argument`, what follows the file's name and a colon in the data set's name; `data_dir`, a folder or None;
`image_size`, (height, width) or None; `targets`, a mapping from a name to `odtf.data.Target`, what the task wants of
each image. It returns names for the values of integer targets, such as classes, or (), and a `Split` by name: "train",
and "validation" and "test" if there are such. It raises `UserError` where it cannot give what is wanted. Any function
of this form can be given to `odtf.data.load` in place of a name.
"""

import importlib
import pkgutil

from odtf.errors import UserError

# Reads all that is no other source's.
_FALLBACK = "tfds"


def names():
    """Returns the names of all sources, sorted; imports none of them."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def find(name):
    """Finds the source of a data set.

    Args:
        name: "SOURCE", "SOURCE:ARGUMENT", what the fallback takes for its argument, or an `open_source` itself.

    Returns:
        `open_source` and its argument, a str; None for one that was given.

    Raises:
        UserError: if it is neither text nor a function.
    """
    if callable(name):
        return name, None
    if not isinstance(name, str) or not name:
        raise unknown(name)
    source, _, argument = name.partition(":")
    if source not in names():
        source, argument = _FALLBACK, name
    return _module(source).open_source, argument


def unknown(name):
    """Returns the `UserError` of a data set that no source knows, which lists what there is."""
    forms = [_module(source).FORM for source in names() if source != _FALLBACK]
    return UserError(f"A data set is {', '.join(forms)} or {_module(_FALLBACK).FORM}. Received: {name!r}.")


def _module(source):
    return importlib.import_module(f"{__name__}.{source}")
