"""Image files to uint8 arrays."""

import io

import numpy as np

from odtf.errors import UserError

EXTENSIONS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")


def decode(data, size=None, channels=3, name="image"):
    """Decodes one PNG, JPEG, BMP or GIF (first frame) image.

    Grey and palette images become RGB, transparency is dropped, 16-bit images keep their upper 8 bits. Another size is
    reached by antialiased bilinear resizing of the whole image, aspect ratio not kept: what MediaPipe does on a phone.

    Args:
        data: bytes of the file.
        size: (height, width), or None for the image's own.
        channels: 1 or 3.
        name: what an error calls the image.

    Returns:
        uint8 array `[height, width, channels]`.

    Raises:
        UserError: if the image cannot be decoded.
    """
    from PIL import Image, ImageOps

    mode = "L" if channels == 1 else "RGB"
    try:
        image = Image.open(io.BytesIO(data))
        if size is not None:
            # A JPEG file is decoded at a fraction of its size, no less than twice the wanted one, where that is enough.
            image.draft(None, (2 * max(size), 2 * max(size)))
        # Turned as its EXIF orientation asks, as every viewer and phone does.
        ImageOps.exif_transpose(image, in_place=True)
        if image.mode.startswith("I"):
            # Pillow clips 16-bit values at 255 instead of scaling them.
            image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
        image.load()
        if image.mode != mode:
            image = image.convert(mode)
        if size is not None and image.size != (size[1], size[0]):
            image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = str(error).split("\n")[0]
        raise UserError(
            f"Corrupt image: replace or remove it, or pass skip_corrupt=True. Received: {name} ({reason})."
        ) from error
    return np.asarray(image).reshape(image.size[1], image.size[0], channels)


def header_size(path):
    """(height, width) from the file's header alone, or None where even that cannot be read."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            width, height = image.size
            quarter_turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    return (width, height) if quarter_turned else (height, width)
