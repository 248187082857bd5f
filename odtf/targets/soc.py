"""A system-on-chip: files that a microcontroller and an NPU run alike."""

from odtf.targets import operator_sets
from odtf.targets.description import Target

TARGET = Target(
    name="soc",
    title="a system-on-chip, with TFLite Micro or through Vela on an Ethos-U",
    tensors={"int8": ("int8", "int8"), "int16x8": ("int16", "int16")},
    operators=operator_sets.PORTABLE,
    finished=False,
    rgb=False,
    grouped="native",
    # TFLite Micro before September 2024 refuses such layers, or reads one scale for all of them
    # (tflite-micro pull requests 2602 and 2673).
    per_channel_dense=False,
    metadata=False,
    c_array=True,
    snippet="firmware",
    proofs=("micro",),
)
