"""Sources of images, one a file; `odtf.data.load` makes the splits that a source lacks.

A source's file has a docstring that says what it reads, `FORM`, the name of a data set as an error quotes it, and one
function::

    def open_source(argument, *, data_dir, image_size, targets):
        return names, splits

Args: `argument`, what follows the file's name and a colon in the data set's name; `data_dir`, a folder or None;
`image_size`, (height, width) or None; `targets`, a mapping from a name to `odtf.data.Target`, what the task wants of
each image. It returns names for the values of integer targets, such as classes, or (), and a `Split` by name: "train",
and "validation" and "test" if there are such. Names that have colours are `odtf.data.Names`. It raises
`UserError` where it cannot give what is wanted. What a split's store says of its images by `record(rows)`, see
`odtf.data.records`, is compared whenever a run that learned from them is opened. Where images may lie without targets,
the file may have a function `open_images` too, see `open_training`.

A function of the user's own can be named, as package.module:FUNCTION or FILE.py:FUNCTION, or be given to
`odtf.data.load` itself: one of this form, its argument None, or a simpler one; see `odtf.data.own_source`.
"""

import importlib

from odtf import names as names_lib
from odtf import own_code
from odtf.data.own_source import adapted
from odtf.errors import UserError


def names():
    """Returns the names of all sources, sorted; imports none of them."""
    return names_lib.sources()


def find(name):
    """Finds the source of a data set.

    Args:
        name: "SOURCE", "SOURCE:ARGUMENT", what the fallback takes for its argument, the name of own code, or a
            function itself.

    Returns:
        `open_source` and its argument, a str; None for one of the user's own.

    Raises:
        UserError: if it is neither text nor a function, or there is no such own code.
    """
    if own_code.is_own(name):
        return adapted(own_code.find(name, "a data source")), None
    if callable(name):
        return adapted(name), None
    source, argument = _parsed(name)
    return _module(source).open_source, argument


def _parsed(name):
    """Returns the source of odtf's own that a name is for, and its argument."""
    if not isinstance(name, str) or not name:
        raise unknown(name)
    source, _, argument = name.partition(":")
    return (source, argument) if source in names() else (names_lib.FALLBACK, name)


def open_training(name, labels, *, data_dir, image_size, targets):
    """Opens a data set, of which only the training images may be there.

    Where only the images are wanted, a source's function `open_images(argument, *, data_dir, image_size)` returns a
    `Split` of them, without targets; of a source that has none, or of one's own, the targets come too.

    Args:
        name: as for `odtf.data.load`.
        labels: bool, whether the targets are wanted.
        data_dir, image_size, targets: as for `open_source`.

    Returns:
        Names as of `open_source`, or (), and a `Split` by name.

    Raises:
        UserError: as `open_source`.
    """
    if not labels and not callable(name) and not own_code.is_own(name):
        source, argument = _parsed(name)
        if hasattr(_module(source), "open_images"):
            return (), {"train": _module(source).open_images(argument, data_dir=data_dir, image_size=image_size)}
    open_source, argument = find(name)
    return open_source(argument, data_dir=data_dir, image_size=image_size, targets=targets)


def download(name, data_dir=None):
    """Downloads and prepares a data set that is not there; for one that needs no download, nothing is done.

    Its source has a function `download(argument, data_dir)` for it.

    Args:
        name: as for `odtf.data.load`.
        data_dir: likewise.

    Raises:
        UserError: if that fails.
    """
    if callable(name) or own_code.is_own(name):
        return
    source, argument = _parsed(name)
    if hasattr(_module(source), "download"):
        _module(source).download(argument, data_dir)


def unknown(name):
    """Returns the `UserError` of a data set that no source knows, which lists what there is."""
    return UserError(f"A data set is {names_lib.data_sets()}. Received: {name!r}.")


def _module(source):
    return importlib.import_module(f"{__name__}.{source}")
