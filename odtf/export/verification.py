"""The proof of an exported file: what it holds, what it answers, how fast."""

import hashlib

import numpy as np

from odtf.errors import VerificationError
from odtf.export.rules import check_interface, check_limits, check_operators
from odtf.tflite import flatbuffer
from odtf.tflite.runner import Runner

_CHUNK = 256
# float32 differs from Keras by rounding alone.
_FLOAT_TOLERANCE = 1e-3


def verify(
    content, network, dataset, target, quantization, *, split="test", max_examples=None, max_drop=0.02, memory=None
):
    """Runs a TFLite file over a split and compares it with the Keras student on the same pixels.

    Args:
        content: the file's bytes.
        network: the student, a `keras.Model` from normalised images to logits or to taps that include `"logits"`.
        dataset: `odtf.data.ImageDataset`.
        target: `Target` that the file is for.
        quantization: how the file computes.
        split: split to run over.
        max_examples: how many of its first examples; None for all of them.
        max_drop: largest fall of accuracy against the student, as a fraction, that is taken as the price of
            quantisation. The standard error of a small split is added to it.
        memory: dict in which answers are kept for further targets of the same network; None to keep nothing.

    Returns:
        dict with `"bytes"`, `"sha256"`, `"<split>_top1"` (fraction; the validation split's is `"val_top1"`),
        `"student_<split>_top1"` of the Keras student, `"examples"`, `"agreement"` (fraction of equal predictions),
        `"max_error"` (largest difference from the student's logits or probabilities), `"latency_us_p50"` (one thread)
        and `"ops"` (dict from operator to count).

    Raises:
        VerificationError: if the file has an operator or a width that the target does not take, other tensors than
            the target's, or answers that do not follow from the student's.
    """
    ops = flatbuffer.operators(content)
    check_operators(ops, target)
    check_limits(content, target)
    runner = Runner(content)
    check_interface(runner, dataset, target, quantization)
    memory, sha256 = {} if memory is None else memory, hashlib.sha256(content).hexdigest()
    count = min(len(dataset.splits[split]), max_examples or len(dataset.splits[split]))
    if (sha256, split, count) not in memory:
        memory[sha256, split, count] = _compare(runner, network, dataset, target, split, count)
    figures = memory[sha256, split, count]
    _check_answers(figures, quantization, max_drop)
    key = f"{'val' if split == 'validation' else split}_top1"
    return {
        "bytes": len(content),
        "sha256": sha256,
        key: figures["top1"],
        f"student_{key}": figures["student_top1"],
        "examples": figures["count"],
        "agreement": figures["agreement"],
        "max_error": figures["max_error"],
        "latency_us_p50": round(runner.latency()["p50_us"], 1),
        "ops": ops,
    }


def _compare(runner, network, dataset, target, split, count):
    predict = _student(network, dataset)
    right = student_right = agreed = 0
    worst, largest = 0.0, 0.0
    for start in range(0, count, _CHUNK):
        images, labels = dataset.splits[split].take(np.arange(start, min(start + _CHUNK, count)))
        scores, expected = runner.predict(images), predict(images)
        if target.softmax:
            expected = _softmax(expected)
        if not np.all(np.isfinite(scores)):
            raise VerificationError(f"The file gives NaN or Inf on examples {start} and after of the {split} split")
        answer, expected_answer = scores.argmax(-1), expected.argmax(-1)
        right += int(np.sum(answer == labels))
        student_right += int(np.sum(expected_answer == labels))
        agreed += int(np.sum(answer == expected_answer))
        worst = max(worst, float(np.max(np.abs(scores - expected))))
        largest = max(largest, float(np.max(np.abs(expected))))
    return {
        "top1": right / count,
        "student_top1": student_right / count,
        "agreement": agreed / count,
        "max_error": worst,
        "relative_error": worst / (1.0 + largest),
        "count": count,
    }


def allowed_drop(max_drop, count):
    """How far accuracy on `count` examples may fall: the price of quantisation and the standard error of a split."""
    return max_drop + count**-0.5


def _check_answers(figures, quantization, max_drop):
    allowed = allowed_drop(max_drop, figures["count"])
    if figures["top1"] < figures["student_top1"] - allowed:
        raise VerificationError(
            f"The {quantization} file answers worse than its student, whose accuracy is "
            f"{figures['student_top1']:.4f}, by more than {allowed:.4f}. Received: {figures['top1']:.4f}"
        )
    if quantization == "float32" and figures["relative_error"] > _FLOAT_TOLERANCE:
        raise VerificationError(
            f"The float32 file equals its student up to rounding. Received: scores that differ by "
            f"{figures['max_error']:.3g}"
        )


def _student(network, dataset):
    mean, std = np.asarray(dataset.mean, np.float32), np.asarray(dataset.std, np.float32)

    def logits(images):
        # Called as it is: Model.predict would compile with XLA, which takes many times longer on a CPU.
        outputs = network((images / np.float32(255.0) - mean) / std, training=False)
        return np.asarray(outputs["logits"] if isinstance(outputs, dict) else outputs)

    return logits


def _softmax(logits):
    raised = np.exp(logits - logits.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)
