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

Where it can, `open_source` takes `resize` (one of `odtf.data.framing.MODES`, "stretch" by default) and `channels` (1, 3
or None) too; it is given them where others than these defaults are wanted.

A function of the user's own can be named, as package.module:FUNCTION or FILE.py:FUNCTION, or be given to
`odtf.data.load` itself: one of this form, its argument None, or a simpler one; see `odtf.data.own_source`.
"""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING

from odtf import names as names_lib
from odtf import own_code
from odtf.data.framing import STRETCH
from odtf.data.own_source import adapted
from odtf.data.samples import LABEL
from odtf.errors import UserError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from typing import Any

    from odtf.data.samples import Target


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


def further(open_source, title, resize=STRETCH, channels=None):
    """Returns those further arguments that a source is to be given, a dict; empty where all are its own defaults.

    Args:
        open_source: of a source.
        title: of the data set, for errors.
        resize: one of `odtf.data.framing.MODES`.
        channels: 1, 3 or None.

    Raises:
        UserError: if the source does not take one that is set, or there are no images of so many channels.
    """
    if channels is not None and (isinstance(channels, bool) or channels not in (1, 3)):
        raise UserError(f"channels must be 1, 3 or None, for the data's own. Received: channels={channels!r}.")
    said = {"resize": resize} if resize != STRETCH else {}
    said |= {} if channels is None else {"channels": int(channels)}
    if missing := [key for key in said if not takes(open_source, key)]:
        raise refused(missing[0], said[missing[0]], title)
    return said


def framing_options(
    name: str | Callable[..., Any], targets: Mapping[str, Target], resize: str | None, channels: int | None
) -> dict[str, Any]:
    """Returns those arguments of `odtf.data.load` that bring images to a network as it knows them, a dict.

    Args:
        name: of the data set.
        targets: as for `odtf.data.load`.
        resize: what the network's file says of it; None: nothing.
        channels: that the network takes. A source that has no choice gives what it has.
    """
    open_source, _ = find(name)
    options = {} if resize in (None, STRETCH) or _is_fixed(name) else {"resize": resize}
    has_choice = dict(targets) == LABEL and not (own_code.is_own(name) or callable(name))
    has_choice = has_choice and takes(open_source, "channels")
    return options | ({"channels": channels} if has_choice and channels == 1 else {})


def _is_fixed(name):
    """Whether all images of a set of odtf's own have one size, which no other can be."""
    return isinstance(name, str) and not own_code.is_own(name) and _parsed(name)[0] in ("digits", "memory")


def takes(open_source, key):
    """Whether a source has a further argument; of one's own this shows when it is opened."""
    parameters = inspect.signature(open_source).parameters
    return key in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def refused(key, value, title):
    """Returns the `UserError` of a further argument that a source does not take."""
    return UserError(
        f"{key} is for folders of classes, TFDS sets with labels, and sources of one's own that take it: leave it out. "
        f"Received: {key}={value!r} for {title}."
    )


def open_training(name, labels, *, data_dir, image_size, targets, resize=STRETCH, channels=None):
    """Opens a data set, of which only the training images may be there.

    Where only the images are wanted, a source's function `open_images(argument, *, data_dir, image_size)` returns a
    `Split` of them, without targets; of a source that has none, or of one's own, the targets come too.

    Args:
        name: as for `odtf.data.load`.
        labels: bool, whether the targets are wanted.
        data_dir, image_size, targets, resize: as for `open_source`.
        channels: likewise; left out where the source does not take it.

    Returns:
        Names as of `open_source`, or (), and a `Split` by name.

    Raises:
        UserError: as `open_source`.
    """
    if not labels and not callable(name) and not own_code.is_own(name):
        source, argument = _parsed(name)
        if hasattr(_module(source), "open_images"):
            options = {"image_size": image_size, "resize": resize, "channels": channels}
            return (), {"train": _module(source).open_images(argument, data_dir=data_dir, **options)}
    open_source, argument = find(name)
    said = further(open_source, name, resize, channels if takes(open_source, "channels") else None)
    return open_source(argument, data_dir=data_dir, image_size=image_size, targets=targets, **said)


def download(name: str | Callable[..., Any], data_dir: str | os.PathLike[str] | None = None) -> None:
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
