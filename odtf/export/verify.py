"""The proof of an exported file: what it holds, what it answers, how fast."""

import hashlib

import numpy as np

from odtf.errors import UserError
from odtf.export import flatbuffer
from odtf.export.runner import Runner
from odtf.export.targets import INPUT_QUANTIZATION

_CHUNK = 256
# float32 differs from Keras by rounding alone.
_FLOAT_TOLERANCE = 1e-3


class VerificationError(UserError):
    """A file that is not what it should be; it is not published."""


def verify(content, network, dataset, target, quantization, *, split="test", max_examples=None, max_drop=0.02):
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

    Returns:
        dict with `"bytes"`, `"sha256"`, `"<split>_top1"` (fraction; the validation split's is `"val_top1"`),
        `"agreement"` (fraction of equal predictions), `"max_error"` (largest difference from the student's logits
        or probabilities), `"latency_us_p50"` (one thread) and `"ops"` (dict from operator to count).

    Raises:
        VerificationError: if the file has an operator that the target does not take, other tensors than the target's,
            or answers that do not follow from the student's.
    """
    ops = flatbuffer.operators(content)
    check_operators(ops, target)
    runner = Runner(content)
    check_interface(runner, dataset, target, quantization)
    count = len(dataset.splits[split])
    figures = _compare(runner, network, dataset, target, split, min(count, max_examples or count))
    _check_answers(figures, quantization, max_drop)
    return {
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        f"{'val' if split == 'validation' else split}_top1": figures["top1"],
        "agreement": figures["agreement"],
        "max_error": figures["max_error"],
        "latency_us_p50": round(runner.latency()["p50_us"], 1),
        "ops": ops,
    }


def check_operators(ops, target):
    """Refuses operators that a target does not run.

    Args:
        ops: dict from operator name to count.
        target: `Target`.

    Raises:
        VerificationError: naming the operators.
    """
    foreign = [f"{name} ({count})" for name, count in ops.items() if name not in target.operators]
    if foreign:
        raise VerificationError(
            f"The file has operators that the {target.name} target does not run; it runs "
            f"{', '.join(sorted(target.operators))}. Received: {', '.join(foreign)}"
        )


def check_interface(runner, dataset, target, quantization):
    """Refuses a file whose tensors are not the ones that a target promises.

    Args:
        runner: `Runner` of the file.
        dataset: the images and classes it is for.
        target: `Target`.
        quantization: one that the target takes.

    Raises:
        VerificationError: naming the tensor.
    """
    height, width, channels = dataset.image_shape
    input_type, output_type = target.tensors[quantization]
    shapes = (1, height, width, 3 if target.rgb else channels), (1, dataset.num_classes)
    names, kinds = ("image", target.output), (input_type, output_type)
    for details, name, kind, shape in zip((runner.input, runner.output), names, kinds, shapes, strict=True):
        found = details["name"], details["dtype"].__name__, tuple(map(int, details["shape_signature"]))
        if found != (name, kind, shape):
            raise VerificationError(
                f"A {target.name} {quantization} file has a tensor {name}, {kind} {shape}. Received: {found}"
            )
    scale, zero_point = runner.input["quantization"]
    if (scale, zero_point) != INPUT_QUANTIZATION[input_type]:
        raise VerificationError(
            f"A {input_type} input holds pixels with (scale, zero point) {INPUT_QUANTIZATION[input_type]}. "
            f"Received: {(scale, zero_point)}"
        )


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


def _check_answers(figures, quantization, max_drop):
    allowed = max_drop + figures["count"] ** -0.5
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
