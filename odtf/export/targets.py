"""What each target takes, as data: tensor types, operators, limits, files, and the tools that prove them.

Every stage of the export reads these descriptions and none of them asks which target it is working for.
"""

import dataclasses
from collections.abc import Mapping

from odtf.errors import UserError

# Operators that TFLite Micro and the Ethos-U both have for int8 and int16 activations (Vela 5.2's
# SUPPORTED_OPS.md; TFLite Micro's micro_mutable_op_resolver.h).
_PORTABLE_OPERATORS = frozenset(
    (
        *("ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "HARD_SWISH"),
        *("LEAKY_RELU", "LOGISTIC", "MAXIMUM", "MAX_POOL_2D", "MEAN", "MINIMUM", "MUL", "PAD", "QUANTIZE", "RELU"),
        *("RELU6", "RESHAPE", "SOFTMAX", "SPLIT", "STRIDED_SLICE", "SUB", "TANH", "TRANSPOSE"),
    )
)

# Either one alone has more.
_MICRO_OPERATORS = _PORTABLE_OPERATORS | {
    *("ELU", "EXPAND_DIMS", "MIRROR_PAD", "PACK", "PRELU", "SLICE", "SPLIT_V", "SQUARED_DIFFERENCE", "UNPACK"),
}
_ETHOS_OPERATORS = _PORTABLE_OPERATORS | {"EXPAND_DIMS", "MIRROR_PAD", "PACK", "SLICE", "SPLIT_V", "UNPACK"}

# What XNNPACK runs in addition; CAST is how pixels enter a network that does not compute in int8.
_PHONE_OPERATORS = _PORTABLE_OPERATORS | {
    *("CAST", "DEQUANTIZE", "DIV", "ELU", "GELU", "PRELU", "RSQRT", "SLICE", "SQRT", "SQUARED_DIFFERENCE"),
}

# What the GPU delegate parses between float tensors (tensorflow/lite/delegates/gpu/common/model_builder.cc). DEQUANTIZE
# is how float16 weights are stored; the delegate reads through it.
_GPU_OPERATORS = (_PHONE_OPERATORS | {"EXP", "SPLIT_V"}) - {"CAST", "GELU", "QUANTIZE", "SPLIT"}


@dataclasses.dataclass(frozen=True)
class Target:
    """One kind of device.

    Attributes:
        name: the word on the command line.
        title: what it is, for people.
        tensors: for each quantisation that the target takes, the file's (input, output) types; the usual one first.
        operators: names of the builtin operators that the target runs.
        output: name of the output tensor.
        softmax: the file ends in probabilities instead of logits.
        rgb: the file takes RGB even when the network sees one channel.
        grouped: how a grouped convolution is lowered, `"native"` or `"split"`.
        per_channel_dense: dense layers may carry a scale per output.
        metadata: the file carries TFLite metadata with the label names.
        c_array: a C++ source with the file's bytes goes beside it.
        snippet: which code in the model card shows its use, `"firmware"` or `"android"`.
        proofs: names of the tools that prove the file, beside LiteRT with XNNPACK, which always does.
        width_multiple: widths of convolutions are multiples of it.
        max_rank: most dimensions of a tensor; None for as many as there are.
        accelerator: Vela's name of the processor that the file is compiled for; None for no compilation.
        delegate: what MediaPipe is told to run it on, `"CPU"` or `"GPU"`.
    """

    name: str
    title: str
    tensors: Mapping[str, tuple[str, str]]
    operators: frozenset[str]
    output: str
    softmax: bool
    rgb: bool
    grouped: str
    per_channel_dense: bool
    metadata: bool
    c_array: bool
    snippet: str
    proofs: tuple[str, ...]
    width_multiple: int = 1
    max_rank: int | None = None
    accelerator: str | None = None
    delegate: str = "CPU"

    def conversion(self, quantization):
        """What the bytes of a file depend on: targets that are equal in it share one conversion."""
        return (
            *(quantization, self.tensors[quantization], self.output, self.softmax),
            *(self.rgb, self.grouped, self.per_channel_dense),
        )


SOC = Target(
    name="soc",
    title="a system-on-chip, with TFLite Micro or through Vela on an Ethos-U",
    tensors={"int8": ("int8", "int8"), "int16x8": ("int16", "int16")},
    operators=_PORTABLE_OPERATORS,
    output="logits",
    softmax=False,
    rgb=False,
    grouped="native",
    # TFLite Micro before September 2024 refuses such layers, or reads one scale for all of them
    # (tflite-micro pull requests 2602 and 2673).
    per_channel_dense=False,
    metadata=False,
    c_array=True,
    snippet="firmware",
    proofs=("kernels",),
)

MICRO = dataclasses.replace(
    SOC, name="micro", title="a microcontroller, with TFLite Micro's kernels", operators=_MICRO_OPERATORS
)

ETHOS_U55 = dataclasses.replace(
    SOC,
    name="ethos-u55",
    title="an Arm Ethos-U55 with 128 MACs a cycle, through Vela and TFLite Micro",
    operators=_ETHOS_OPERATORS,
    proofs=("kernels", "vela"),
    accelerator="ethos-u55-128",
)

ETHOS_U65 = dataclasses.replace(
    ETHOS_U55,
    name="ethos-u65",
    title="an Arm Ethos-U65 with 256 MACs a cycle, through Vela and TFLite Micro",
    accelerator="ethos-u65-256",
)

PHONE = Target(
    name="phone",
    title="the CPU of a phone, with XNNPACK",
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
    snippet="android",
    proofs=("kernels", "mediapipe"),
)

PHONE_GPU = dataclasses.replace(
    PHONE,
    name="phone-gpu",
    title="the GPU of a phone, with LiteRT's GPU delegate",
    # The delegate has no CAST from uint8: float32 pixels let it take the whole graph.
    tensors={"float16": ("float32", "float32")},
    operators=_GPU_OPERATORS,
    # It takes a grouped convolution as one where each group reads and writes multiples of 4 channels, else it splits
    # it; plain ones it pads to 4. Its transposition has at most 4 dimensions.
    width_multiple=4,
    max_rank=4,
    delegate="GPU",
)

TARGETS = {target.name: target for target in (SOC, PHONE, PHONE_GPU, MICRO, ETHOS_U55, ETHOS_U65)}
QUANTIZATIONS = tuple(PHONE.tensors)


def find_target(name, quantization):
    """The description of a target, checked against the quantisation asked for.

    Args:
        name: key of `TARGETS`, or a `Target`.
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
