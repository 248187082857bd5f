"""What each target takes, as data: tensor types, operators, and the files that go beside the model.

Every stage of the export reads these descriptions and none of them asks which target it is working for.
"""

import dataclasses
from collections.abc import Mapping

from odtf.errors import UserError

# Every file takes raw pixels 0..255, whatever its input type: value = scale * (stored - zero_point). The power of two
# of int16 lets firmware shift (pixel << 7) instead of multiplying.
INPUT_QUANTIZATION = {"int8": (1.0, -128), "int16": (1.0 / 128.0, 0), "uint8": (1.0, 0)}

# Operators that TFLite Micro and the Ethos-U55 both have for int8 and int16 activations (Vela 5.2's
# SUPPORTED_OPS.md; TFLite Micro's micro_mutable_op_resolver.h).
_MICRO_OPERATORS = frozenset(
    (
        *("ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "HARD_SWISH"),
        *("LEAKY_RELU", "LOGISTIC", "MAXIMUM", "MAX_POOL_2D", "MEAN", "MINIMUM", "MUL", "PAD", "QUANTIZE", "RELU"),
        *("RELU6", "RESHAPE", "SOFTMAX", "SPLIT", "STRIDED_SLICE", "SUB", "TANH", "TRANSPOSE"),
    )
)

# What XNNPACK runs in addition; CAST is how pixels enter a network that does not compute in int8.
_PHONE_OPERATORS = _MICRO_OPERATORS | {
    *("CAST", "DEQUANTIZE", "DIV", "ELU", "GELU", "PRELU", "RSQRT", "SLICE", "SQRT", "SQUARED_DIFFERENCE"),
}


@dataclasses.dataclass(frozen=True)
class Target:
    """One kind of device.

    Attributes:
        name: the word on the command line.
        tensors: for each quantisation that the target takes, the file's (input, output) types.
        operators: names of the builtin operators that the target runs.
        output: name of the output tensor.
        softmax: the file ends in probabilities instead of logits.
        rgb: the file takes RGB even when the network sees one channel.
        grouped: how a grouped convolution is lowered, `"native"` or `"split"`.
        per_channel_dense: dense layers may carry a scale per output.
        metadata: the file carries TFLite metadata with the label names.
        c_array: a C++ source with the file's bytes goes beside it.
    """

    name: str
    tensors: Mapping[str, tuple[str, str]]
    operators: frozenset[str]
    output: str
    softmax: bool
    rgb: bool
    grouped: str
    per_channel_dense: bool
    metadata: bool
    c_array: bool


SOC = Target(
    name="soc",
    tensors={"int8": ("int8", "int8"), "int16x8": ("int16", "int16")},
    operators=_MICRO_OPERATORS,
    output="logits",
    softmax=False,
    rgb=False,
    grouped="native",
    # TFLite Micro before September 2024 refuses such layers, or reads one scale for all of them
    # (tflite-micro pull requests 2602 and 2673).
    per_channel_dense=False,
    metadata=False,
    c_array=True,
)

PHONE = Target(
    name="phone",
    # MediaPipe's ImageClassifier takes uint8 input whatever comes after it, and uint8 or float32 scores.
    tensors={
        "int8": ("uint8", "uint8"),
        "int16x8": ("uint8", "float32"),
        "float16": ("uint8", "float32"),
        "dynamic": ("uint8", "float32"),
        "float32": ("uint8", "float32"),
    },
    operators=_PHONE_OPERATORS,
    output="scores",
    softmax=True,
    rgb=True,
    grouped="native",
    per_channel_dense=True,
    metadata=True,
    c_array=False,
)

TARGETS = {target.name: target for target in (SOC, PHONE)}
QUANTIZATIONS = tuple(PHONE.tensors)


def find_target(name, quantization):
    """The description of a target, checked against the quantisation asked for.

    Args:
        name: `"soc"` or `"phone"`, or a `Target`.
        quantization: `"int8"`, `"int16x8"`, `"float16"`, `"dynamic"` or `"float32"`.

    Returns:
        The `Target`.

    Raises:
        UserError: if there is no such target or quantisation, or the target does not take it.
    """
    target = name if isinstance(name, Target) else TARGETS.get(name)
    if target is None:
        raise UserError(f"No such export target: it would be one of {', '.join(TARGETS)}. Received: target={name!r}")
    if quantization not in QUANTIZATIONS:
        known = ", ".join(QUANTIZATIONS)
        raise UserError(f"No such quantization: it would be one of {known}. Received: quantization={quantization!r}")
    if quantization not in target.tensors:
        taken = " or ".join(target.tensors)
        raise UserError(f"The {target.name} target takes {taken} files only. Received: quantization={quantization!r}")
    return target
