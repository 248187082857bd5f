"""Masks: image files whose pixels are classes, as values or as colours."""

import io

import numpy as np

from odtf.data.decoding import decode_target, opened
from odtf.data.samples import Target
from odtf.errors import UserError

# The values of a mask as they are in the file.
_VALUES = Target(None, "int32", "nearest")
_COLORS = Target((None, None, 3), "uint8", "nearest")


def mask_of(targets):
    """Returns name and `Target` of the mask that a task learns from alone, or None: it learns from something else.

    Args:
        targets: mapping from a name to `Target`.
    """
    (name, target), *others = targets.items()
    is_mask = target.spatial == "nearest" and target.dtype != "float32" and target.array_shape((0, 0, 0)) == (0, 0)
    return (name, target) if is_mask and not others else None


def decode_mask(data, table, target, size=None, name="mask"):
    """Decodes a mask into ids of classes.

    Masks of one channel, or of a palette, hold values; those of three channels hold colours. Another size is reached by
    the nearest pixel.

    Args:
        data: bytes of a PNG, BMP or GIF file.
        table: `odtf.data.class_tables.ClassTable`.
        target: `Target` of the mask. What is of no class, and its `ignore` value where the table does not know that,
            become `ignore`.
        size: (height, width), or None for the file's own.
        name: what an error calls the file.

    Returns:
        Array `[height, width]` of the target's type.

    Raises:
        UserError: if the file is no mask, a photograph's format, or holds a value or colour that stands for nothing.
    """
    if _is_colors(data, name):
        if not table.colors:
            raise UserError(
                "A mask of colours needs a table of classes with colours: classes.txt with a NAME R G B a line. "
                f"Received: {name} of three channels and {table.source}."
            )
        pixels = decode_target(data, _COLORS, size, name).astype(np.int32)
        values = (pixels[..., 0] << 16) + (pixels[..., 1] << 8) + pixels[..., 2]
        known = {(r << 16) + (g << 8) + b: i for (r, g, b), i in table.colors.items()}
        return _looked_up(values, known, table, target, name, lambda v: f"the colour {v >> 16, v >> 8 & 255, v & 255}")
    values = decode_target(data, _VALUES, size, name)
    return _looked_up(values, {target.ignore: None, **table.values}, table, target, name, lambda v: f"the value {v}")


def highest_value(masks, ignore):
    """Returns the highest value in masks but for one that counts for nothing: the last class, where nobody names them.

    Args:
        masks: iterable of (bytes of a file, what an error calls it).
        ignore: int.

    Raises:
        UserError: if a file cannot be decoded.
    """
    highest = 0
    for data, name in masks:
        values = decode_target(data, _VALUES, name=name)
        highest = max(highest, int(np.max(values, where=values != ignore, initial=0)))
    return highest


def _is_colors(data, name):
    try:
        with opened(io.BytesIO(data)) as image:
            kind, mode = image.format, image.mode
    except Exception:
        return False  # Refused, with its name, where it is decoded.
    if kind in ("JPEG", "MPO"):
        raise UserError(
            "A mask is a PNG file: JPEG blurs the values of classes into those of others. "
            f"Received: {name}, which is JPEG as photographs are."
        )
    return mode in ("RGB", "RGBA", "CMYK", "YCbCr")


def _looked_up(values, known, table, target, name, shown):
    found, inverse = np.unique(values, return_inverse=True)
    unknown = [value for value in found.tolist() if value not in known]
    if unknown:
        raise UserError(
            f"Every pixel of a mask is of a class, or of none, in {table.source}. "
            f"Received: {shown(unknown[0])} in {name}."
        )
    ids = [known[value] for value in found.tolist()]
    ids = np.array([target.ignore if i is None else i for i in ids], target.dtype)
    return ids[inverse].reshape(values.shape)
