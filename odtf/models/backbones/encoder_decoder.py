"""An encoder and a light decoder with skip connections, for an answer to every pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from odtf.models.convolution import Pieces
from odtf.models.encoders import encoded
from odtf.models.heads import cropped, doubled
from odtf.models.sizes import checked_width, network_input

if TYPE_CHECKING:
    from odtf.models.annotations import Head, Shape, Specification


_BACKBONE = {"name": "resnet", "depth": 18, "conv": "depthwise", "width": 16}
_MERGES = ("add", "concatenate")


def encoder_decoder(
    input_shape: Shape,
    head: Head,
    *,
    backbone: Specification = _BACKBONE,
    conv: str = "depthwise",
    groups: int | None = None,
    width: int = 32,
    stride: int = 4,
    merge: str = "add",
    seed: int = 0,
    name: str = "network",
    synchronized: bool = False,
) -> keras.Model:
    """Any backbone, whose coarsest map is doubled step by step and meets the finer maps on the way.

    A step doubles the map bilinearly, joins it with the backbone's last map of that size (brought to `width` by a 1x1
    convolution), and convolves. Sizes that the backbone's stride does not divide are padded below and on the right; the
    last map is cut to what the picture has.

    Args:
        input_shape: `(height, width, channels)`, at least 4x4.
        head: a head of `odtf.models.heads`, such as `Pixels`, or a number of classes.
        backbone: specification of the encoder, as for `odtf.models.build`: "name" and further arguments, its own
            convolution among them.
        conv: what stands for the 3x3 convolution of a step: "standard", "group", "shuffled_group", "depthwise",
            "shift" (both with a 1x1 convolution), "line" or "ghost".
        groups: number of groups, for the grouped kinds.
        width: channels of the decoder.
        stride: pixels of the picture for each position of the last map, a power of 2; the head enlarges the rest.
        merge: how the two maps of a step are joined: "add" or "concatenate".
        seed: integer that every random weight follows from.
        name: name of the network.
        synchronized: whether batch normalisations take their statistics over all replicas.

    Returns:
        Functional `keras.Model` from `[batch, height, width, channels]` to the taps "stage1" and so on
        `[batch, h, w, c]`, those of the backbone, then those of the decoder, and those of the head.

    Raises:
        ValueError: if an argument is out of range or does not fit another.

    Reference:
        Ronneberger, Fischer, Brox, "U-Net", 2015; with sums in place of concatenations, Chaurasia, Culurciello,
        "LinkNet", 2017.
    """
    if merge not in _MERGES:
        raise ValueError(f"Unknown merge; there are {', '.join(_MERGES)}. Received: merge={merge!r}")
    if not isinstance(stride, int) or stride < 1 or stride & (stride - 1):
        raise ValueError(f"The stride of the last map is a power of 2. Received: stride={stride!r}")
    width, size = checked_width(width), tuple(network_input(input_shape, head).shape[1:3])
    image, maps, strides = encoded(input_shape, backbone, seed=seed, synchronized=synchronized)
    pieces = Pieces(conv, groups=groups, seed=seed + 1, synchronized=synchronized)

    # The last map of every size, the coarsest first.
    levels = sorted(dict(zip(strides, maps, strict=True)).items(), reverse=True)
    (current, x), *finer = levels
    x, stages = pieces.pointwise(x, width, name="decoder_top"), list(maps)
    for index, (wanted, skip) in enumerate((level for level in finer if level[0] >= stride), start=1):
        while current > wanted:
            current //= 2
            x = doubled(x, name=f"decoder{index}_doubled{current}")
        skip = pieces.pointwise(skip, width, name=f"decoder{index}_skip", relu=merge == "concatenate")
        joined = keras.layers.Add if merge == "add" else keras.layers.Concatenate
        x = joined(name=f"decoder{index}_{merge}")([x, skip])
        x = pieces.convolved(x, width, name=f"decoder{index}_conv")
        stages.append(x)
    last = cropped(x, [-(-side // current) for side in size], name="decoder_cropped")
    stages[-1:] = [last] if stages[-1] is x else [stages[-1], last]
    return pieces.network(image, stages, head, name=name)
