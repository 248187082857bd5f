"""Quantisation-aware training in Keras 3: networks that see int8 weights and activations while they train.

`quantization_aware` rewrites a functional model into one with the same outputs, names and weights. `ScheduleCallback`
says, in stock `fit`, when quantisation begins and batch normalisation freezes, as `Schedule` does for a cohort; `lower`
gives the graph that a converter turns into an int8 file without a representative data set.

References:
    Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
    arXiv 1712.05877; Krishnamoorthi, "Quantizing deep convolutional networks for efficient inference", arXiv
    1806.08342.
"""

from odtf.quantization.float_island import FloatIsland
from odtf.quantization.lowering import FixedRange, floating, has_channel_scales, is_aware, lower, unquantized
from odtf.quantization.quantized import Quantized
from odtf.quantization.quantized_convolution import QuantizedConvolution
from odtf.quantization.range import Range, pixel_range
from odtf.quantization.rewrite import quantization_aware
from odtf.quantization.schedule import Schedule
from odtf.quantization.schedule_callback import ScheduleCallback

__all__ = [
    "FixedRange",
    "FloatIsland",
    "Quantized",
    "QuantizedConvolution",
    "Range",
    "Schedule",
    "ScheduleCallback",
    "floating",
    "has_channel_scales",
    "is_aware",
    "lower",
    "pixel_range",
    "quantization_aware",
    "unquantized",
]
