"""Images of any shape brought to one size: stretched, fitted with padding, or cropped about their centre."""

from odtf.errors import UserError

# By name, with what it is: configs, files and model cards speak of it.
MODES = {
    "stretch": "stretched to the size, its aspect ratio not kept",
    "fit": "shrunk or enlarged until all of it fits into the size, centred on black",
    "crop": "cropped to the largest part about its centre that has the shape of the size, and resized to that",
}
STRETCH = "stretch"


def check_mode(value, name="resize"):
    """Returns `value`, if it is one of `MODES`.

    Raises:
        UserError: if it is none.
    """
    if value not in MODES:
        raise UserError(f"{name} must be one of {', '.join(MODES)}. Received: {name}={value!r}.")
    return value


def framed(image, size, mode=STRETCH, how="bilinear"):
    """Returns an image in another size, antialiased.

    Args:
        image: `PIL.Image.Image`.
        size: (height, width).
        mode: one of `MODES`; the same for an image of the shape of `size`.
        how: "bilinear" or "bicubic".
    """
    from PIL import Image, ImageOps

    wide = size[1], size[0]
    if image.size == wide:
        return image
    filter_ = Image.Resampling[how.upper()]
    if mode == "fit":
        return ImageOps.pad(image, wide, filter_, color=0)
    if mode == "crop":
        return ImageOps.fit(image, wide, filter_)
    return image.resize(wide, filter_)


def note(mode):
    """Returns a sentence for those who use a file, or None where nothing is to be said: images are stretched."""
    return None if mode == STRETCH else f"An image of another shape is {MODES[mode]}."
