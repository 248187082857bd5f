"""Cheap convolutions, and the normalisations and margins they are trained with: one layer a file.

Every layer is a Keras layer (channels last, serialisable) with one method more, `deploy(x)`: it applies stock Keras
layers that carry this layer's present weights, so that the deployed network needs nothing of this package.
"""

from odtf.layers.batch_normalization import BatchNormalization
from odtf.layers.channel_shuffle import ChannelShuffle
from odtf.layers.conv2d import Conv2D
from odtf.layers.cropping2d import Cropping2D
from odtf.layers.depthwise_conv2d import DepthwiseConv2D
from odtf.layers.ghost_module import GhostModule
from odtf.layers.group_conv2d import GroupConv2D
from odtf.layers.instance_normalization import InstanceNormalization
from odtf.layers.line_conv2d import LineConv2D
from odtf.layers.reflection_padding2d import ReflectionPadding2D
from odtf.layers.shift2d import Shift2D

__all__ = [
    "BatchNormalization",
    "ChannelShuffle",
    "Conv2D",
    "Cropping2D",
    "DepthwiseConv2D",
    "GhostModule",
    "GroupConv2D",
    "InstanceNormalization",
    "LineConv2D",
    "ReflectionPadding2D",
    "Shift2D",
]
