"""Quantisation-aware training in Keras 3: networks that see int8 weights and activations while they train.

`quantization_aware` rewrites a network into one with the same taps, names and weights, `Schedule` says when
quantisation begins and batch normalisation freezes, and `lower` gives the graph that a converter turns into an int8
file without a representative data set.

References:
    Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
    arXiv 1712.05877; Krishnamoorthi, "Quantizing deep convolutional networks for efficient inference", arXiv
    1806.08342.
"""

from odtf.quantization.lowering import FixedRange, is_aware, lower, unquantized
from odtf.quantization.quantized import Quantized
from odtf.quantization.quantized_convolution import QuantizedConvolution
from odtf.quantization.range import Range, pixel_range
from odtf.quantization.rewrite import quantization_aware
from odtf.quantization.schedule import Schedule

__all__ = [
    "FixedRange",
    "Quantized",
    "QuantizedConvolution",
    "Range",
    "Schedule",
    "is_aware",
    "lower",
    "pixel_range",
    "quantization_aware",
    "unquantized",
]
