"""Judging a generator: its answers as images in [-1, 1], and pictures beside the figures."""

import pathlib

import numpy as np

from odtf import pictures
from odtf.errors import UserError
from odtf.tasks.study import Reader, Study
from odtf.tflite import flatbuffer

_SHOWN = 6
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
            (0.0, 255.0) if np.issubdtype(kind, np.integer) else _ENDS.get(_last_operator(file.content), (0.0, 255.0))
        )
    limits = np.iinfo(file.output["dtype"])
    low, high = scale * (limits.min - zero_point), scale * (limits.max - zero_point)
    for black, white in ((-1.0, 1.0), (0.0, 1.0), (0.0, 255.0)):
        if max(abs(low - black), abs(high - white)) <= _TOLERANCE * (white - black):
            return black, white
    raise UserError(
        f"A file gives images from -1 to 1, 0 to 1 or 0 to 255. Received: {low:g} to {high:g} in {file.path}."
    )


def _last_operator(content):
    model = flatbuffer.unpack(content)
    graph = model.subgraphs[0]
    made_by = {int(output): op for op in graph.operators for output in op.outputs}
    tensor, name = int(graph.outputs[0]), None
    while tensor in made_by:
        name = flatbuffer.operator_name(model, made_by[tensor])
        if name not in _PASSING:
            break
        tensor = int(made_by[tensor].inputs[0])
    return name


class TranslationStudy(Study):
    """The metrics of the task and, where matplotlib is installed, a picture beside the JSON.

    Args:
        task: `odtf.tasks.Translation`.
        info: `odtf.data.Info` of the data.
    """

    def __init__(self, task, info):
        super().__init__(task, info)
        self._task, self._first = task, []

    def add(self, targets, outputs, other=None):
        super().add(targets, outputs, other)
        if not self._first:
            given = (self._task.pictures(targets), outputs, *(() if other is None else (other,)))
            self._first = [np.array(part[:_SHOWN]) for part in given]

    def write(self, result, path):
        """Writes a picture of some images, their pairs and what the files make of them."""
        if self.pictures is None:
            return []
        targets, outputs, *others = self._first
        answers = {_title(result["against"]["file"]["path"]): one for one in others}
        answers[_title(result["file"]["path"])] = outputs
        images = self.pictures(None, np.arange(len(outputs)))
        path = path.with_suffix(".png")
        return pictures.save(path, self._task.draw, self.info, images, targets, answers, word="picture")


def _title(path):
    """The folder of a file, which is named after its target, and its name."""
    return "/".join(pathlib.Path(path).parts[-2:])
