"""Judging a generator: its answers as images in [-1, 1], and pictures beside the figures."""

import numpy as np

from odtf.errors import UserError
from odtf.tasks.study import PictureStudy, Reader
from odtf.tflite import flatbuffer

# What may stand between the operator that makes the image and the output.
_PASSING = ("QUANTIZE", "DEQUANTIZE", "RESHAPE", "CAST")
# By the operator that makes a float image, its (black, white); others end in pixels.
_ENDS = {"TANH": (-1.0, 1.0), "LOGISTIC": (0.0, 1.0)}
_TOLERANCE = 0.05


class ImageReader(Reader):
    """Makes images in [-1, 1] of the answers of a file.

    Its output says in what range they are: by its scale and zero point where it is quantised; else by its last
    operator, TANH from -1 to 1, LOGISTIC from 0 to 1, and any other from 0 to 255.

    Args:
        channels: of the pictures of the data.
        file: `odtf.evaluation.ImageFile`.

    Raises:
        UserError: if the file gives no image of its input's size with as many channels, or one of an unknown range.
    """

    def __init__(self, channels, file):
        shape, wanted = tuple(int(size) for size in file.output["shape"]), (1, *file.image_size, channels)
        if shape != wanted:
            raise UserError(f"A file for these data gives an image, {wanted}. Received: {shape} in {file.path}.")
        self._black, self._white = _range_of(file)
        self.facts = {"output": f"an image, {self._black:g} to {self._white:g}"}

    def __call__(self, answers):
        return 2.0 * (answers - self._black) / (self._white - self._black) - 1.0


def _range_of(file):
    scale, zero_point = file.output["quantization"]
    if not scale:
        kind = file.output["dtype"]
        return (
            (0.0, 255.0)
            if np.issubdtype(kind, np.integer)
            else _ENDS.get(flatbuffer.last_operator(file.content, _PASSING), (0.0, 255.0))
        )
    limits = np.iinfo(file.output["dtype"])
    low, high = scale * (limits.min - zero_point), scale * (limits.max - zero_point)
    for black, white in ((-1.0, 1.0), (0.0, 1.0), (0.0, 255.0)):
        if max(abs(low - black), abs(high - white)) <= _TOLERANCE * (white - black):
            return black, white
    raise UserError(
        f"A file gives images from -1 to 1, 0 to 1 or 0 to 255. Received: {low:g} to {high:g} in {file.path}."
    )


class TranslationStudy(PictureStudy):
    """The metrics of the task and, where matplotlib is installed, a picture beside the JSON.

    Args:
        task: `odtf.tasks.Translation`.
        info: `odtf.data.Info` of the data.
    """

    def truth(self, targets):
        return self._task.pictures(targets)
