"""Samples: an image, and the targets beside it."""

from __future__ import annotations

import dataclasses

import numpy as np

from odtf.errors import UserError

_SPATIAL = (None, "nearest", "bilinear")


@dataclasses.dataclass(frozen=True)
class Target:
    """One thing that a sample has beside its image.

    Attributes:
        shape: of one example's value: () for a number, (k,) for k numbers. A spatial target is as high and wide as the
            image: None for `[height, width]`, (None, None, 3) for `[height, width, 3]`, (None, None, None) for as many
            channels as the image has.
        dtype: "int32", "uint8" or "float32".
        spatial: effect of geometry: None for none; "nearest" or "bilinear" if it is moved as the image is, the word
            being how it is resized. Crops and flips only move values, and mix none.
        ignore: value that counts for nothing, and that padding gets; None: padding gets 0.
        apart: whether it is another picture than the image's own, as where two sets of pictures have no pairs: in
            training it is drawn by a shuffle of its own, and moved by draws of its own.

    Raises:
        ValueError: if these do not go together.
    """

    shape: tuple | None = ()
    dtype: str = "int32"
    spatial: str | None = None
    ignore: int | None = None
    apart: bool = False

    def __post_init__(self):
        if self.dtype not in ("int32", "uint8", "float32"):
            raise ValueError(f"dtype must be 'int32', 'uint8' or 'float32'. Received: dtype={self.dtype!r}.")
        if self.spatial not in _SPATIAL:
            raise ValueError(f"spatial must be None, 'nearest' or 'bilinear'. Received: spatial={self.spatial!r}.")
        sides = (None, None) if self.shape is None else tuple(self.shape)
        wanted = sides[:2] == (None, None) and None not in sides[3:] if self.spatial else None not in sides
        if not wanted:
            raise ValueError(
                "The height and width of a spatial target are None, those of the image, and no other target has such."
                f" Received: shape={self.shape!r}, spatial={self.spatial!r}."
            )
        if self.apart and not self.spatial:
            raise ValueError(f"What is apart from the image is a spatial target. Received: spatial={self.spatial!r}.")
        if self.ignore is not None and self.dtype != "float32":
            limits = np.iinfo(self.dtype)
            if not limits.min <= self.ignore <= limits.max:
                raise ValueError(f"ignore must be a value of {self.dtype}. Received: ignore={self.ignore!r}.")

    def __str__(self):
        sides = (None, None) if self.shape is None else self.shape
        channels = ("channels" if side is None else str(side) for side in sides[2:])
        words = ["height", "width", *channels] if self.spatial else map(str, sides)
        parts = [f"{self.dtype} [{', '.join(words)}]"]
        if self.spatial:
            parts.append(self.spatial)
        if self.ignore is not None:
            parts.append(f"{self.ignore} ignored")
        if self.apart:
            parts.append("of another picture")
        return ", ".join(parts)

    @property
    def fill(self) -> int:
        """Value of the padding."""
        return 0 if self.ignore is None else self.ignore

    def array_shape(self, image_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of one example's value beside an image of (height, width, channels)."""
        if not self.spatial:
            return tuple(self.shape or ())
        return (*image_shape[:2], *(image_shape[2] if side is None else side for side in (self.shape or ())[2:]))


# What classification learns from.
LABEL = {"label": Target()}


def as_batch(values):
    """Targets as batches have them: the only one as it is, several as a dict."""
    return next(iter(values.values())) if len(values) == 1 else dict(values)


def check(source, gives, wanted):
    """Checks that a source has the targets that a task wants.

    Args:
        source: str, as an error calls it.
        gives: mapping from a name to `Target`.
        wanted: likewise.

    Raises:
        UserError: if they differ.
    """
    if dict(gives) != dict(wanted):
        has, wants = (", ".join(f"{name} ({t})" for name, t in each.items()) or "none" for each in (gives, wanted))
        raise UserError(
            "Data must have the targets that the task learns from: choose another task, or other data. Received:"
            f" {source} with {has}; wanted: {wants}."
        )


def fitted(name, value, target, shape):
    """Values as an array of their target's type.

    Args:
        name: of the target.
        value: what `np.asarray` takes.
        target: `Target`.
        shape: tuple, what the array must have.

    Returns:
        Array of `shape` and `target.dtype`; `value` itself where it is one.

    Raises:
        UserError: if the shape is another, or the type cannot hold the values.
    """
    given = np.asarray(value)
    if given.shape != tuple(shape) or given.dtype.kind not in "biuf":
        raise UserError(
            f"The target {name!r} must be numbers of shape {tuple(shape)}. Received: {given.dtype} {given.shape}."
        )
    array = given.astype(target.dtype, copy=False)
    if target.dtype != "float32" and array is not given and not np.array_equal(array, given):
        wrong = given[array != given].flat[0]
        raise UserError(f"The target {name!r} must hold values of {target.dtype}. Received: {wrong}.")
    return array
