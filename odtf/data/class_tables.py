"""Tables of what the values, or colours, of a mask stand for: from a file, or of a known layout."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from odtf.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any


# Names of what is no class: such pixels count for nothing.
_VOID = ("void", "ignore", "ignored", "unlabeled", "unlabelled", "unknown")
FILES = ("classes.txt", "label_colors.txt")
_COLOR = r"(?P<red>\d{1,3})[\s,;]+(?P<green>\d{1,3})[\s,;]+(?P<blue>\d{1,3})"
_FORMS = rf"{_COLOR}[\s,;]+(?P<name>\S.*)", rf"(?P<name>\S.*?)[\s,;]+{_COLOR}"


class Names(tuple):
    """Names of the values of integer targets, a tuple of str, with their colours.

    Attributes:
        colors: tuple of (red, green, blue), 0 to 255, as many as there are names; empty where none are known.
        notes: tuple of str, what a source has to say of its data: what it passed over.
    """

    colors: tuple[tuple[int, ...], ...] = ()
    notes: tuple[str, ...] = ()

    def __new__(cls, names: Iterable[Any], colors: Iterable[Sequence[int]] = (), notes: Sequence[str] = ()) -> Names:
        self = super().__new__(cls, (str(name) for name in names))
        self.colors = tuple(tuple(int(v) for v in color) for color in colors)
        self.notes = tuple(notes)
        return self


@dataclasses.dataclass(frozen=True)
class ClassTable:
    """What masks of a data set hold.

    Attributes:
        names: `Names` of the classes, in the order of the ids that a network learns.
        values: mapping from a value of a mask to the id of its class; None for what counts for nothing.
        colors: mapping from (red, green, blue) likewise, for masks that are colours; empty where there are none.
        source: str, where it is from, for errors.
    """

    names: Names
    values: dict
    colors: dict
    source: str


def from_rows(rows, source):
    """Makes a table of the classes of a set, in the order of the values in its masks.

    Args:
        rows: list of (name, color), color None where it has none; a name such as "void" is of no class.
        source: as in `ClassTable`.

    Returns:
        `ClassTable`.

    Raises:
        UserError: if there are fewer than 2 classes, more than 255, or a name or colour stands twice.
    """
    classes = [(name, color) for name, color in rows if name.lower() not in _VOID]
    if not 2 <= len(classes) <= 255:
        raise UserError(f"A table of classes has 2 to 255 of them. Received: {source} with {len(classes)}.")
    for what, values in (("name", [row[0] for row in rows]), ("colour", [row[1] for row in rows if row[1]])):
        if twice := [value for value in values if values.count(value) > 1]:
            raise UserError(f"A table of classes has every {what} once. Received: {source} with {twice[0]} twice.")
    ids = {name: i for i, (name, _) in enumerate(classes)}
    colors = [color for _, color in classes]
    return ClassTable(
        Names(ids, colors if None not in colors else ()),
        {value: ids.get(name) for value, (name, _) in enumerate(rows)},
        {color: ids.get(name) for name, color in rows if color},
        source,
    )


def from_file(path):
    """Reads a table of classes: one a line, in the order of the values, the colour before or after the name.

    "Sky", "Sky 128 128 128", "128 128 128  Sky" and commas are understood; lines that are empty or begin with # are
    not counted. A name such as "Void" is of no class: its pixels count for nothing.

    Args:
        path: `pathlib.Path`.

    Returns:
        `ClassTable`.

    Raises:
        UserError: if the file cannot be read, a line is no class, or as `from_rows`.
    """
    try:
        lines = path.read_text("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"A table of classes is a text file that can be read. Received: {path} ({error}).") from error
    rows = [_row(line, path) for line in lines if line.strip() and not line.strip().startswith("#")]
    return from_rows(rows, str(path))


def _row(line, path):
    line = line.strip()
    found = next(filter(None, (re.fullmatch(form, line) for form in _FORMS)), None)
    if found is None:
        return line, None
    color = tuple(int(found[channel]) for channel in ("red", "green", "blue"))
    if max(color) > 255:
        raise UserError(f"A colour is three numbers from 0 to 255. Received: {line!r} in {path}.")
    return found["name"], color


def numbered(highest, palette, source):
    """Makes a table of masks that nothing is said about: class 0 to the highest value there is.

    Args:
        highest: int.
        palette: list of colours of the values, or None.
        source: as in `ClassTable`.
    """
    colors = [tuple(color) for color in palette or ()][: highest + 1]
    # An unused palette repeats its last colour.
    known = len(colors) == highest + 1 == len(set(colors))
    return from_rows([(f"class {i}", colors[i] if known else None) for i in range(highest + 1)], source)


# Names, ids in the files and colours of the 19 classes that are evaluated; every other id is of none
# (mcordts/cityscapesScripts, helpers/labels.py).
_CITYSCAPES = (
    ("road", 7, (128, 64, 128)),
    ("sidewalk", 8, (244, 35, 232)),
    ("building", 11, (70, 70, 70)),
    ("wall", 12, (102, 102, 156)),
    ("fence", 13, (190, 153, 153)),
    ("pole", 17, (153, 153, 153)),
    ("traffic light", 19, (250, 170, 30)),
    ("traffic sign", 20, (220, 220, 0)),
    ("vegetation", 21, (107, 142, 35)),
    ("terrain", 22, (152, 251, 152)),
    ("sky", 23, (70, 130, 180)),
    ("person", 24, (220, 20, 60)),
    ("rider", 25, (255, 0, 0)),
    ("car", 26, (0, 0, 142)),
    ("truck", 27, (0, 0, 70)),
    ("bus", 28, (0, 60, 100)),
    ("train", 31, (0, 80, 100)),
    ("motorcycle", 32, (0, 0, 230)),
    ("bicycle", 33, (119, 11, 32)),
)
_VOC = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


def cityscapes(train_ids=False):
    """Returns the table of Cityscapes, for files of label ids 0 to 33, or of train ids 0 to 18."""
    names, ids, colors = zip(*_CITYSCAPES, strict=True)
    values = (
        {i: i for i in range(19)} if train_ids else {**dict.fromkeys(range(34)), **{v: i for i, v in enumerate(ids)}}
    )
    return ClassTable(Names(names, colors), values, {}, "the classes of Cityscapes")


def voc():
    """Returns the table of PASCAL VOC: 21 classes, whose colours are a function of their ids."""

    def color(i):
        # The bits of the id, three at a time, fill the channels from the top (VOCdevkit, VOClabelcolormap.m).
        return tuple(sum((i >> (3 * j + c) & 1) << (7 - j) for j in range(3)) for c in range(3))

    return from_rows([(name, color(i)) for i, name in enumerate(_VOC)], "the classes of PASCAL VOC")


def pets():
    """Returns the table of Oxford-IIIT Pet's trimaps: 1 is the animal, 2 the background, 3 its border."""
    names = Names(("pet", "background", "border"), ((128, 0, 0), (0, 0, 0), (224, 224, 192)))
    return ClassTable(names, {1: 0, 2: 1, 3: 2}, {}, "the classes of Oxford-IIIT Pet")
