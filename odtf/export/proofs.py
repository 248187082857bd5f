"""What the devices' own tools say of a file, beside LiteRT on this machine: one function a tool.

Each takes the file's bytes and the circumstances, raises `VerificationError` for a file that its target cannot use,
and returns what it measured; `"passed"` is None where the tool is not installed, and `"note"` says what to install.
"""

import dataclasses
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from odtf.errors import VerificationError
from odtf.export.targets import Target
from odtf.export.verification import allowed_drop
from odtf.quiet import quiet
from odtf.tflite import vela
from odtf.tflite.runner import Runner

# LiteRT's own kernels run a grouped convolution in a slow loop; MediaPipe proves the interface, not the accuracy.
_KERNEL_EXAMPLES = 128
_MEDIAPIPE_EXAMPLES = 16
_MEDIAPIPE_AGREEMENT = 0.9


@dataclasses.dataclass(frozen=True)
class Circumstances:
    """What a proof may need beside the file.

    Attributes:
        target: `Target`.
        dataset: `odtf.data.ImageDataset`.
        split: name of the split whose first examples are run.
        max_examples: at most that many; None for as many as the proof wants.
        max_drop: as for `verify`.
    """

    target: Target
    dataset: object
    split: str
    max_examples: int | None
    max_drop: float

    def examples(self, wanted):
        """The first images and labels, at most `wanted` of them."""
        split = self.dataset.splits[self.split]
        return split.take(np.arange(min(wanted, len(split), self.max_examples or wanted)))


def kernels(content, circumstances):
    """Runs a file without XNNPACK.

    Integer kernels round in other places than XNNPACK's, by one step in each layer, so that scores may differ; what
    must stand is the accuracy.
    """
    images, labels = circumstances.examples(_KERNEL_EXAMPLES)
    runners = Runner(content), Runner(content, xnnpack=False)
    with_it, without = (runner.predict(images) for runner in runners)
    top1, other = (float(np.mean(scores.argmax(-1) == labels)) for scores in (with_it, without))
    allowed = allowed_drop(circumstances.max_drop, len(images))
    if other < top1 - allowed:
        raise VerificationError(
            f"LiteRT's own kernels answer worse than XNNPACK's, whose accuracy is {top1:.4f}, by more than "
            f"{allowed:.4f}. Received: {other:.4f}"
        )
    difference = float(np.max(np.abs(with_it - without)))
    scale = runners[0].output["quantization"][0]
    return {
        "passed": True,
        "examples": len(images),
        "agreement": float(np.mean(with_it.argmax(-1) == without.argmax(-1))),
        "equal_scores": float(np.mean(with_it == without)),
        "max_difference": difference,
        "max_difference_steps": round(difference / scale) if scale else None,
        "top1": top1,
        "top1_without_xnnpack": other,
    }


def mediapipe(content, circumstances):
    """Gives a file to MediaPipe's ImageClassifier, the API of Google's Android SDK, and reads the labels."""
    if find_spec("mediapipe") is None:
        return {"passed": None, "note": "not run: MediaPipe is not installed (pip install odtf[phone])"}
    images, labels = circumstances.examples(_MEDIAPIPE_EXAMPLES)
    names = [str(name) for name in circumstances.dataset.class_names]
    try:
        given = classify_with_mediapipe(content, images)
    except (ImportError, OSError) as error:  # Its libraries want OpenGL ES, which slim systems lack.
        return {"passed": None, "note": f"not run: MediaPipe does not load here ({error})"}
    unknown = [name for name, _ in given if name not in names]
    if unknown:
        raise VerificationError(f"MediaPipe gives the labels of the data set. Received: {unknown[0]!r}")
    expected = [names[index] for index in Runner(content).predict(images).argmax(-1)]
    agreement = float(np.mean([name == other for (name, _), other in zip(given, expected, strict=True)]))
    if agreement < _MEDIAPIPE_AGREEMENT:
        raise VerificationError(
            f"MediaPipe gives the labels that LiteRT does, in at least {_MEDIAPIPE_AGREEMENT:.0%} of the cases. "
            f"Received: {agreement:.0%}"
        )
    right = sum(name == names[label] for (name, _), label in zip(given, labels, strict=True))
    return {"passed": True, "examples": len(images), "agreement": agreement, "right": right}


def classify_with_mediapipe(file, images):
    """The best label and its score for each image, as MediaPipe's ImageClassifier gives them.

    Args:
        file: bytes of a TFLite file with metadata.
        images: uint8 `[n, height, width, 1 or 3]`.

    Returns:
        list of (label, score).
    """
    with quiet():
        import mediapipe
        from mediapipe.tasks.python import BaseOptions, vision

        options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_buffer=file), max_results=1)
        answers = []
        with vision.ImageClassifier.create_from_options(options) as classifier:
            for image in np.asarray(images):
                rgb = np.ascontiguousarray(np.broadcast_to(image, (*image.shape[:2], 3)))
                picture = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=rgb)
                best = classifier.classify(picture).classifications[0].categories[0]
                answers.append((best.category_name, best.score))
    return answers


def compile_for_npu(content, circumstances):
    """Compiles a file for the target's Ethos-U, all of it; beside the figures, `"content"` is the compiled file."""
    if not vela.available():
        return {"passed": None, "note": f"not compiled: Vela is not installed ({vela.INSTALL})"}
    with tempfile.TemporaryDirectory(prefix="odtf-") as folder:
        path = Path(folder, "student.tflite")
        path.write_bytes(content)
        figures, compiled = vela.compiled(path, circumstances.target.accelerator)
    if figures["cpu_operators"]:
        raise VerificationError(
            f"The {circumstances.target.name} target runs a network whole. Received: Vela leaves "
            f"{', '.join(figures['cpu_operators'])} to the CPU"
        )
    return {"passed": True, **figures, "bytes": len(compiled), "content": compiled}


PROOFS = {"kernels": kernels, "vela": compile_for_npu, "mediapipe": mediapipe}
