"""The proof of an exported file: its operators and tensors, its answers, its speed."""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING

import numpy as np

from odtf.data.splits import chunk
from odtf.errors import VerificationError
from odtf.export.limits import Difference, check_answers, wanted
from odtf.export.rules import check_interface, check_limits, check_operators, check_scales
from odtf.tasks import Classification
from odtf.tasks.study import Study
from odtf.tflite import flatbuffer
from odtf.tflite.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from odtf.data import ImageDataset
    from odtf.targets import Target as Device
    from odtf.tasks import Task


_CHUNK = 256
# Keras computes layer by layer, and all that it computes of these images is alive at once.
_SHARE = 4


def verify(
    content: bytes,
    network: Callable[..., Any],
    dataset: ImageDataset,
    target: Device,
    quantization: str,
    *,
    task: Task | None = None,
    split: str = "test",
    max_examples: int | None = None,
    max_drop: float = 0.02,
    memory: dict[Any, Any] | None = None,
) -> dict[str, Any]:
    """Runs a TFLite file over a split and compares it with the Keras student on the same pixels.

    Args:
        content: the file's bytes.
        network: the student, a `keras.Model` from normalised images to the task's answer or to taps that include it.
        dataset: `odtf.data.ImageDataset`.
        target: `Target` that the file is for.
        quantization: how the file computes.
        task: `odtf.tasks.Task`; None: classification.
        split: split to run over.
        max_examples: how many of its first examples; None for all of them.
        max_drop: by how much the metric that chooses may be worse than the student's, in units of the metric, as the
            price of quantisation; see `odtf.export.limits`.
        memory: dict in which answers are kept for further targets of the same network; None to keep nothing.

    Returns:
        dict with `"bytes"`, `"sha256"`, for each of the task's metrics `"<split>_<metric>"` (the validation split's is
        `"val_<metric>"`) and `"student_<split>_<metric>"` of the Keras student, `"examples"`, `"agreement"` (the task's
        metric of the file's answers against the student's, None where it has none), `"max_error"` (largest difference
        from the student's answers; the share of those that differ, where they are whole numbers), `"error"` (root mean
        square difference, in units of the standard deviation of the student's answers), `"limits"` (what these were
        judged by, as `odtf.export.limits.wanted` gives it), `"latency_us_p50"` (one thread) and `"ops"` (dict from
        operator to count).

    Raises:
        VerificationError: if the file has an operator or a width that the target does not take, other tensors than
            the target's, scales that are no positive numbers, or answers that do not follow from the student's.
    """
    task = task or Classification()
    ops = flatbuffer.operators(content)
    check_operators(ops, target)
    check_limits(content, target)
    check_scales(content)
    runner = Runner(content)
    check_interface(runner, dataset.info, task, target, quantization)
    memory, sha256 = {} if memory is None else memory, hashlib.sha256(content).hexdigest()
    count = min(len(dataset.splits[split]), max_examples or len(dataset.splits[split]))
    if (sha256, split, count) not in memory:
        memory[sha256, split, count] = _compare(runner, network, dataset, task, target, split, count)
    figures = memory[sha256, split, count]
    check_answers(figures, task, dataset.info, quantization, max_drop)
    return {
        "bytes": len(content),
        "sha256": sha256,
        **by_split(figures["metrics"], figures["student_metrics"], split),
        "examples": figures["count"],
        "agreement": figures["agreement"],
        "max_error": figures["max_error"],
        "error": figures["error"],
        "limits": wanted(task, quantization, figures["count"], max_drop, figures["noise"]),
        "latency_us_p50": round(runner.latency()["p50_us"], 1),
        "ops": ops,
    }


def by_split(values, student_values, split):
    """Returns the metrics of a file and of its student as a row has them.

    Args:
        values: dict from a metric's name to the file's value.
        student_values: the same of the student.
        split: name of the split they were computed from.
    """
    prefix, row = prefix_of(split), {}
    for name, value in values.items():
        row |= {f"{prefix}_{name}": value, f"student_{prefix}_{name}": student_values[name]}
    return row


def prefix_of(split):
    """Returns what the names of a split's figures in a report begin with."""
    return "val" if split == "validation" else split


def _compare(runner, network, dataset, task, target, split, count):
    """The metrics of a file and of its student, computed from the same pixels, and how far their answers differ."""
    study, predict = Study(task, dataset.info), student_of(network, dataset, task.output)
    step, stored = max(1, chunk(_CHUNK, dataset.image_shape) // _SHARE), runner.output["quantization"][0]
    counted = np.issubdtype(runner.output["dtype"], np.integer) and not stored
    difference = Difference(task.metrics[task.choice], counted, stored)
    # A metric may be computed against another split, as that of a search against the images searched.
    takers = [(split, dataset.splits[split], count, study.add)]
    for name, part in dataset.parts(study.references).items():
        takers.append((name, part, len(part), functools.partial(study.refer, name)))
    for name, examples, total, take in takers:
        for start in range(0, total, step):
            images, targets = examples.take(np.arange(start, min(start + step, total)))
            given, expected = runner.predict(images), task.folded(predict(images), target)
            for who, answers in (("file", given), ("student", expected)):
                if not np.all(np.isfinite(answers)):
                    raise VerificationError(
                        f"The {who} gives NaN or Inf on examples {start} and after of the {name} split"
                    )
            difference.add(given, expected)
            judged = [task.comparable(answers, dataset.info, target) for answers in (given, expected)]
            if name == split:
                difference.compare(targets, *judged)
            take(targets, *judged)
    found = study.result()
    student = found.pop("against")
    return {
        "count": count,
        "agreement": student.pop("agreement", None),
        **difference.figures,
        "metrics": found,
        "student_metrics": student,
    }


def student_of(network, dataset, output):
    """Returns a function from uint8 images of a data set to the answers of a network, or to its tap `output`."""
    mean, std = np.asarray(dataset.mean, np.float32), np.asarray(dataset.std, np.float32)

    def predict(images):
        # Called as it is: Model.predict would compile with XLA, which takes many times longer on a CPU.
        outputs = network((images / np.float32(255.0) - mean) / std, training=False)
        return np.asarray(outputs[output] if isinstance(outputs, dict) else outputs)

    return predict
