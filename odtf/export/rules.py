"""Rules for a file before its answers are looked at: its operators, widths and tensors, held against a target."""

import numpy as np

from odtf.errors import VerificationError
from odtf.tflite import flatbuffer
from odtf.tflite.raw_pixels import INPUT_QUANTIZATION

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")


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


def check_limits(content, target):
    """Refuses widths and ranks that a target does not run.

    Args:
        content: the file's bytes.
        target: `Target`.

    Raises:
        VerificationError: naming the operator and its output.
    """
    model = flatbuffer.look(content)
    graph = model.subgraphs[0]
    shapes = [tuple(map(int, tensor.shape)) if tensor.shape is not None else () for tensor in graph.tensors]
    image = int(graph.inputs[0])
    for op in graph.operators:
        name, output = flatbuffer.operator_name(model, op), shapes[op.outputs[0]]
        if target.max_rank is not None and len(output) > target.max_rank:
            raise VerificationError(
                f"The {target.name} target runs tensors of at most {target.max_rank} dimensions. "
                f"Received: {name} to {_text(output)}"
            )
        # What reads the image is the normalisation, whose channels are the image's.
        if name not in _CONVOLUTIONS or op.inputs[0] == image:
            continue
        widths = _widths(name, shapes[op.inputs[0]], shapes[op.inputs[1]])
        if any(width % target.width_multiple for width in widths):
            raise VerificationError(
                f"The {target.name} target runs convolutions whose widths, those of every group where there are "
                f"groups, are multiples of {target.width_multiple}. Received: {name} to {_text(output)} with widths "
                f"{' and '.join(map(str, widths))}"
            )


def check_scales(content):
    """Refuses a file with a scale that is no positive, finite number: kernels divide by it.

    Args:
        content: the file's bytes.

    Raises:
        VerificationError: naming the operator that writes, or the tensor that holds, such values.
    """
    model = flatbuffer.look(content)
    graph = model.subgraphs[0]
    makers = {int(output): flatbuffer.operator_name(model, op) for op in graph.operators for output in op.outputs}
    for index, tensor in enumerate(graph.tensors):
        scales = None if tensor.quantization is None else tensor.quantization.scale
        scales = np.asarray([] if scales is None else scales, np.float64)
        if not np.all(np.isfinite(scales) & (scales > 0)):
            raise VerificationError(
                "Scales of a file are positive, finite numbers. Received: "
                f"{scales[~(np.isfinite(scales) & (scales > 0))][0]:g} of {makers.get(index, 'a constant')}"
            )


def check_interface(runner, info, task, target, quantization):
    """Refuses a file whose tensors are not the ones that a target promises.

    Args:
        runner: `Runner` of the file.
        info: `odtf.data.Info` of the data it is for.
        task: `odtf.tasks.Task`.
        target: `Target`.
        quantization: one that the target takes.

    Raises:
        VerificationError: naming the tensor.
    """
    height, width, channels = info.image_shape
    input_type, output_type = target.tensors[quantization]
    answer = task.answer(info, target, quantization)
    shapes = (1, height, width, 3 if target.rgb else channels), answer.shape
    names, kinds = ("image", answer.name), (input_type, answer.dtype or output_type)
    for details, name, kind, shape in zip((runner.input, runner.output), names, kinds, shapes, strict=True):
        sizes = tuple(map(int, details["shape_signature"]))
        if len(shape) == len(sizes):
            shape = tuple(size if wanted is None else wanted for wanted, size in zip(shape, sizes, strict=True))
        found = details["name"], details["dtype"].__name__, sizes
        if found != (name, kind, shape):
            raise VerificationError(
                f"A {target.name} {quantization} file has a tensor {name}, {kind} {shape}. Received: {found}"
            )
    if answer.quantization not in (None, runner.output["quantization"]):
        raise VerificationError(
            f"The output {answer.name} holds values with (scale, zero point) {answer.quantization}. "
            f"Received: {runner.output['quantization']}"
        )
    scale, zero_point = runner.input["quantization"]
    if (scale, zero_point) != INPUT_QUANTIZATION[input_type]:
        raise VerificationError(
            f"A {input_type} input holds pixels with (scale, zero point) {INPUT_QUANTIZATION[input_type]}. "
            f"Received: {(scale, zero_point)}"
        )


def _widths(name, input_shape, kernel_shape):
    """The width that a convolution writes, and of a grouped one those that each group reads and writes."""
    if name == "DEPTHWISE_CONV_2D":
        return [kernel_shape[-1]]
    groups = input_shape[-1] // kernel_shape[-1]
    return [kernel_shape[0]] if groups == 1 else [kernel_shape[-1], kernel_shape[0] // groups]


def _text(shape):
    return "x".join(map(str, shape))
