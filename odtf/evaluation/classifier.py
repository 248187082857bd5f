"""A TFLite file of anybody's as a classifier of uint8 images."""

import pathlib

import numpy as np

from odtf.errors import UserError
from odtf.evaluation import pixels
from odtf.tflite import flatbuffer, metadata_reader
from odtf.tflite.runner import Runner

# What may stand between the operator that makes the scores and the output.
_PASSING = ("QUANTIZE", "DEQUANTIZE", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "CAST")
_SMALLEST = 1e-7


class Classifier:
    """A TFLite file with one image input `[1, height, width, 1 or 3]` and one output of scores.

    Args:
        path: the file.
        given: `Pixels`, what the user says of a file that does not say it itself; or None.
        scores: "logits" or "probabilities"; None: probabilities where softmax or a sigmoid makes them, else logits.
        num_threads: threads that LiteRT may use.

    Attributes:
        image_size: (height, width).
        channels: 1 or 3.
        num_outputs: how many classes it tells apart; 2 where its one score is the second class's.
        pixels: `Pixels`, with where they are from in `source`.
        scores: "logits" or "probabilities".
        labels: list of the names of its classes from its metadata, or None.

    Raises:
        UserError: if the file is no such classifier, or does not say how it takes pixels and nobody else does.
    """

    def __init__(self, path, *, given=None, scores=None, num_threads=1):
        self.path = str(path)
        try:
            content = pathlib.Path(path).read_bytes()
            self._runner = Runner(content, num_threads)
        except OSError as error:
            raise UserError(f"A TFLite file is needed; {error.strerror}. Received: {path}.") from error
        except ValueError as error:
            reason = str(error).strip().splitlines()[0]
            raise UserError(f"A TFLite classifier is needed, one input and one output; {reason}: {path}.") from error
        self.bytes = len(content)
        self.image_size, self.channels = self._check_input()
        normalization, self.labels = metadata_reader.read(content)
        self._said = pixels.from_file(normalization, self._runner.input)
        self.pixels = self._said or given or self._ask()
        if len(self.pixels.scale) not in (1, self.channels):
            raise UserError(
                f"The file takes images of {self.channels} channels. Received: {self.pixels.source}, {self.path}."
            )
        self.scores = scores or _kind_of_scores(content)
        self._single, self.num_outputs = self._check_output()

    @property
    def says_pixels(self):
        """Whether the file itself says how it takes pixels; what is given besides is then not used."""
        return self._said is not None

    def probabilities(self, images):
        """Probabilities of the classes.

        Args:
            images: uint8 array `[n, height, width, 1 or 3]` of any size; resized as `odtf.data` does it.

        Returns:
            float64 array `[n, num_outputs]`, every row with the sum 1. A probability of zero in the file counts as
            half a step of its output, or 1e-7, so that its logarithm exists.

        Raises:
            UserError: if the file answers NaN or Inf.
        """
        scores = self._runner.predict(self.pixels(self._fit(images))).reshape(len(images), -1).astype(np.float64)
        if not np.all(np.isfinite(scores)):
            raise UserError(f"A classifier answers finite numbers. Received: NaN or Inf from {self.path}.")
        if self.scores == "logits":
            scores = np.concatenate([np.zeros_like(scores), scores], axis=1) if self._single else scores
            scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        else:
            scores = np.concatenate([1.0 - scores, scores], axis=1) if self._single else scores
            scale = self._runner.output["quantization"][0]
            scores = np.maximum(scores, scale / 2 if scale else _SMALLEST)
        return scores / scores.sum(axis=1, keepdims=True)

    def columns(self, class_names, label_offset=0):
        """Which output is which class of the data.

        By name where the file has labels and they are the data's, in whatever order; else by position.

        Args:
            class_names: the classes of the data.
            label_offset: the output of the first class; 1 where output 0 is a background class.

        Returns:
            int array `[classes]` of outputs.

        Raises:
            UserError: if the file does not tell as many classes apart.
        """
        names = [str(name) for name in class_names]
        spare = self.num_outputs - len(names)
        known = self.labels if self.labels and len(self.labels) == self.num_outputs else ()
        if set(names) <= set(known) and spare in (0, 1):
            return np.array([known.index(name) for name in names])
        if spare != label_offset:
            hint = ""
            if spare == 1:
                hint = " One more may be a background class: --label_offset=1 passes over output 0."
            raise UserError(
                f"A file for these data tells {len(names) + label_offset} classes apart.{hint} "
                f"Received: {self.path} with {self.num_outputs}."
            )
        return np.arange(len(names)) + label_offset

    def _check_input(self):
        details = self._runner.input
        received = [int(size) for size in details["shape_signature"]]
        batch, shape = received[:1], received[1:]
        kinds = (np.float32, np.uint8, np.int8, np.int16)
        fits = len(shape) == 3 and batch[0] in (-1, 1) and min(shape) > 0 and shape[-1] in (1, 3)
        if not fits or details["dtype"] not in kinds:
            raise UserError(
                "An image classifier takes one image of a fixed size, [1, height, width, 1 or 3], in float32, uint8, "
                f"int8 or int16. Received: {details['dtype'].__name__} {received} in {self.path}."
            )
        return tuple(shape[:2]), shape[2]

    def _check_output(self):
        shape = [int(size) for size in self._runner.output["shape"]]
        count = shape[-1] if shape else 0
        if int(np.prod(shape)) != count or count < 1:
            raise UserError(f"A classifier gives [1, classes] scores. Received: {shape} in {self.path}.")
        return count == 1, max(count, 2)

    def _ask(self):
        details = self._runner.input
        kind, (scale, zero_point) = details["dtype"].__name__, details["quantization"]
        what = f"a {kind} input"
        if scale:
            what += f" with the scale {scale:.6g} and the zero point {zero_point}"
        raise UserError(
            f"The file does not say how it takes pixels: give --pixels={', '.join(pixels.RANGES)}, or --mean and --std "
            f"of pixels scaled to [0, 1]. Received: {what} in {self.path}."
        )

    def _fit(self, images):
        """The images in the file's size and number of channels."""
        channels = images.shape[-1]
        if channels == 1 and self.channels == 3:
            images = np.repeat(images, 3, axis=-1)
        resize = images.shape[1:3] != self.image_size
        if not resize and images.shape[-1] == self.channels:
            return images
        return np.stack([self._fit_one(image, resize) for image in images])

    def _fit_one(self, image, resize):
        from PIL import Image

        picture = Image.fromarray(image if image.shape[-1] == 3 else image[..., 0])
        if self.channels == 1:
            picture = picture.convert("L")
        if resize:
            picture = picture.resize(self.image_size[::-1], Image.Resampling.BILINEAR)
        return np.asarray(picture).reshape(*self.image_size, self.channels)


def _kind_of_scores(content):
    """ "probabilities" where a softmax or a sigmoid makes the output, else "logits"."""
    model = flatbuffer.unpack(content)
    graph = model.subgraphs[0]
    made_by = {int(output): op for op in graph.operators for output in op.outputs}
    tensor = int(graph.outputs[0])
    while tensor in made_by:
        name = flatbuffer.operator_name(model, made_by[tensor])
        if name in ("SOFTMAX", "LOGISTIC"):
            return "probabilities"
        if name not in _PASSING:
            break
        tensor = int(made_by[tensor].inputs[0])
    return "logits"
