"""The CPU of a phone."""

from odtf.targets import operator_sets
from odtf.targets.description import Target

TARGET = Target(
    name="phone",
    title="the CPU of a phone, with XNNPACK",
    # MediaPipe takes uint8 input whatever comes after it, and uint8 or float32 output; scores are float32 in any file.
    tensors={
        "int8": ("uint8", "uint8"),
        "int16x8": ("uint8", "float32"),
        "float16": ("uint8", "float32"),
        "dynamic": ("uint8", "float32"),
        "float32": ("uint8", "float32"),
    },
    operators=operator_sets.PHONE,
    finished=True,
    rgb=True,
    grouped="native",
    per_channel_dense=True,
    metadata=True,
    c_array=False,
    snippet="android",
    proofs=("kernels", "client"),
)
