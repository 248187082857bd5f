"""Random parts of JPEG files: only what is wanted of a file is decoded, and becomes an image of the wanted size.

Python reads a file, looks at its header and says which part; the graph decodes it, on all cores. What a decoder in a
graph does not do as Pillow does (other formats, pictures that EXIF turns, four colours, files that end too early) is
decoded whole by Pillow, and cut by the same numbers.
"""

import collections
import dataclasses
import math

import tensorflow as tf

from odtf.data.decoding import decode
from odtf.errors import UserError

# Start of frame: baseline, extended and progressive; what else there is, few decoders know.
_FRAMES = (0xC0, 0xC1, 0xC2)
# A marker without a length behind it.
_BARE = (0x01, *range(0xD0, 0xD9))
_SCALES = (1, 2, 4, 8)
# The last batches that were handed to graphs: functions that read a row with Pillow, and rows.
_handed: collections.deque = collections.deque(maxlen=64)
# Beside the scales: pixels that are decoded already.
_WHOLE = 0


@dataclasses.dataclass(frozen=True)
class Header:
    """What a JPEG file says before its first pixel.

    Attributes:
        height, width: as stored.
        channels: int.
        turned: whether EXIF wants it turned or mirrored.
    """

    height: int
    width: int
    channels: int
    turned: bool


def header(data):
    """Returns the `Header` of the bytes of a file; None where they are no JPEG file of the usual kinds, or cut off."""
    if data[:2] != b"\xff\xd8" or data.rstrip(b"\0")[-2:] != b"\xff\xd9":
        return None
    place, turned = 2, False
    while place + 9 < len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:  # Filling.
            place += 1
            continue
        if marker in _BARE:
            place += 2
            continue
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        if marker in _FRAMES:
            height, width = (int.from_bytes(data[place + i : place + i + 2], "big") for i in (5, 7))
            usual = data[place + 4] == 8 and height and width
            return Header(height, width, data[place + 9], turned) if usual else None
        if marker == 0xE1 and data[place + 4 : place + 10] == b"Exif\0\0":
            turned = turned or _turns(data[place + 4 : place + 2 + length])
        if 0xC0 <= marker <= 0xCF and marker != 0xC4 and marker != 0xCC:
            return None
        place += 2 + length
    return None


def _turns(exif):
    from PIL import Image

    found = Image.Exif()
    try:
        found.load(exif)
        return found.get(0x0112, 1) != 1
    except Exception:  # Damaged: the picture may be sound, and Pillow sees to it.
        return True


def window(numbers, height, width, area, ratio):
    """Returns the part that numbers choose of an image, as `odtf.data.random_crop.transforms` does, in whole pixels.

    Args:
        numbers: four floats in [0, 1).
        height, width: of the image in its file.
        area, ratio: as of `random_crop.transforms`.

    Returns:
        (top, left, height, width), int.
    """
    share = area[0] + float(numbers[0]) * (area[1] - area[0])
    shape = math.exp(math.log(ratio[0]) + float(numbers[1]) * (math.log(ratio[1]) - math.log(ratio[0])))
    high = min(height, max(1, round(math.sqrt(share * height * width / shape))))
    wide = min(width, max(1, round(math.sqrt(share * height * width * shape))))
    # 0 to the last place, all equally often.
    return int(float(numbers[2]) * (height - high + 1)), int(float(numbers[3]) * (width - wide + 1)), high, wide


def wanted(data, numbers, shape, area, ratio, name):
    """Says what the graph is to decode of a file.

    Args:
        data: bytes of the file.
        numbers, area, ratio: as for `window`.
        shape: (height, width, channels) of the image that is wanted.
        name: what an error calls the file.

    Returns:
        What `decoded` takes of one image: bytes, four integers, and one of `_SCALES` or `_WHOLE`.

    Raises:
        UserError: if the file cannot be decoded.
    """
    found = header(data)
    if found is None or found.turned or found.channels not in (1, 3):
        return _by_pillow(data, numbers, shape, area, ratio, name)
    top, left, high, wide = window(numbers, found.height, found.width, area, ratio)
    # A decoder makes every second, fourth or eighth pixel for less, and averages while it does.
    scale = max(s for s in _SCALES if s == 1 or (high >= s * shape[0] and wide >= s * shape[1]))
    height, width = -(-found.height // scale), -(-found.width // scale)
    high, wide = min(height, max(1, round(high / scale))), min(width, max(1, round(wide / scale)))
    place = min(height - high, top // scale), min(width - wide, left // scale), high, wide
    return data, place, scale


def _by_pillow(data, numbers, shape, area, ratio, name):
    from PIL import Image

    pixels = decode(data, None, shape[2], name)
    top, left, high, wide = window(numbers, *pixels.shape[:2], area, ratio)
    image = Image.fromarray(pixels if shape[2] == 3 else pixels[..., 0]).crop((left, top, left + wide, top + high))
    scaled = image.resize((shape[1], shape[0]), Image.Resampling.BILINEAR)
    return scaled.tobytes(), (0, 0, *shape[:2]), _WHOLE


def decoded(contents, places, scales, shape):
    """Decodes the parts of a batch, in a graph.

    Args:
        contents: string tensor `[n]`.
        places: int32 tensor `[n, 4]`.
        scales: int32 tensor `[n]`.
        shape: (height, width, channels) of the images.

    Returns:
        uint8 tensor `[n, height, width, channels]`.
    """

    def at(scale):
        def part(content, place):
            return _resized(tf.image.decode_and_crop_jpeg(content, place, channels=shape[2], ratio=scale), shape)

        return part

    def whole(content, place):
        return tf.reshape(tf.io.decode_raw(content, tf.uint8), shape)

    kinds = (whole, *map(at, _SCALES))

    def one(given):
        content, place, scale = given
        branch = tf.argmax(tf.cast(tf.equal(scale, (_WHOLE, *_SCALES)), tf.int32), output_type=tf.int32)
        return tf.switch_case(branch, [lambda kind=kind: kind(content, place) for kind in kinds])

    signature = tf.TensorSpec(shape, tf.uint8)
    return tf.map_fn(one, (contents, places, scales), fn_output_signature=signature, parallel_iterations=1)


def _resized(part, shape):
    """A part in the wanted size; the centres of the pixels decide, as in Pillow."""
    pixels = tf.raw_ops.ResizeBilinear(images=part[tf.newaxis], size=shape[:2], half_pixel_centers=True)
    return tf.ensure_shape(tf.cast(pixels[0] + 0.5, tf.uint8), shape)


def handing(read_one, rows):
    """Notes which files a graph is about to decode, for `error_of`.

    Args:
        read_one: function of a row that raises `UserError`, with the name of the file, for a corrupt one.
        rows: iterable of int.
    """
    _handed.append((read_one, tuple(map(int, rows))))


def error_of(text):
    """Returns the `UserError` of a graph's decoder, which does not know the names of files; None if it is none of it.

    Args:
        text: of TensorFlow's error.
    """
    if "Invalid JPEG data" not in text:
        return None
    for read_one, rows in reversed(_handed.copy()):
        for row in rows:
            try:
                read_one(row)
            except UserError as error:
                # The file was there a moment ago: one that is gone belongs to an earlier pipeline.
                if str(error).startswith("Corrupt image"):
                    return error
    return UserError(
        "Corrupt image: replace or remove it, or pass skip_corrupt=True. "
        "Received: a JPEG file that TensorFlow cannot decode."
    )
