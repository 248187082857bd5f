"""Proofs of a file by the devices' own tools, beside LiteRT on this machine: one function per tool.

Each takes the file's bytes and the circumstances, raises `VerificationError` for a file that its target cannot use,
and returns what it measured; `"passed"` is None where the tool is not installed, and `"note"` says what to install.
Where there is no such tool for the task, it returns None.
"""

import dataclasses
import tempfile
from pathlib import Path

import numpy as np

from odtf.errors import UserError, VerificationError
from odtf.export.limits import is_worse, margin_between
from odtf.metrics import evaluate
from odtf.targets import Target
from odtf.tasks import Task
from odtf.tflite import arena, micro_interpreter, vela
from odtf.tflite.micro_interpreter import MicroRunner
from odtf.tflite.runner import Runner

# LiteRT's own kernels run a grouped convolution in a slow loop, and reference kernels run everything in one.
_KERNEL_EXAMPLES = 128
# Of the values of the output, by TensorFlow Lite Micro and by LiteRT's reference kernels.
_LEAST_EQUAL = 0.99


@dataclasses.dataclass(frozen=True)
class Circumstances:
    """The circumstances that a proof may need beside the file.

    Attributes:
        task: `odtf.tasks.Task`.
        target: `Target`.
        dataset: `odtf.data.ImageDataset`.
        split: name of the split whose first examples are run.
        max_examples: at most that many; None for as many as the proof wants.
        max_drop: as for `verify`.
    """

    task: Task
    target: Target
    dataset: object
    split: str
    max_examples: int | None
    max_drop: float

    def examples(self, wanted):
        """Returns the first images and their targets, at most `wanted` of them."""
        split = self.dataset.splits[self.split]
        return split.take(np.arange(min(wanted, len(split), self.max_examples or wanted)))


def kernels(content, circumstances):
    """Runs a file without XNNPACK.

    Integer kernels round in other places than XNNPACK's, by one step in each layer, so that scores may differ; what
    must stand is the accuracy.
    """
    images, targets = circumstances.examples(_KERNEL_EXAMPLES)
    without = Runner(content, kernels="own").predict(images)
    return _beside_xnnpack(content, circumstances, images, targets, without, "LiteRT's own kernels")


def micro(content, circumstances):
    """Runs a file as a microcontroller does: by TensorFlow Lite Micro where tflite-micro is installed.

    Else LiteRT's reference kernels run it, which round as TensorFlow Lite Micro does. Where both do, their outputs must
    be equal but for a hundredth, or for one value.
    """
    images, targets = circumstances.examples(_KERNEL_EXAMPLES)
    runner = Runner(content, kernels="reference")
    answers = runner.predict(images)
    said = {"kernels": "LiteRT's reference kernels", "tflite_micro": f"not installed ({micro_interpreter.INSTALL})"}
    if micro_interpreter.available():
        reference, answers = answers, _by_micro(content, images)
        said = {"kernels": micro_interpreter.title(), "equal_to_reference": _equal(answers, reference, runner.output)}
        if said["equal_to_reference"] < min(_LEAST_EQUAL, 1.0 - 1.0 / answers.size):
            raise VerificationError(
                f"TensorFlow Lite Micro gives the values of LiteRT's reference kernels in {_LEAST_EQUAL:.0%} of "
                f"{answers.size:,} at least. Received: {said['equal_to_reference']:.2%}"
            )
    return said | _beside_xnnpack(content, circumstances, images, targets, answers, said["kernels"])


def _equal(values, others, output):
    """The share of equal values; int16 ones, whose steps are 256 times as fine as int8's, may be a step apart."""
    step = output["quantization"][0] if output["dtype"] == np.int16 else 0.0
    return float(np.mean(np.abs(values - others) <= 1.5 * step))  # Steps are whole, but for float32's rounding.


def _by_micro(content, images):
    try:
        return MicroRunner(content, arena.plenty(arena.estimate(content))).predict(images)
    except UserError as error:
        raise VerificationError(str(error)) from error


def _beside_xnnpack(content, circumstances, images, targets, others, title):
    """Figures of a file's answers by other kernels, which must be as good as XNNPACK's, and how far they differ."""
    task, info = circumstances.task, circumstances.dataset.info
    runner = Runner(content)
    usual = runner.predict(images)
    # Metrics that are computed against another split are left out.
    metrics = {name: metric for name, metric in task.metrics.items() if metric.reference is None}
    found, other = ({}, {})
    answers = [task.comparable(y, info, circumstances.target) for y in (usual, others)]
    if metrics:
        found, other = (evaluate(lambda _, y=y: y, [(images, targets)], metrics) for y in answers)
    if task.choice in metrics:
        allowed = task.allowed_loss(task.choice, len(images), circumstances.max_drop)
        allowed += margin_between(metrics[task.choice], targets, *answers)
        _check_kernels(task, found[task.choice], other[task.choice], allowed, title)
    difference = float(np.max(np.abs(usual - others)))
    scale = runner.output["quantization"][0]
    figures = {"passed": True, "examples": len(images)}
    if task.agreement is not None:
        figures |= evaluate(lambda _: answers[1], [(images, answers[0])], {"agreement": task.agreement})
    figures |= {
        "equal_scores": float(np.mean(usual == others)),
        "max_difference": difference,
        "max_difference_steps": round(difference / scale) if scale else None,
    }
    for name in metrics:
        figures |= {name: found[name], f"{name}_without_xnnpack": other[name]}
    return figures


def _check_kernels(task, value, other, allowed, title):
    if is_worse(task, other, value, allowed):
        raise VerificationError(
            f"The file answers worse by {title} than by XNNPACK's, whose {task.metrics[task.choice].title} is "
            f"{value:.4f}, by more than {allowed:.4f}. Received: {other:.4f}"
        )


def client(content, circumstances):
    """Gives a file to the mobile library of its task, as an app would."""
    library = circumstances.task.client
    if library is None:
        return None
    if not library.available():
        return {"passed": None, "note": f"not run: {library.title} is not installed ({library.install})"}
    images, targets = circumstances.examples(library.examples)
    try:
        figures = library.prove(content, images, targets, circumstances.dataset.info)
    except (ImportError, OSError) as error:  # Its libraries may want OpenGL ES, which slim systems lack.
        return {"passed": None, "note": f"not run: {library.title} does not load here ({error})"}
    return {"passed": True, "examples": len(images), **figures}


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


PROOFS = {"kernels": kernels, "micro": micro, "vela": compile_for_npu, "client": client}
