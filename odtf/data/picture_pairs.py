"""Pictures as targets: which one a task wants, and how an image and its picture are read and exchanged."""

import io

import numpy as np

from odtf.data.decoding import decode, header_size
from odtf.data.samples import Target
from odtf.data.unpaired import COUNTED
from odtf.errors import UserError

# The classes that a map of labels shows, beside the picture that is made from it.
LABELS = Target(None, "uint8", "nearest", 255)


def picture_of(targets):
    """Returns name and `Target` of the picture that a task learns from, or None: it learns from something else.

    Args:
        targets: mapping from a name to `Target`: the picture, alone or with `LABELS`; where it is apart from the image,
            with `odtf.data.unpaired.COUNTED`.
    """
    found = [
        (name, target)
        for name, target in targets.items()
        if target.spatial == "bilinear" and target.dtype == "uint8" and len(target.array_shape((0, 0, 0))) == 3
    ]
    if len(found) != 1:
        return None
    others = [target for target in targets.values() if target != found[0][1]]
    return found[0] if others in ([[COUNTED]] if found[0][1].apart else [[], [LABELS]]) else None


def labels_of(targets):
    """Returns the name of the target that is `LABELS`, or None if there is none."""
    return next((name for name, target in targets.items() if target == LABELS), None)


def channels_of(target, channels=3):
    """Returns the channels of a picture beside an image of `channels`."""
    return target.array_shape((0, 0, channels))[2]


def decode_joined(data, size, channels, name):
    """Decodes a file that holds an image and its picture, side by side.

    Args:
        data: bytes of the file.
        size: (height, width) of a half.
        channels: pair, those of the left half and of the right.
        name: what an error calls the file.

    Returns:
        Two uint8 arrays `[height, width, channels]`: the left half and the right.

    Raises:
        UserError: if it cannot be decoded, or has no two halves.
    """
    shown = joined_size(io.BytesIO(data), name)
    whole = decode(data, name=name)
    if shown is None:  # Decoded all the same, so that there is a header.
        raise UserError(f"An image A|B must be a file of a known form. Received: {name}.")
    middle = whole.shape[1] // 2
    halves = (whole[:, :middle], whole[:, middle:])
    return tuple(_resized(half, size, wanted) for half, wanted in zip(halves, channels, strict=True))


def joined_size(path, name):
    """(height, width) of a half of a file A|B, from its header; None where that cannot be read.

    Raises:
        UserError: if the file has no two halves of one width.
    """
    size = header_size(path)
    if size is None:
        return None
    height, width = size
    if width % 2:
        raise UserError(
            f"An image A|B holds two pictures of one width, side by side. Received: {name}, {height}x{width}."
        )
    return height, width // 2


def _resized(pixels, size, channels):
    from PIL import Image

    image = Image.fromarray(pixels)
    if channels == 1:
        image = image.convert("L")
    if image.size != (size[1], size[0]):
        image = image.resize((size[1], size[0]), Image.Resampling.BICUBIC)
    return np.asarray(image).reshape(*size, channels)


class Exchanged:
    """A store of pairs, the picture for the image and the image for the picture.

    Args:
        store: `MemoryStore`, `FileStore` or the like, whose one target is a picture.

    Raises:
        UserError: if image and picture differ in their channels: the target says what the picture has.
    """

    known = False

    def __init__(self, store):
        self._store, self.targets, self.streaming = store, store.targets, store.streaming
        if len(store.targets) > 1:
            raise UserError(
                "Pairs with the labels of the image cannot be exchanged. "
                f"Received: the targets {', '.join(store.targets)}."
            )
        ((self._name, target),) = store.targets.items()
        self.image_shape = target.array_shape(store.image_shape)
        if self.image_shape != tuple(store.image_shape):
            raise UserError(
                "Pairs can be exchanged where both pictures have as many channels. "
                f"Received: images {tuple(store.image_shape)} and pictures {self.image_shape}."
            )

    def __len__(self):
        return len(self._store)

    def gather(self, rows):
        """uint8 images, and the targets by name, of a tensor of rows."""
        return self._exchanged(*self._store.gather(rows))

    def read(self, rows):
        """`gather` for arrays."""
        return self._exchanged(*self._store.read(rows))

    def read_targets(self, rows):
        """The targets of `read` alone."""
        return {self._name: self._store.read(rows)[0]}

    def record(self, rows):
        """What tells `rows` from others."""
        return self._store.record(rows)

    def readable(self, rows):
        """Those of `rows` that decode."""
        return self._store.readable(rows)

    def in_memory(self, rows):
        """The same of `rows`, in this order, from memory."""
        return Exchanged(self._store.in_memory(rows))

    def _exchanged(self, images, values):
        return values[self._name], {self._name: images}
