"""A TFLite file of anybody's that takes one image and gives one output, whatever its meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from odtf import paths
from odtf.data import framing
from odtf.errors import UserError
from odtf.evaluation import pixels
from odtf.tflite import metadata_reader, trial
from odtf.tflite.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from odtf.evaluation.pixels import Pixels
    from odtf.models.annotations import Path


class ImageFile:
    """A TFLite file with one output `[1, ...]` and one input, `[1, height, width, 1 or 3]` or `[1, height, width]`.

    Args:
        path: the file.
        given: `Pixels`, what the user says of a file that does not say it itself; or None.
        num_threads: threads that LiteRT may use.
        resize: one of `odtf.data.framing.MODES`, for files that do not say it; None: "stretch".

    Attributes:
        path: str.
        content: the file's bytes.
        image_size: (height, width).
        channels: 1 or 3.
        output: LiteRT's details of the output tensor.
        pixels: `Pixels`, with where they are from in `source`.
        resize: one of `odtf.data.framing.MODES`, the way of images of another shape to the file's.
        says_pixels: whether the file itself says how it takes pixels; what is given besides is then not used.
        names: list of str, the labels of its outputs in its metadata, or None.

    Raises:
        UserError: if the file is no such file, or does not say how it takes pixels and nobody else does.
    """

    def __init__(
        self, path: Path, given: Pixels | None = None, num_threads: int = 1, resize: str | None = None
    ) -> None:
        self.path = str(path)
        try:
            self.content = paths.at(path).read_bytes()
            trial.check(self.content, self.path, num_threads)
            self._runner = Runner(self.content, num_threads)
        except OSError as error:
            raise UserError(f"A TFLite file is needed; {error.strerror}. Received: {path}.") from error
        except ValueError as error:
            reason = str(error).strip().splitlines()[0]
            raise UserError(
                f"A TFLite file is needed, one image input and one output; {reason.rstrip('.')}. Received: {path}."
            ) from error
        self.image_size, self.channels = self._check_input()
        self.output = self._check_output()
        normalization, self.names = metadata_reader.read(self.content)
        self.resize = self._framing(resize)
        said = pixels.from_file(normalization, self._runner.input)
        self.says_pixels = said is not None
        self.pixels = said or given or self._ask()
        if len(self.pixels.scale) not in (1, self.channels):
            raise UserError(
                f"The file takes images of {self.channels} channels. Received: {self.pixels.source}, {self.path}."
            )

    @property
    def bytes(self) -> int:
        """Size of the file."""
        return len(self.content)

    def answers(self, images: np.ndarray) -> np.ndarray:
        """Runs the file, one image at a time.

        Args:
            images: uint8 array `[n, height, width, 1 or 3]` of any size; resized as `resize` says.

        Returns:
            float64 array `[n, ...]`, the outputs as real numbers.

        Raises:
            UserError: if the file answers NaN or Inf.
        """
        values = self.pixels(self._fit(images))
        answers = self._runner.predict(values[..., 0] if self._is_flat else values).astype(np.float64)
        if not np.all(np.isfinite(answers)):
            raise UserError(f"A file answers finite numbers. Received: NaN or Inf from {self.path}.")
        return answers

    def name_outputs(self, names: Sequence[str]) -> None:
        """Gives the outputs of a file that does not name them itself the names that somebody else knows.

        Args:
            names: list of str.

        Raises:
            UserError: if the file names them otherwise.
        """
        if self.names and list(names) != list(self.names):
            raise UserError(
                f"The file names its outputs itself: {', '.join(self.names[:5])}, ... "
                f"Received: other labels, {', '.join(names[:5])}, ..."
            )
        self.names = list(names)

    def _framing(self, given):
        said = metadata_reader.read_resize(self.content, framing.MODES)
        if None not in (said, given) and said != given:
            raise UserError(
                f"The file says itself how images come to its size: {said}. Received: --resize={given} for {self.path}."
            )
        return said or given or framing.STRETCH

    def _check_input(self):
        details = self._runner.input
        received = [int(size) for size in details["shape_signature"]]
        batch, shape = received[:1], received[1:]
        kinds = (np.float32, np.uint8, np.int8, np.int16)
        self._is_flat = len(shape) == 2  # Grey without an axis of channels, as in the files of many a tutorial.
        shape += [1] if self._is_flat else []
        fits = len(shape) == 3 and batch[0] in (-1, 1) and min(shape) > 0 and shape[-1] in (1, 3)
        if not fits or details["dtype"] not in kinds:
            raise UserError(
                "A file for images takes one of a fixed size, [1, height, width, 1 or 3] or [1, height, width], in "
                f"float32, uint8, int8 or int16. Received: {details['dtype'].__name__} {received} in {self.path}."
            )
        return tuple(shape[:2]), shape[2]

    def _check_output(self):
        details = self._runner.output
        shape = [int(size) for size in details["shape"]]
        if len(shape) < 2 or shape[0] != 1 or min(shape) < 1:
            raise UserError(f"A file for one image gives one output [1, ...]. Received: {shape} in {self.path}.")
        return details

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
            picture = framing.framed(picture, self.image_size, self.resize)
        return np.asarray(picture).reshape(*self.image_size, self.channels)
