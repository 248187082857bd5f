"""Sections of a page as data: text, tables, figures, images, whatever they are of; `odtf.page` makes HTML of them."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Note:
    """A paragraph.

    Attributes:
        text: plain text.
    """

    text: str


@dataclasses.dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        rows: sequences of str, the heading first; of two columns without a heading, where `heading` is False.
        heading: whether the first row is one.
    """

    rows: list
    heading: bool = True


@dataclasses.dataclass(frozen=True)
class Figure:
    """A figure that matplotlib draws.

    Attributes:
        caption: a sentence.
        draw: function from matplotlib's pyplot and `arguments` to the figure, or to None where there is nothing to see.
            Black is `rcParams["text.color"]`: a page may be dark.
        arguments: tuple.
        has_photos: whether it is of images, and so a picture of pixels rather than of lines.
    """

    caption: str
    draw: object
    arguments: tuple = ()
    has_photos: bool = False


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture that was drawn before.

    Attributes:
        caption: a sentence.
        path: of the file.
    """

    caption: str
    path: object


@dataclasses.dataclass(frozen=True)
class Gallery:
    """Images in a row.

    Attributes:
        caption: a sentence.
        images: uint8 array `[n, height, width, 1 or 3]`.
        titles: str for each.
    """

    caption: str
    images: np.ndarray
    titles: tuple


@dataclasses.dataclass(frozen=True)
class Confusion:
    """Which class is taken for which, with the images behind the cells.

    Attributes:
        names: of the classes.
        counts: int array `[classes, classes]`, rows the true class and columns the answer.
        galleries: dict from (row, column) to a `Gallery`.
    """

    names: tuple
    counts: np.ndarray
    galleries: dict


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes:
        title: a few words.
        blocks: tuple of what is above.
        folded: whether it is shown only when asked for.
    """

    title: str
    blocks: tuple
    folded: bool = False
