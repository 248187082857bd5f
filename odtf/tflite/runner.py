"""Running TFLite files with LiteRT on this machine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from odtf import paths
from odtf.errors import UserError
from odtf.quiet import quiet

if TYPE_CHECKING:
    import os


_RESOLVERS = {
    "xnnpack": OpResolverType.AUTO,
    "own": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    "reference": OpResolverType.BUILTIN_REF,
}


def interpreter_of(content, num_threads=1, kernels="xnnpack"):
    """Returns LiteRT's interpreter of a file's bytes, its tensors not allocated yet; arguments as of `Runner`."""
    return Interpreter(
        model_content=content,
        num_threads=num_threads,
        experimental_op_resolver_type=_RESOLVERS[kernels],
    )


def _prepared(content, num_threads, kernels):
    """Returns the interpreter of a file, its tensors allocated; inside of `quiet` what LiteRT logs is not seen."""
    try:
        interpreter = interpreter_of(content, num_threads, kernels)
        interpreter.allocate_tensors()
    except RuntimeError as error:
        raise UserError(
            f"LiteRT must be able to run the file, and cannot prepare it. Received: {' '.join(str(error).split())}"
        ) from error
    return interpreter


class Runner:
    """A TFLite file with one input and one output, run one image at a time.

    Args:
        file: path or bytes.
        num_threads: threads that the interpreter may use.
        kernels: `"xnnpack"`: XNNPACK runs what it can and LiteRT's own kernels the rest, as they do by default;
            `"own"`: LiteRT's own run everything; `"reference"`: its reference kernels (BUILTIN_REF) do, plain loops
            that round as TensorFlow Lite Micro does.

    Attributes:
        input: LiteRT's details of the input tensor.
        output: LiteRT's details of the output tensor.

    Raises:
        ValueError: if the file is no TFLite model, or has several inputs or outputs.
        UserError: if LiteRT cannot prepare it, as when a channel of an untrained network is dead.
    """

    def __init__(self, file: str | os.PathLike[str] | bytes, num_threads: int = 1, kernels: str = "xnnpack") -> None:
        content = file if isinstance(file, bytes) else paths.at(file).read_bytes()
        with quiet():
            self._interpreter = _prepared(content, num_threads, kernels)
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        if len(inputs) != 1 or len(outputs) != 1:
            raise ValueError(
                f"The file must have one input and one output. Received: {len(inputs)} inputs, {len(outputs)} outputs"
            )
        self.input, self.output = inputs[0], outputs[0]

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Runs images, one after the other.

        Args:
            images: uint8 pixels `[n, height, width, channels]`; grey ones are repeated where the file takes RGB.

        Returns:
            float32 array `[n, ...]`, the file's output, dequantised.

        Raises:
            UserError: if LiteRT cannot run the file.
        """
        outputs = np.asarray(self._invoke_each(self._store(images)), np.float32)
        scale, zero_point = self.output["quantization"]
        return (outputs - zero_point) * np.float32(scale) if scale else outputs

    def latency(self, runs: int = 100, warmup: int = 10) -> dict[str, float]:
        """Measures the time of one inference.

        Args:
            runs: number of timed inferences.
            warmup: number of inferences before them.

        Returns:
            dict with `"p50_us"` and `"p95_us"`, microseconds.
        """
        # Noise, because a network that sees zeros may run faster than one that does not.
        noise = np.random.default_rng(0).integers(0, 256, tuple(self.input["shape"])).astype(np.uint8)
        self._interpreter.set_tensor(self.input["index"], self._store(noise)[:1])
        for _ in range(warmup):
            self._interpreter.invoke()
        times = []
        for _ in range(runs):
            start = time.perf_counter_ns()
            self._interpreter.invoke()
            times.append((time.perf_counter_ns() - start) / 1e3)
        return {"p50_us": float(np.percentile(times, 50)), "p95_us": float(np.percentile(times, 95))}

    def _store(self, images):
        shape = tuple(self.input["shape"].tolist())[1:]
        if images.shape[-1] == 1 and shape[-1] == 3:
            images = np.repeat(images, 3, axis=-1)
        if images.shape[1:] != shape:
            raise ValueError(f"The file takes images of shape {shape}. Received: {images.shape[1:]}")
        dtype, (scale, zero_point) = self.input["dtype"], self.input["quantization"]
        if not np.issubdtype(dtype, np.integer) or not scale:
            return images.astype(dtype)
        limits = np.iinfo(dtype)
        return np.clip(np.round(images / np.float32(scale)) + zero_point, limits.min, limits.max).astype(dtype)

    def _invoke_each(self, stored):
        """Returns the output tensors `[n, ...]` for input tensors `[n, height, width, channels]`."""
        return np.stack([self._invoke(image) for image in stored])

    def _invoke(self, image):
        self._interpreter.set_tensor(self.input["index"], image[np.newaxis])
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise UserError(f"LiteRT must be able to run the file. Received: {' '.join(str(error).split())}") from error
        return self._interpreter.get_tensor(self.output["index"])[0]


def measure(file: str | os.PathLike[str] | bytes, num_threads: int = 1, runs: int = 100) -> dict[str, float]:
    """Measures the latency of a TFLite file on this machine.

    Args:
        file: path or bytes of a file with one input and one output.
        num_threads: threads that the interpreter may use.
        runs: number of timed inferences, after 10 that are not.

    Returns:
        dict with `"p50_us"` and `"p95_us"`, microseconds per inference.

    Raises:
        ValueError: if the file is no TFLite model, or has several inputs or outputs.
    """
    return Runner(file, num_threads).latency(runs)
