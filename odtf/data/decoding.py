"""Image files to arrays: pictures, and targets that are pictures."""

import contextlib
import functools
import io
import warnings

import numpy as np

from odtf import paths
from odtf.data.framing import STRETCH, framed
from odtf.data.samples import fitted
from odtf.errors import UserError

EXTENSIONS = (".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".webp")
# What a file may be by its content, whatever its name: Pillow knows more, and runs other programs for some.
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "WEBP", "AVIF")
# Containers of ISO's media format say in their first bytes what they hold.
_BRANDS = {b"avif": "AVIF", b"avis": "AVIF"}
_BRANDS |= dict.fromkeys((b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"), "HEIC")
_INSTEAD = {"AVIF": "which needs Pillow 11.3 or newer", "HEIC": "which is not read: save it as JPEG"}
# How Pillow turns an image upright, by the values of EXIF's orientation; 1 is upright.
_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
# Of EXIF only the orientation is wanted, and a picture without one is upright.
warnings.filterwarnings("ignore", message="Corrupt EXIF data", category=UserWarning)


def opened(file):
    """Opens an image file of a known format, to its header.

    Args:
        file: path of a regular file, or a binary file object.

    Returns:
        `PIL.Image.Image`.

    Raises:
        Exception: whatever Pillow raises for what is none; `naming` tells it.
    """
    from PIL import Image

    if not hasattr(file, "read"):
        paths.check_regular(file)
        file = paths.at(file).open("rb") if paths.is_store(file) else file
    try:
        return Image.open(file, formats=_formats())
    except Image.UnidentifiedImageError as error:
        if (brand := _brand(file)) is not None:
            raise ValueError(f"by its content it is {brand}, {_INSTEAD[brand]}") from error
        raise ValueError(f"by its content it is none of {', '.join(_FORMATS)}") from error


@functools.cache
def _formats():
    """Those of `_FORMATS` that this Pillow was built with."""
    from PIL import features

    return tuple(form for form in _FORMATS if form not in ("WEBP", "AVIF") or features.check(form.lower()))


def _brand(file):
    """ "AVIF" or "HEIC" for what begins like one, else None."""
    if hasattr(file, "read"):
        file.seek(0)
        head = file.read(12)
    else:
        with open(file, "rb") as opened_file:
            head = opened_file.read(12)
    return _BRANDS.get(head[8:12]) if head[4:8] == b"ftyp" else None


def decode(data, size=None, channels=3, name="image", how="bilinear", resize=STRETCH):
    """Decodes one PNG, JPEG, WebP, AVIF, BMP or GIF image, of an animation the first frame.

    Grey and palette images become RGB, transparency is dropped, 16-bit images keep their upper 8 bits. Another size is
    reached by antialiased resizing, if not told otherwise of the whole image, aspect ratio not kept, and bilinear, as
    MediaPipe does it on a phone.

    Args:
        data: bytes of the file.
        size: (height, width), or None for the image's own.
        channels: 1 or 3.
        name: what an error calls the image.
        how: "bilinear" or "bicubic".
        resize: one of `odtf.data.framing.MODES`.

    Returns:
        uint8 array `[height, width, channels]`.

    Raises:
        UserError: if the image cannot be decoded.
    """
    from PIL import Image

    mode = "L" if channels == 1 else "RGB"
    with naming(name):
        image = opened(io.BytesIO(data))
        if size is not None and how == "bilinear":
            # A JPEG file is decoded at a fraction of its size, no less than twice the wanted one, where that is enough.
            image.draft(None, (2 * max(size), 2 * max(size)))
        image = _upright(image)
        if image.mode.startswith("I"):
            # Pillow clips 16-bit values at 255 instead of scaling them.
            image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
        if image.mode != mode:
            image = image.convert(mode)
        if size is not None:
            image = framed(image, size, resize, how)
        return np.asarray(image).reshape(image.size[1], image.size[0], channels)


def decode_target(data, target, size=None, name="image"):
    """Decodes an image file that is a spatial target: a mask, a depth map, another picture.

    One channel keeps the values of the file: indices of a palette, all 16 bits. Another size is reached as the target
    says: by the nearest pixel, or bilinearly as `decode` does it.

    Args:
        data: bytes of the file.
        target: `Target`, spatial, of one channel or of three.
        size: (height, width), or None for the file's own.
        name: what an error calls the file.

    Returns:
        Array `[height, width]`, or `[height, width, channels]` if the target's shape has channels, of its type.

    Raises:
        UserError: if the file cannot be decoded, or has several channels where one is wanted.
    """
    channels = (target.array_shape((0, 0, 3))[2:] or (1,))[0]
    if channels == 3 and target.spatial == "bilinear":
        return fitted(name, pixels := decode(data, size, 3, name), target, pixels.shape)
    with naming(name):
        image = _upright(opened(io.BytesIO(data)))
        pixels = np.asarray(image.convert("RGB") if channels == 3 else image)
    if pixels.ndim != (2 if channels == 1 else 3):
        raise UserError(f"A target must be an image of one channel, or of a palette. Received: {name}, {image.mode}.")
    if size is not None and pixels.shape[:2] != tuple(size):
        pixels = _resized(pixels, size, target.spatial)
    return fitted(name, pixels, target, pixels.shape).reshape(target.array_shape(pixels.shape))


def _resized(pixels, size, how):
    """`[height, width]` or `[height, width, 3]` to another size; the centres of the pixels decide, as in Pillow."""
    from PIL import Image

    if how == "nearest":
        rows, columns = (
            (2 * np.arange(new) + 1) * old // (2 * new) for new, old in zip(size, pixels.shape, strict=False)
        )
        return pixels[rows][:, columns]
    image = Image.fromarray(pixels if pixels.dtype == np.uint8 else pixels.astype(np.float32))
    resized = np.asarray(image.resize((size[1], size[0]), Image.Resampling.BILINEAR))
    return resized if pixels.dtype == np.uint8 else np.rint(resized)


@contextlib.contextmanager
def naming(name):
    """Turns what Pillow raises into a `UserError` that says which image it was.

    A damaged file makes its decoders raise anything, such as TypeError, struct.error or zlib.error.
    """
    try:
        yield
    except Exception as error:
        reason = str(error).split("\n")[0] or type(error).__name__
        raise UserError(
            f"Corrupt image: replace or remove it, or pass skip_corrupt=True. Received: {name} ({reason})."
        ) from error


def _upright(image):
    """Returns an image decoded, and turned as its EXIF orientation asks, as every viewer and phone does."""
    from PIL import Image

    image.load()  # Before EXIF, for which a PNG file would be decoded too.
    turn = _TURNS.get(_orientation(image))
    return image if turn is None else image.transpose(Image.Transpose[turn])


def _orientation(image):
    """EXIF's orientation; 1 where it cannot be read, however EXIF is damaged: the picture may be sound."""
    try:
        value = image.getexif().get(0x0112, 1)
    except Exception:
        return 1
    return value if isinstance(value, int) else 1


def header_size(path):
    """(height, width) from the header of a file, or a file object, alone; None where even that cannot be read."""
    try:
        with opened(path) as image:
            width, height = image.size
            quarter_turned = _orientation(image) in (5, 6, 7, 8)
    except Exception:
        return None
    return (width, height) if quarter_turned else (height, width)


def check_sizes(image, other, image_name, other_name, word):
    """Refuses what belongs to an image, and is not of its size.

    Args:
        image: bytes of a file.
        other: bytes of a file, such as a mask.
        image_name: what an error calls it.
        other_name: likewise.
        word: the kind of the other, as in "mask".

    Raises:
        UserError: naming both.
    """
    sizes = header_size(io.BytesIO(image)), header_size(io.BytesIO(other))
    # What has no header to read is refused where it is decoded.
    if None not in sizes and sizes[0] != sizes[1]:
        (height, width), (high, wide) = sizes
        raise UserError(
            f"A {word} has the size of its image. Received: {other_name} of {high}x{wide} beside {image_name} of "
            f"{height}x{width}."
        )


def common_size(files):
    """Returns the (height, width) that images have in common.

    Raises:
        UserError: if they have several, or none is an image.
    """
    # Files whose header cannot be read are reported, or skipped, where images are decoded.
    sizes = {}
    for file in files:
        size = header_size(file)
        if size:
            sizes.setdefault(size, file)
        if len(sizes) > 1:
            seen = ", ".join(f"{height}x{width} ({path})" for (height, width), path in sizes.items())
            raise UserError(f"Images differ in size: give image_size to resize them. Received: {seen}.")
    if not sizes:
        raise UserError(f"None of the {len(files)} files is an image. Received: {files[0]}.")
    return next(iter(sizes))


def read(path):
    """Returns the bytes of a regular file.

    Raises:
        UserError: if it is none, or cannot be read.
    """
    try:
        paths.check_regular(path)
        return paths.at(path).read_bytes()
    except OSError as error:
        raise UserError(
            f"An image cannot be read: replace or remove it, or pass skip_corrupt=True. Received: {path}"
            f" ({error.strerror})."
        ) from error
