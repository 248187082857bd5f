"""Proofs of a file by the devices' own tools, beside LiteRT on this machine: one function per tool.

Each takes the file's bytes and the circumstances, raises `VerificationError` for a file that its target cannot use,
and returns what it measured; `"passed"` is None where the tool is not installed, and `"note"` says what to install.
Where there is no such tool for the task, it returns None.
"""

import dataclasses
import tempfile
from pathlib import Path

import numpy as np

from odtf.errors import VerificationError
from odtf.export.limits import is_worse, margin_between
from odtf.metrics import evaluate
from odtf.targets import Target
from odtf.tasks import Task
from odtf.tflite import vela
from odtf.tflite.runner import Runner

# LiteRT's own kernels run a grouped convolution in a slow loop.
_KERNEL_EXAMPLES = 128


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
    task, info = circumstances.task, circumstances.dataset.info
    images, targets = circumstances.examples(_KERNEL_EXAMPLES)
    runners = Runner(content), Runner(content, xnnpack=False)
    with_it, without = (runner.predict(images) for runner in runners)
    # Metrics that are computed against another split are left out.
    metrics = {name: metric for name, metric in task.metrics.items() if metric.reference is None}
    found, other = ({}, {})
    answers = [task.comparable(y, info, circumstances.target) for y in (with_it, without)]
    if metrics:
        found, other = (evaluate(lambda _, y=y: y, [(images, targets)], metrics) for y in answers)
    if task.choice in metrics:
        noise = margin_between(metrics[task.choice], targets, *answers)
        _check_kernels(task, found[task.choice], other[task.choice], len(images), circumstances.max_drop, noise)
    difference = float(np.max(np.abs(with_it - without)))
    scale = runners[0].output["quantization"][0]
    figures = {"passed": True, "examples": len(images)}
    if task.agreement is not None:
        figures |= evaluate(lambda _: answers[1], [(images, answers[0])], {"agreement": task.agreement})
    figures |= {
        "equal_scores": float(np.mean(with_it == without)),
        "max_difference": difference,
        "max_difference_steps": round(difference / scale) if scale else None,
    }
    for name in metrics:
        figures |= {name: found[name], f"{name}_without_xnnpack": other[name]}
    return figures


def _check_kernels(task, value, other, count, max_drop, noise):
    allowed = task.allowed_loss(task.choice, count, max_drop) + noise
    if is_worse(task, other, value, allowed):
        raise VerificationError(
            f"LiteRT's own kernels answer worse than XNNPACK's, whose {task.metrics[task.choice].title} is "
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


PROOFS = {"kernels": kernels, "vela": compile_for_npu, "client": client}
