"""The proof of an exported file: its operators and tensors, its answers, its speed."""

import functools
import hashlib

import numpy as np

from odtf.data.splits import chunk
from odtf.errors import VerificationError
from odtf.export.rules import check_interface, check_limits, check_operators
from odtf.tasks import Classification
from odtf.tasks.study import Study
from odtf.tflite import flatbuffer
from odtf.tflite.runner import Runner

_CHUNK = 256
# float32 differs from Keras by rounding alone.
_FLOAT_TOLERANCE = 1e-3


def verify(
    content,
    network,
    dataset,
    target,
    quantization,
    *,
    task=None,
    split="test",
    max_examples=None,
    max_drop=0.02,
    memory=None,
):
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
            price of quantisation. What the task allows for the noise of a split is added to it.
        memory: dict in which answers are kept for further targets of the same network; None to keep nothing.

    Returns:
        dict with `"bytes"`, `"sha256"`, for each of the task's metrics `"<split>_<metric>"` (the validation split's is
        `"val_<metric>"`) and `"student_<split>_<metric>"` of the Keras student, `"examples"`, `"agreement"` (the task's
        metric of the file's answers against the student's, None where it has none), `"max_error"` (largest difference
        from the student's answers; the share of those that differ, where they are whole numbers), `"latency_us_p50"`
        (one thread) and `"ops"` (dict from operator to count).

    Raises:
        VerificationError: if the file has an operator or a width that the target does not take, other tensors than
            the target's, or answers that do not follow from the student's.
    """
    task = task or Classification()
    ops = flatbuffer.operators(content)
    check_operators(ops, target)
    check_limits(content, target)
    runner = Runner(content)
    check_interface(runner, dataset.info, task, target, quantization)
    memory, sha256 = {} if memory is None else memory, hashlib.sha256(content).hexdigest()
    count = min(len(dataset.splits[split]), max_examples or len(dataset.splits[split]))
    if (sha256, split, count) not in memory:
        memory[sha256, split, count] = _compare(runner, network, dataset, task, target, split, count)
    figures = memory[sha256, split, count]
    _check_answers(figures, task, quantization, max_drop)
    return {
        "bytes": len(content),
        "sha256": sha256,
        **by_split(figures["metrics"], figures["student_metrics"], split),
        "examples": figures["count"],
        "agreement": figures["agreement"],
        "max_error": figures["max_error"],
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


def is_worse(task, value, reference, allowed):
    """Whether the metric that chooses is worse than a reference by more than is allowed."""
    limit = reference - allowed if task.metrics[task.choice].better is max else reference + allowed
    return not task.is_better(value, limit)


def is_enough(agreement, value, least):
    """Whether a value of a metric of agreement is as good as the least that is wanted, or better."""
    return agreement.better(value, least) == value


def _compare(runner, network, dataset, task, target, split, count):
    """The metrics of a file and of its student, computed from the same pixels, and how far their answers differ."""
    study, predict = Study(task, dataset.info), student_of(network, dataset, task.output)
    worst = largest = 0.0
    step, counted = chunk(_CHUNK, dataset.image_shape), np.issubdtype(runner.output["dtype"], np.integer)
    counted = counted and not runner.output["quantization"][0]
    # A metric may be computed against another split, as that of a search against the images searched.
    takers = [(split, dataset.splits[split], count, study.add)]
    for name, part in dataset.parts(study.references).items():
        takers.append((name, part, len(part), functools.partial(study.refer, name)))
    for name, examples, total, take in takers:
        for start in range(0, total, step):
            images, targets = examples.take(np.arange(start, min(start + step, total)))
            given, expected = runner.predict(images), task.folded(predict(images), target)
            if not np.all(np.isfinite(given)):
                raise VerificationError(f"The file gives NaN or Inf on examples {start} and after of the {name} split")
            # Between whole numbers, such as classes, there is no distance: how many differ is what counts.
            difference = np.mean(given != expected) if counted else np.max(np.abs(given - expected))
            worst = max(worst, float(difference))
            largest = max(largest, 0.0 if counted else float(np.max(np.abs(expected))))
            take(targets, *(task.comparable(answers, dataset.info, target) for answers in (given, expected)))
    found = study.result()
    student = found.pop("against")
    return {
        "count": count,
        "agreement": student.pop("agreement", None),
        "max_error": worst,
        # What is stored as whole steps may be off by one where a value lies in the middle.
        "relative_error": max(0.0, worst - runner.output["quantization"][0]) / (1.0 + largest),
        "metrics": found,
        "student_metrics": student,
    }


def _check_answers(figures, task, quantization, max_drop):
    metric, value = task.metrics[task.choice], figures["metrics"][task.choice]
    expected = figures["student_metrics"][task.choice]
    allowed = task.allowed_loss(task.choice, figures["count"], max_drop)
    if is_worse(task, value, expected, allowed):
        raise VerificationError(
            f"The {quantization} file answers worse than its student, whose {metric.title} is {expected:.4f}, by more "
            f"than {allowed:.4f}. Received: {value:.4f}"
        )
    least = task.least_agreement(quantization)
    if least is not None and not is_enough(task.agreement, figures["agreement"], least):
        raise VerificationError(
            f"The {quantization} file does not answer as its student: {task.agreement.title} is "
            f"{task.agreement.text(figures['agreement'])}; at least {task.agreement.text(least)} was expected."
        )
    if quantization == "float32" and figures["relative_error"] > _FLOAT_TOLERANCE:
        allowed = _FLOAT_TOLERANCE * figures["max_error"] / figures["relative_error"]
        raise VerificationError(
            f"The float32 file differs from its student by {figures['max_error']:.3g}; at most {allowed:.3g} was "
            "expected."
        )


def student_of(network, dataset, output):
    """Returns a function from uint8 images of a data set to the answers of a network, or to its tap `output`."""
    mean, std = np.asarray(dataset.mean, np.float32), np.asarray(dataset.std, np.float32)

    def predict(images):
        # Called as it is: Model.predict would compile with XLA, which takes many times longer on a CPU.
        outputs = network((images / np.float32(255.0) - mean) / std, training=False)
        return np.asarray(outputs[output] if isinstance(outputs, dict) else outputs)

    return predict
