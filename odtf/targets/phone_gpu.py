"""The GPU of a phone."""

import dataclasses

from odtf.targets import operator_sets, phone

TARGET = dataclasses.replace(
    phone.TARGET,
    name="phone-gpu",
    title="the GPU of a phone, with LiteRT's GPU delegate",
    # The delegate has no CAST from uint8: float32 pixels let it take the whole graph.
    tensors={"float16": ("float32", "float32")},
    operators=operator_sets.PHONE_GPU,
    # It takes a grouped convolution as one where each group reads and writes multiples of 4 channels, else it splits
    # it; plain ones it pads to 4. Its transposition has at most 4 dimensions.
    width_multiple=4,
    max_rank=4,
    delegate="GPU",
)
